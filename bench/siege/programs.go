package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"geogate/internal/pause"
)

// idle starts a program in the idle class of the scheduler: it runs only where nobody else
// wants to. The lowest priority is not enough: a thread of it keeps a processor for some
// milliseconds from whoever wakes up.
var idle = []string{"chrt", "--idle", "0"}

// pair is a geogate and its Redis.
type pair struct {
	target string
	end    func() // ends both

	geogate *exec.Cmd
	exited  chan error // of geogate
}

// start starts a pair on two ports, by a program that starts programs or by itself. An
// interrupt does not end it: how geogate stops under siege is still measured.
func start(ctx context.Context, o options, port int, by ...string) (*pair, error) {
	programs, kill := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	p := &pair{target: fmt.Sprintf("127.0.0.1:%d", port), exited: make(chan error, 1)}
	p.end = func() {
		kill()
		running.Wait()
	}
	redis := command(programs, by, o.redis, "--port", fmt.Sprint(port+1), "--save", "", "--maxmemory", "25mb", "--maxmemory-policy", "noeviction")
	if err := redis.Start(); err != nil {
		kill()
		return nil, fmt.Errorf("start redis: %w", err)
	}
	running.Go(func() { _ = redis.Wait() })
	p.geogate = command(programs, by, o.geogate)
	p.geogate.Env = append(os.Environ(), "ANONYMOUS=all", fmt.Sprintf("PORT=%d", port), fmt.Sprintf("REDIS_URL=redis://127.0.0.1:%d", port+1),
		"LOG_LEVEL=warn", "ADMIN_TOKEN=siege", "UPSTREAMS=gazetteer")
	p.geogate.Stderr = os.Stderr
	if err := p.geogate.Start(); err != nil {
		p.end()
		return nil, fmt.Errorf("start geogate: %w", err)
	}
	running.Go(func() { p.exited <- p.geogate.Wait() })
	if err := await(ctx, p.target); err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

func command(ctx context.Context, by []string, program string, args ...string) *exec.Cmd {
	words := slices.Concat(by, []string{program}, args)
	return exec.CommandContext(ctx, words[0], words[1:]...)
}

// terminate sends SIGTERM and says how geogate stopped.
func (p *pair) terminate() (how string, err error) {
	began := time.Now()
	if err := p.geogate.Process.Signal(syscall.SIGTERM); err != nil {
		return "", fmt.Errorf("stop geogate: %w", err)
	}
	select {
	case err = <-p.exited:
		how = fmt.Sprintf("exit %d after %.1f s", p.geogate.ProcessState.ExitCode(), time.Since(began).Seconds())
		if err != nil {
			err = fmt.Errorf("SIGTERM under load: %s, want exit 0", how)
		}
		return how, err
	case <-time.After(30 * time.Second):
		return "still running after 30 s", errors.New("geogate does not stop under load")
	}
}

func await(ctx context.Context, target string) error {
	for range 100 {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
		if err == nil {
			return c.Close()
		}
		if err := pause.For(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("nothing listens on %s", target)
}
