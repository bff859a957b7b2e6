// Siege runs a geogate and attacks it from many addresses of this machine at once,
// in every way that one stranger can, while honest riders and drivers use it. It
// prints what the honest ones noticed, as a Markdown table. The attackers are a
// process of their own, so that nobody honest waits in it, and first besiege another
// geogate, to tell what the machine suffers from what geogate does.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
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
	flag.DurationVar(&o.duration, "duration", 5*time.Minute, "how long the siege lasts, and before it that of another geogate")
	flag.DurationVar(&o.quiet, "quiet", 20*time.Second, "how long to measure before it")
	flag.IntVar(&o.attackers, "attackers", 20, "addresses that attack")
	flag.IntVar(&o.honest, "honest", 200, "riders and drivers")
	flag.IntVar(&o.port, "port", 18090, "port of geogate; the next three are that of Redis, and those of another pair")
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
	besieged, err := start(ctx, o, o.port)
	if err != nil {
		return err
	}
	defer besieged.end()
	quiet := newRecord()
	during(ctx, o.quiet, func(ctx context.Context) { people(ctx, besieged.target, o.honest, quiet) })
	beside, err := siegeOfAnother(ctx, o, besieged.target)
	if err != nil {
		return err
	}

	siege := newRecord()
	var peak int
	endAttacks, err := startAttackers(context.WithoutCancel(ctx), besieged.target, o.attackers)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	under, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	all.Go(func() { people(under, besieged.target, o.honest, siege) })
	all.Go(func() { peak = watchMemory(under, besieged.geogate.Process.Pid) })
	_ = pause.For(ctx, o.duration)

	// Everything goes on while geogate stops. What honest clients began before must
	// be answered; afterwards they are to go elsewhere.
	siege.close()
	how, stopErr := besieged.terminate()
	end()
	all.Wait()
	attacks, err := endAttacks()
	if err != nil {
		return err
	}
	fmt.Printf("Siege of %s from %d addresses beside %d riders and drivers.\n\n", o.duration, o.attackers, o.honest)
	fmt.Println("| | quiet | another geogate under siege | under siege |\n|---|---|---|---|")
	row := func(name, format string, of func(*record) any) {
		fmt.Printf("| %s | "+format+" | "+format+" | "+format+" |\n", name, of(quiet), of(beside), of(siege))
	}
	row("honest requests", "%d", func(r *record) any { return r.count() })
	row("of these failed", "%d", func(r *record) any { return r.failed })
	for _, q := range []float64{0.5, 0.99, 0.999} {
		row(fmt.Sprintf("p%g", q*100), "%.1f ms", func(r *record) any { return quantile(r.took, q) })
	}
	row("first of a connection", "%d", func(r *record) any { return len(r.first) })
	for _, q := range []float64{0.5, 0.99} {
		row(fmt.Sprintf("p%g of these", q*100), "%.1f ms", func(r *record) any { return quantile(r.first, q) })
	}
	fmt.Printf("| resident memory at most | – | – | %d MB |\n| SIGTERM in the middle | – | – | %s |\n\n", megabytes(peak), how)
	fmt.Printf("Attacks, in requests or connections: %s.\n", attacks)
	failed := 0
	for _, r := range []*record{quiet, beside, siege} {
		failed += r.failed
		for _, why := range r.reasons() {
			fmt.Println("failed:", why)
		}
	}
	switch {
	case stopErr != nil:
		return stopErr
	case failed > 0:
		return fmt.Errorf("%d honest requests failed, want none", failed)
	case peak > maxMemory:
		return fmt.Errorf("%d MB of memory, want %d at most", megabytes(peak), megabytes(maxMemory))
	}
	return nil
}

// siegeOfAnother is what people notice at target while the attackers besiege another
// geogate. All of the latter are in the idle class of the scheduler: so it is what
// attackers cost on the same machine, and none of what they cost their target.
func siegeOfAnother(ctx context.Context, o options, target string) (*record, error) {
	another, err := start(ctx, o, o.port+2, idle...)
	if err != nil {
		return nil, err
	}
	defer another.end()
	end, err := startAttackers(context.WithoutCancel(ctx), another.target, o.attackers)
	if err != nil {
		return nil, err
	}
	noticed := newRecord()
	during(ctx, o.duration, func(ctx context.Context) { people(ctx, target, o.honest, noticed) })
	_, err = end()
	return noticed, err
}

// maxMemory is what geogate may hold under siege, in bytes.
const maxMemory = 300_000_000

func megabytes(n int) int { return n / 1_000_000 }

// during runs do for so long.
func during(ctx context.Context, d time.Duration, do func(context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	do(ctx)
}
