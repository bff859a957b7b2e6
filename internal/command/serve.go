package command

import (
	"context"
	"errors"
	"strconv"

	"geogate/gateway"
	"geogate/internal/config"
	"geogate/internal/memory"
)

type serveCmd struct {
	Port *int `help:"Port to listen on, instead of PORT."`
}

// Run serves until ctx ends.
func (cmd serveCmd) Run(ctx context.Context, p *Process) error {
	getenv, err := cmd.environment(p.Getenv)
	if err != nil {
		return err
	}
	s, err := loadSettings(getenv)
	if err != nil {
		return err
	}
	target := aimMemory(s)
	out, flush := gatherLines(p.Stderr)
	defer flush()
	a, err := newApp(s, newLogger(s.Config, out))
	if err != nil {
		return err
	}
	a.memory = target
	l, err := listen(ctx, s.Config)
	if err != nil {
		return errors.Join(err, a.redis.Close())
	}
	reloads := p.reloads()
	writeBanner(ctx, p, a, l.Addr())
	return a.serve(ctx, l, reloads)
}

// environment is that of the process, with the port of the command line.
func (cmd serveCmd) environment(getenv func(string) string) (func(string) string, error) {
	if cmd.Port == nil {
		return getenv, nil
	}
	if getenv("LISTEN") != "" {
		return nil, &config.Error{Problems: []string{"LISTEN: want either this or --port"}}
	}
	return func(name string) string {
		if name == "PORT" {
			return strconv.Itoa(*cmd.Port)
		}
		return getenv(name)
	}, nil
}

const (
	// memoryOfConnection is for each connection that MAX_CONNECTIONS allows beyond
	// its default,
	memoryOfConnection = 24 << 10
	// memoryOfStream for each event stream that MAX_STREAMS does.
	memoryOfStream = 50 << 10
)

// memoryDemand is what a process with these settings needs.
func memoryDemand(s settings) memory.Demand {
	connections := max(0, s.MaxConnections-gateway.DefaultMaxConnections)
	streams := max(0, s.MaxStreams-gateway.DefaultMaxStreams)
	return memory.Demand{Cache: int64(s.CacheMemory), Extra: int64(connections)*memoryOfConnection + int64(streams)*memoryOfStream}
}

// aimMemory sets the target of the garbage collector. The built-in Redis has a measure of
// its own.
func aimMemory(s settings) *memory.Target {
	if s.redis == nil {
		return nil
	}
	return memory.Aim(memoryDemand(s))
}
