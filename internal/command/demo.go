package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"geogate/internal/geo"
	"geogate/internal/simulate"
)

type demoCmd struct {
	NoOpen  bool     `help:"Do not open the browser."`
	Drivers int      `default:"120" help:"Drivers in the town."`
	Centre  position `default:"48.1374,11.5755" help:"Centre of the town: latitude,longitude."`
}

// The demo's town lives for as long as anybody may look at it, and its rides take long
// enough to be seen.
const (
	demoTime     = 7 * 24 * time.Hour
	demoRides    = 0.8 // asked for in a second
	demoRideTime = 25 * time.Second
	demoEnd      = time.Second // that rides may take to end
)

// Validate is called by kong after the flags are read.
func (c *demoCmd) Validate() error {
	if c.Drivers < 1 || c.Drivers > maxSimulatedDrivers {
		return fmt.Errorf("--drivers must be from 1 to %d", maxSimulatedDrivers)
	}
	return nil
}

// Run serves a town that moves until ctx ends. It uses the built-in parts and nothing that
// the environment says but PORT.
func (c *demoCmd) Run(ctx context.Context, p *Process) error {
	s, err := loadSettings(demoSettings(p.Getenv))
	if err != nil {
		return err
	}
	l, err := demoListener(ctx, s.Port)
	if err != nil {
		return err
	}
	a, err := newApp(s, newLogger(s.Config, p.Stderr))
	if err != nil {
		return errors.Join(err, l.Close())
	}
	base := listensOn(l.Addr())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts errgroup.Group
	parts.Go(func() error {
		defer cancel() // a town without a server is nothing to look at
		return a.serve(ctx, l, p.reloads())
	})
	parts.Go(func() error {
		defer cancel()
		return c.simulate(ctx, base)
	})
	fmt.Fprintf(p.Stdout, "%s/console/\n", base)
	fmt.Fprintf(p.Stderr, "A town of %d drivers, in memory only. Stop it with Ctrl-C.\n", c.Drivers)
	if !c.NoOpen {
		if err := openBrowser(ctx, p.Getenv, base+"/console/"); err != nil {
			fmt.Fprintf(p.Stderr, "Open the address above in a browser: %v\n", err)
		}
	}
	return parts.Wait()
}

// demoSettings is an environment in which everything is built in.
func demoSettings(getenv func(string) string) func(string) string {
	fixed := map[string]string{"PORT": getenv("PORT"), "RATE_LIMIT": "0", "LOG_LEVEL": "warn"}
	return func(name string) string { return fixed[name] }
}

// demoListener listens for programs on this machine only, at another port if somebody has
// the usual one.
func demoListener(ctx context.Context, port int) (net.Listener, error) {
	listen := func(port int) (net.Listener, error) {
		return (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	l, err := listen(port)
	if errors.Is(err, syscall.EADDRINUSE) {
		l, err = listen(0)
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// simulate says at once when the town cannot live.
func (c *demoCmd) simulate(ctx context.Context, base string) error {
	report, err := simulate.Run(ctx, []string{base}, simulate.Config{
		Duration: demoTime, Drivers: c.Drivers, RidesPerSecond: demoRides, RideTime: demoRideTime, Grace: demoEnd,
		Centre: geo.Point(c.Centre), Seed: uint64(time.Now().UnixNano()),
	})
	switch {
	case err != nil:
		return fmt.Errorf("simulate a town: %w", err)
	case ctx.Err() == nil && report.Positions == 0:
		return errors.New("simulate a town: no position arrived")
	}
	return nil
}

// openers show an address in the browser of each system.
var openers = map[string][]string{
	"linux": {"xdg-open"}, "darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"},
}

// openBrowser does not wait for the browser. Where there is no screen there is none.
func openBrowser(ctx context.Context, getenv func(string) string, address string) error {
	opener := openers[runtime.GOOS]
	if opener == nil || runtime.GOOS == "linux" && getenv("DISPLAY") == "" && getenv("WAYLAND_DISPLAY") == "" {
		return errors.New("there is none here")
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), opener[0], append(opener[1:], address)...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", opener[0], err)
	}
	go func() { _ = cmd.Wait() }() // it outlives nobody: the process table forgets it with us
	return nil
}
