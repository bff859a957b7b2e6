package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"geogate/gateway"
	"geogate/internal/bulk"
	"geogate/internal/natsbus"
	"geogate/internal/schema"
)

// jobs is bulk geocoding as this process sees it.
type jobs struct {
	rdb    redis.UniversalClient
	log    zerolog.Logger
	store  bulk.Store
	bell   *bulk.Bell
	master *bulk.Master
}

// openJobs opens the store that JOBS_STORE names and starts nothing.
func openJobs(cfg Config, rdb redis.UniversalClient, log zerolog.Logger) (*jobs, error) {
	j := &jobs{rdb: rdb, log: log, store: bulk.NewRedisStore(rdb, "")}
	if cfg.JobsStore != "" {
		store, err := bulk.NewDirStore(string(cfg.JobsStore))
		if err != nil {
			return nil, fmt.Errorf("JOBS_STORE: %w", err)
		}
		j.store = store
	}
	j.bell = bulk.NewBell(jobTransport(cfg, rdb, log), log)
	j.master = bulk.NewMaster(rdb, j.store, j.bell, bulk.Config{
		Log: log, MaxBytes: int64(cfg.JobsMaxBytes), MaxRows: cfg.JobsMaxRows,
	})
	return j, nil
}

// jobTransport is the bus where there is one, else Redis.
func jobTransport(cfg Config, rdb redis.UniversalClient, log zerolog.Logger) bulk.Transport {
	if cfg.NATSURL == "" {
		return bulk.RedisTransport(rdb, "")
	}
	signal := natsbus.NewSignal(string(cfg.NATSURL), natsbus.JobSubject, log)
	return bulk.Transport{Publish: signal.Publish, Subscribe: signal.Subscribe}
}

// worker works on so many chunks at a time, and asks g.
func (j *jobs) worker(g *geocoding, chunks int) *bulk.Worker {
	return bulk.NewWorker(j.rdb, j.store, j.bell, gateway.RowPlan(g.geocoder, g.cells),
		bulk.WorkerConfig{Log: j.log, Chunks: chunks, Judge: gateway.RowTrouble})
}

type workerCmd struct {
	Workers int `help:"Chunks to work on at a time; 0: WORKERS, or 2 when that is 0." default:"0"`
}

// Run works until the process is told to stop.
func (cmd workerCmd) Run(p *process) error {
	cfg, err := loadConfig(p.getenv)
	if err != nil {
		return err
	}
	if cfg.RedisURL == "" {
		return &ConfigError{Problems: []string{"REDIS_URL: want a server: a worker gets its work from other processes through it"}}
	}
	if cmd.Workers < 0 || cmd.Workers > maxWorkers {
		return &ConfigError{Problems: []string{fmt.Sprintf("--workers: want a whole number from 0 to %d", maxWorkers)}}
	}
	log := newLogger(cfg, p.stderr)
	rdb, err := openPatientRedis(cfg)
	if err != nil {
		return err
	}
	redis.SetLogger(redisLog{log})
	geo, err := openGeocoding(cfg, rdb, log, gateway.NewMetrics())
	if err != nil {
		return errors.Join(err, rdb.Close())
	}
	work, err := openJobs(cfg, rdb, log)
	if err != nil {
		return errors.Join(err, rdb.Close())
	}
	worker := work.worker(geo, cmd.chunks(cfg))
	log.Info().Int("workers", cmd.chunks(cfg)).Str("redis", rdb.label).Msg("working on bulk jobs")

	// The cache outlives the worker, which still saves what it has.
	support, stop := context.WithCancel(context.WithoutCancel(p.ctx))
	defer stop()
	var parts errgroup.Group
	parts.Go(func() error { return geo.cache.Run(support) })
	parts.Go(func() error { return work.bell.Run(support) })
	ctx, refuse := context.WithCancel(p.ctx)
	defer refuse()
	watch := schema.NewWatch(rdb, sharedSettings(cfg), log)
	parts.Go(func() error { return runWatch(support, watch, refuse) })
	select {
	case <-watch.Checked():
		err = worker.Run(ctx)
	case <-ctx.Done():
	}
	stop()
	err = errors.Join(err, parts.Wait(), rdb.Close())
	log.Info().Msg("stopped")
	return err
}

// chunks is at least two: where web processes have WORKERS=0, this process is
// there to do their work.
func (cmd workerCmd) chunks(cfg Config) int {
	switch {
	case cmd.Workers > 0:
		return cmd.Workers
	case cfg.Workers > 0:
		return cfg.Workers
	}
	return 2
}
