// Command dispatch measures dispatch as its clients see it, over HTTP and with a
// real redis-server: positions stored per second against redis-benchmark, a
// handler that stores nothing, one that does nothing but GEOADD, and PostGIS and
// Tile38 where they are installed; rides requested, taken through their steps and
// cancelled; searches for the nearest drivers among a thousand to a million; the
// time from a driver's arrival to the event on the waiting rider's stream, and
// from their position to it; how fast events are handed on, against plain XADD;
// and memory. It prints Markdown. Everything runs on loopback and ends by itself.
//
//	go run ./bench/dispatch -geogate bin/geogate
//
// It needs wrk, taskset, redis-server and redis-benchmark on the PATH, and 1 GB
// of memory for a million drivers, twice that with another binary beside. Tile38
// is a tile38-server on the PATH.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"geogate/bench/machine"
)

// The server that is measured has one core to itself; Redis and the load share the
// other one.
const (
	serverCore = "0"
	loadCore   = "1"
)

// options are the flags.
type options struct {
	geogate  string
	only     string
	beside   string // another binary
	rounds   int
	duration time.Duration
	sizes    sizes
	searches int
	waiting  int
	arrivals int
	told     int
	plain    string // set in the child that is the plain handler
	redis    string // its Redis
}

// binary is a geogate that is measured.
type binary struct{ name, path string }

// binaries are those that are measured side by side, each with a Redis of its own.
func (o options) binaries() []binary {
	all := []binary{{"geogate", o.geogate}}
	if o.beside != "" {
		all = append(all, binary{"beside", o.beside})
	}
	return all
}

func main() {
	o := options{sizes: sizes{1_000, 10_000, 100_000, 1_000_000}}
	flag.StringVar(&o.geogate, "geogate", "bin/geogate", "the binary to measure")
	flag.StringVar(&o.only, "only", "", "measure only positions, rides, nearest, arrival, live or events")
	flag.StringVar(&o.beside, "beside", "", "another binary, whose positions, rides, searches and arrivals are measured in the same rounds")
	flag.IntVar(&o.rounds, "rounds", 5, "interleaved rounds, each of which measures everything once")
	flag.DurationVar(&o.duration, "duration", 3*time.Second, "length of one measurement of positions")
	flag.Var(&o.sizes, "drivers", "how many drivers to search among")
	flag.IntVar(&o.searches, "searches", 300, "searches of a round")
	flag.IntVar(&o.waiting, "waiting", 1000, "rides that wait, or are followed, each with an open event stream")
	flag.IntVar(&o.arrivals, "arrivals", 1000, "drivers that arrive one after the other")
	flag.IntVar(&o.told, "told", 20_000, "rides whose events are handed on in a round")
	flag.StringVar(&o.plain, "plain", "", "serve the plain handler on this address, and nothing else")
	flag.StringVar(&o.redis, "redis", "", "the Redis of the plain handler; without one it stores nothing")
	machine.Main(func(ctx context.Context, out io.Writer) error { return run(ctx, o, out) })
}

func run(ctx context.Context, o options, out io.Writer) error {
	if o.plain != "" {
		return servePlain(ctx, o.plain, o.redis)
	}
	fmt.Fprintf(out, "%s\n", machine.Describe(ctx, []string{"redis-server", "--version"}, []string{"tile38-server", "--version"}))
	for _, part := range []struct {
		name    string
		measure func(context.Context, *house, options, io.Writer) error
	}{{"positions", positions}, {"rides", rides}, {"nearest", nearest}, {"arrival", arrival}, {"live", live}, {"events", events}} {
		if o.only != "" && o.only != part.name {
			continue
		}
		if err := measureIn(ctx, o, out, part.measure); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// measureIn gives a measurement processes of its own and ends them.
func measureIn(ctx context.Context, o options, out io.Writer, measure func(context.Context, *house, options, io.Writer) error) error {
	h, err := newHouse()
	if err != nil {
		return err
	}
	defer h.close()
	if err := measure(ctx, h, o, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "Load average at the end of this part: %s.\n", machine.LoadAverage())
	return nil
}

// percentile returns the value below which the share of values lies.
func percentile[T int | float64 | time.Duration](values []T, share float64) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*share))]
}
