package command

import (
	"context"
	"errors"
	"strconv"

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
