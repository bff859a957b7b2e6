package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/internal/bulk"
	"geogate/internal/command/redisclient"
	"geogate/internal/config"
	"geogate/internal/headroom"
	"geogate/internal/natsbus"
	"geogate/internal/schema"
	"geogate/internal/trace"
)

type workerCmd struct {
	Workers int `help:"Chunks to work on at a time; 0: WORKERS, or 2 when that is 0." default:"0"`
}

// Run works until the process is told to stop.
func (cmd workerCmd) Run(ctx context.Context, p *Process) error {
	s, err := loadSettings(p.Getenv)
	if err != nil {
		return err
	}
	if s.redis == nil {
		return &config.Error{Problems: []string{"REDIS_URL: want a server: a worker gets its work through it from other processes"}}
	}
	if cmd.Workers < 0 || cmd.Workers > config.MaxWorkers {
		return &config.Error{Problems: []string{fmt.Sprintf("--workers: want a whole number from 0 to %d", config.MaxWorkers)}}
	}
	log := newLogger(s.Config, p.Stderr)
	redisclient.LogTo(log)
	rdb := redisclient.OpenPatient(s.redis)
	geo, err := openGeocoding(s, rdb, log, gateway.NewMetrics())
	if err != nil {
		return errors.Join(err, rdb.Close())
	}
	work, err := openJobs(s.Config, rdb, geo.room, log)
	if err != nil {
		return errors.Join(err, rdb.Close())
	}
	if err := geo.fleet.Open(); err != nil {
		return errors.Join(err, rdb.Close())
	}
	tracer := newTracer(s, log)
	worker := work.worker(geo, cmd.chunks(s.Workers), tracer)
	log.Info().Int("workers", cmd.chunks(s.Workers)).Str("redis", rdb.Label()).Msg("working on bulk jobs")

	watch := schema.NewWatch(rdb, sharedSettings(s), log, migrations...)
	ctx, refuse := context.WithCancel(ctx)
	defer refuse()
	stopTracing := tracing(ctx, tracer)
	// The cache outlives the worker, which still saves what it has.
	stop := background(ctx, watching(watch, refuse), geo.cache.Run, geo.room.Run, work.bell.Run, geo.files.reloading(p.reloads()), geo.fleet.Run)
	geo.fleet.Join(ctx)
	err = onceChecked(watch, worker.Run)(ctx)
	err = errors.Join(err, stop(), stopTracing(), rdb.Close())
	log.Info().Msg("stopped")
	return err
}

// chunks is at least two where nothing is configured: where web processes have
// WORKERS=0, this process does their work.
func (cmd workerCmd) chunks(configured int) int {
	switch {
	case cmd.Workers > 0:
		return cmd.Workers
	case configured > 0:
		return configured
	}
	return 2
}

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
func (j *jobs) worker(g *geocoding, chunks int, tracer *trace.Tracer) *bulk.Worker {
	rows := g.rows()
	return bulk.NewWorker(j.rdb, j.store, j.bell, rows.Plan,
		bulk.WorkerConfig{Log: j.log, Chunks: chunks, Judge: rows.Judge, MayStore: j.may, Tracer: tracer})
}
