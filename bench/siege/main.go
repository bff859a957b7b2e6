// Siege runs a geogate and attacks it from many addresses of this machine at once,
// in every way that one stranger can, while honest riders and drivers use it. It
// prints what the honest ones noticed, as a Markdown table. The attackers are a
// process of their own, so that nobody honest waits in it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"geogate/internal/pause"
)

type options struct {
	geogate, redis    string
	duration, quiet   time.Duration
	attackers, honest int
	port              int
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "siege:", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	flag.StringVar(&o.geogate, "geogate", "bin/geogate", "binary under siege")
	flag.StringVar(&o.redis, "redis", "redis-server", "redis-server to start")
	flag.DurationVar(&o.duration, "duration", 5*time.Minute, "how long the siege lasts")
	flag.DurationVar(&o.quiet, "quiet", 20*time.Second, "how long to measure before it")
	flag.IntVar(&o.attackers, "attackers", 20, "addresses that attack")
	flag.IntVar(&o.honest, "honest", 200, "riders and drivers")
	flag.IntVar(&o.port, "port", 18090, "port of geogate; the next one is that of Redis")
	target := flag.String("attack", "", "attack this geogate until standard input ends, and do nothing else: how siege starts the attackers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *target != "" {
		return attackers(ctx, *target, o.attackers)
	}
	return besiege(ctx, o)
}

func besiege(ctx context.Context, o options) error {
	// An interrupt ends the siege early, but not the programs: how geogate stops is
	// still measured.
	programs, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	redis := exec.CommandContext(programs, o.redis, "--port", fmt.Sprint(o.port+1), "--save", "", "--maxmemory", "25mb", "--maxmemory-policy", "noeviction")
	if err := redis.Start(); err != nil {
		return fmt.Errorf("start redis: %w", err)
	}
	defer func() {
		kill()
		_ = redis.Wait()
	}()
	geogate := exec.CommandContext(programs, o.geogate)
	geogate.Env = append(os.Environ(), "ANONYMOUS=all", fmt.Sprintf("PORT=%d", o.port), fmt.Sprintf("REDIS_URL=redis://127.0.0.1:%d", o.port+1),
		"LOG_LEVEL=warn", "ADMIN_TOKEN=siege", "UPSTREAMS=gazetteer")
	geogate.Stderr = os.Stderr
	if err := geogate.Start(); err != nil {
		return fmt.Errorf("start geogate: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- geogate.Wait() }()
	target := fmt.Sprintf("127.0.0.1:%d", o.port)
	if err := await(ctx, target); err != nil {
		return err
	}

	quiet := newRecord()
	during(ctx, o.quiet, func(ctx context.Context) { people(ctx, target, o.honest, quiet) })
	siege := newRecord()
	var peak int
	endAttacks, err := startAttackers(programs, target, o.attackers)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	under, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	all.Go(func() { people(under, target, o.honest, siege) })
	all.Go(func() { peak = watchMemory(under, geogate.Process.Pid) })
	_ = pause.For(ctx, o.duration)

	// Everything goes on while geogate stops. What honest clients began before must
	// be answered; afterwards they are to go elsewhere.
	siege.close()
	how, stopErr := terminate(geogate, exited)
	end()
	all.Wait()
	attacks, err := endAttacks()
	if err != nil {
		return err
	}
	fmt.Printf("Siege of %s from %d addresses beside %d riders and drivers.\n\n", o.duration, o.attackers, o.honest)
	fmt.Println("| | quiet | under siege |\n|---|---|---|")
	fmt.Printf("| honest requests | %d | %d |\n| of these failed | %d | %d |\n", quiet.count(), siege.count(), quiet.failed, siege.failed)
	for _, q := range []float64{0.5, 0.99, 0.999} {
		fmt.Printf("| p%g | %.1f ms | %.1f ms |\n", q*100, quantile(quiet.took, q), quantile(siege.took, q))
	}
	fmt.Printf("| of these, first of a connection | %d | %d |\n", len(quiet.first), len(siege.first))
	for _, q := range []float64{0.5, 0.99} {
		fmt.Printf("| p%g of the first of a connection | %.1f ms | %.1f ms |\n", q*100, quantile(quiet.first, q), quantile(siege.first, q))
	}
	fmt.Printf("| resident memory at most | – | %d MB |\n| SIGTERM in the middle | – | %s |\n\n", megabytes(peak), how)
	fmt.Printf("Attacks, in requests or connections: %s.\n", attacks)
	for _, why := range siege.reasons() {
		fmt.Println("failed:", why)
	}
	switch {
	case stopErr != nil:
		return stopErr
	case quiet.failed+siege.failed > 0:
		return fmt.Errorf("%d honest requests failed, want none", quiet.failed+siege.failed)
	case peak > maxMemory:
		return fmt.Errorf("%d MB of memory, want %d at most", megabytes(peak), megabytes(maxMemory))
	}
	return nil
}

// maxMemory is what geogate may hold under siege, in bytes.
const maxMemory = 300_000_000

func megabytes(n int) int { return n / 1_000_000 }

// terminate sends SIGTERM and says how geogate stopped.
func terminate(geogate *exec.Cmd, exited <-chan error) (how string, err error) {
	began := time.Now()
	if err := geogate.Process.Signal(syscall.SIGTERM); err != nil {
		return "", fmt.Errorf("stop geogate: %w", err)
	}
	select {
	case err = <-exited:
		how = fmt.Sprintf("exit %d after %.1f s", geogate.ProcessState.ExitCode(), time.Since(began).Seconds())
		if err != nil {
			err = fmt.Errorf("SIGTERM under load: %s, want exit 0", how)
		}
		return how, err
	case <-time.After(30 * time.Second):
		return "still running after 30 s", errors.New("geogate does not stop under load")
	}
}

// during runs do for so long.
func during(ctx context.Context, d time.Duration, do func(context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	do(ctx)
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
