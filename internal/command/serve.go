package command

import (
	"context"
	"errors"
	"math"
	"runtime/debug"
	"strconv"

	"geogate/gateway"
	"geogate/internal/config"
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
	setMemoryTarget(s)
	out, flush := gatherLines(p.Stderr)
	defer flush()
	a, err := newApp(s, newLogger(s.Config, out))
	if err != nil {
		return err
	}
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
	// memoryBesides is what a process needs besides its cache under siege: 8,192
	// connections with 16 to 20 KiB of buffers and stack each, and bodies. With the
	// 64 MiB of the cache and 43 MiB of the program's file, it stays under 300 MB.
	memoryBesides = 176 << 20
	// defaultCache is CACHE_MEMORY by default. Of what a larger one has above that, one
	// part in cacheRoom is added: a full cache is all in use, and with no more room than
	// memoryBesides a process with a million answers did little but collect.
	defaultCache = 64 << 20
	cacheRoom    = 8
	// memoryOfConnection is for each connection that MAX_CONNECTIONS allows beyond
	// its default,
	memoryOfConnection = 24 << 10
	// memoryOfStream for each event stream that MAX_STREAMS does.
	memoryOfStream = 50 << 10
)

// setMemoryTarget has the garbage collector work harder above what geogate needs
// at worst, instead of letting the heap grow to twice as much: 240 MiB by default.
// It is no limit, and GOMEMLIMIT has precedence. The built-in Redis has a measure of
// its own.
func setMemoryTarget(s settings) {
	if unset := debug.SetMemoryLimit(-1) == math.MaxInt64; unset && s.redis != nil {
		debug.SetMemoryLimit(memoryTarget(s))
	}
}

func memoryTarget(s settings) int64 {
	connections := max(0, s.MaxConnections-gateway.DefaultMaxConnections)
	streams := max(0, s.MaxStreams-gateway.DefaultMaxStreams)
	cache := int64(s.CacheMemory)
	cache += max(0, cache-defaultCache) / cacheRoom
	return memoryBesides + cache + int64(connections)*memoryOfConnection + int64(streams)*memoryOfStream
}
