package command

import (
	"context"
	"errors"
	"fmt"

	"geogate/gateway"
	"geogate/internal/command/redisclient"
	"geogate/internal/config"
	"geogate/internal/schema"
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
	worker := work.worker(geo, cmd.chunks(s.Workers))
	log.Info().Int("workers", cmd.chunks(s.Workers)).Str("redis", rdb.Label()).Msg("working on bulk jobs")

	watch := schema.NewWatch(rdb, sharedSettings(s.Config), log, migrations...)
	ctx, refuse := context.WithCancel(ctx)
	defer refuse()
	// The cache outlives the worker, which still saves what it has.
	stop := background(ctx, watching(watch, refuse), geo.cache.Run, geo.room.Run, work.bell.Run, geo.files.reloading(p.reloads()))
	err = onceChecked(watch, worker.Run)(ctx)
	err = errors.Join(err, stop(), rdb.Close())
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
