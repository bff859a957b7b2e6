package command

import (
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/internal/bulk"
	"geogate/internal/config"
	"geogate/internal/headroom"
	"geogate/internal/natsbus"
)

// jobs is bulk geocoding as this process sees it.
type jobs struct {
	rdb    redis.UniversalClient
	log    zerolog.Logger
	store  bulk.Store
	bell   *bulk.Bell
	master *bulk.Master
	// may says whether so many bytes may be stored; nil where that is no matter
	// of Redis.
	may func(bytes int) bool
}

// builtInJobBytes is what jobs may take in the built-in Redis, which is this
// process's memory: the collector needs as much again.
const builtInJobBytes = 64 << 20

// openJobs opens the store that JOBS_STORE names and starts nothing.
func openJobs(cfg config.Config, rdb redis.UniversalClient, room *headroom.Watch, log zerolog.Logger) (*jobs, error) {
	j := &jobs{rdb: rdb, log: log, store: bulk.NewRedisStore(rdb, ""), may: room.Allows}
	if cfg.JobsStore != "" {
		store, err := bulk.NewDirStore(string(cfg.JobsStore))
		if err != nil {
			return nil, fmt.Errorf("JOBS_STORE: %w", err)
		}
		j.store, j.may = store, nil
	}
	total := int64(cfg.JobsMaxTotalBytes)
	if cfg.RedisURL == "" && cfg.JobsStore == "" {
		total = min(total, builtInJobBytes)
	}
	j.bell = bulk.NewBell(jobTransport(cfg, rdb, log), log)
	j.master = bulk.NewMaster(rdb, j.store, j.bell, bulk.Config{
		Log: log, MaxBytes: int64(cfg.JobsMaxBytes), MaxRows: cfg.JobsMaxRows, MayStore: j.may,
		MaxJobs: cfg.JobsMax, MaxClientJobs: cfg.JobsMaxPerClient,
		MaxTotalBytes: total, MaxClientBytes: int64(cfg.JobsMaxClientBytes),
	})
	return j, nil
}

// jobTransport is the bus where there is one, else Redis.
func jobTransport(cfg config.Config, rdb redis.UniversalClient, log zerolog.Logger) bulk.Transport {
	if cfg.NATSURL == "" {
		return bulk.RedisTransport(rdb, "")
	}
	signal := natsbus.NewSignal(string(cfg.NATSURL), natsbus.JobSubject, log)
	return bulk.Transport{Publish: signal.Publish, Subscribe: signal.Subscribe}
}

// worker works on up to chunks chunks at a time, and asks g.
func (j *jobs) worker(g *geocoding, chunks int) *bulk.Worker {
	rows := g.rows()
	return bulk.NewWorker(j.rdb, j.store, j.bell, rows.Plan,
		bulk.WorkerConfig{Log: j.log, Chunks: chunks, Judge: rows.Judge, MayStore: j.may})
}
