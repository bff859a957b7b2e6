package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
)

type serveCmd struct{}

// Run serves until ctx ends.
func (serveCmd) Run(ctx context.Context, p *Process) error {
	s, err := loadSettings(p.Getenv)
	if err != nil {
		return err
	}
	out, flush := gatherLines(p.Stderr)
	defer flush()
	a, err := newApp(s, newLogger(s.Config, out))
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("", strconv.Itoa(s.Port)))
	if err != nil {
		return errors.Join(fmt.Errorf("listen: %w", err), a.redis.Close())
	}
	writeBanner(ctx, p.Stderr, a, l.Addr())
	return a.serve(ctx, l)
}
