package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

//go:embed positions.lua
var positionsLua []byte

// tracked is how many drivers report. All of them are known before it begins: what is
// measured are moves.
const tracked = 10_000

// batch is one way to send positions.
type batch struct {
	size        int // positions a request
	connections int
}

// maxPositions is how many one request may carry.
const maxPositions = 10_000

var batches = []batch{{1, 32}, {100, 8}, {maxPositions, 2}}

// recorder is something that stores positions.
type recorder struct {
	name    string
	server  string // its address; empty: no process of its own that could be looked at
	redis   string // likewise
	measure func(context.Context, options, batch) (measured, error)
	totals  map[batch]*totals
	refused int
}

// measured is what one measurement found.
type measured struct {
	perSecond float64       // positions that were stored
	stored    float64       // of them in all
	p99       time.Duration // of a request; 0: not known
	refused   int           // requests that were answered by an error, such as 503 when Redis got no time
}

// totals are what all rounds found.
type totals struct {
	rates         []float64
	p99s          []time.Duration
	server, redis time.Duration // of a processor
	positions     float64
}

// errAbsent is the error of what is left out because the machine does not have it.
var errAbsent = errors.New("not installed")

// positions measures positions stored per second.
func positions(ctx context.Context, h *house, o options, out io.Writer) error {
	all, err := recorders(ctx, h, o)
	if err != nil {
		return err
	}
	for round := range o.rounds {
		for _, b := range batches {
			for _, r := range all {
				fmt.Fprintf(os.Stderr, "round %d of %d: %s, %d at a time\n", round+1, o.rounds, r.name, b.size)
				if err := r.record(ctx, h, o, b); err != nil {
					return fmt.Errorf("%s: %w", r.name, err)
				}
			}
		}
	}
	reportPositions(out, o, all)
	return nil
}

// recorders starts everything that is measured. The first two are the limits that the
// others are compared with.
func recorders(ctx context.Context, h *house, o options) ([]*recorder, error) {
	script := filepath.Join(h.dir, "positions.lua")
	if err := os.WriteFile(script, positionsLua, 0o600); err != nil {
		return nil, fmt.Errorf("write script: %w", err)
	}
	overHTTP := func(name, url, redis string) *recorder {
		return &recorder{name: name, server: strings.TrimPrefix(url, "http://"), redis: redis, measure: func(ctx context.Context, o options, b batch) (measured, error) {
			if b.size == maxPositions {
				return arrays(ctx, o, url, b)
			}
			return wrk(ctx, o, url, script, b)
		}}
	}
	rdb, err := h.redis(ctx)
	if err != nil {
		return nil, err
	}
	addr := rdb.Options().Addr
	bare, err := h.handler(ctx, "")
	if err != nil {
		return nil, err
	}
	plain, err := h.handler(ctx, addr)
	if err != nil {
		return nil, err
	}
	all := []*recorder{
		{name: "redis-benchmark, GEOADD alone, pipelined", redis: addr, measure: func(ctx context.Context, o options, b batch) (measured, error) {
			return redisBenchmark(ctx, serverCore, addr, b, o.commands(b), "GEOADD", "limit", inTown, inTown, someDriver)
		}},
		overHTTP("bare POST handler: decodes, answers, stores nothing", bare, ""),
		overHTTP("plain handler, GEOADD and nothing else", plain, addr),
	}
	for _, b := range o.binaries() {
		rdb, gate, err := h.pair(ctx, b.path)
		if err != nil {
			return nil, err
		}
		if err := load(ctx, gate, city(tracked)); err != nil {
			return nil, err
		}
		all = append(all, overHTTP(b.name, gate, rdb.Options().Addr))
	}
	for _, start := range []func(context.Context) (*recorder, error){h.tile38, h.postGIS} {
		switch r, err := start(ctx); {
		case errors.Is(err, errAbsent):
			fmt.Fprintf(os.Stderr, "left out: %v\n", err)
		case err != nil:
			return nil, err
		default:
			all = append(all, r)
		}
	}
	for _, r := range all {
		r.totals = make(map[batch]*totals)
		for _, b := range batches {
			r.totals[b] = new(totals)
		}
	}
	return all, nil
}

// record takes one measurement, and what it cost.
func (r *recorder) record(ctx context.Context, h *house, o options, b batch) error {
	server, redis, err := h.bothWorked(r.server, r.redis)
	if err != nil {
		return err
	}
	m, err := r.measure(ctx, o, b)
	if err != nil {
		return err
	}
	serverNow, redisNow, err := h.bothWorked(r.server, r.redis)
	if err != nil {
		return err
	}
	r.refused += m.refused
	t := r.totals[b]
	t.rates, t.p99s = append(t.rates, m.perSecond), append(t.p99s, m.p99)
	t.server, t.redis = t.server+serverNow-server, t.redis+redisNow-redis
	t.positions += m.stored
	return nil
}

func reportPositions(out io.Writer, o options, all []*recorder) {
	fmt.Fprintf(out, "\n### Positions stored per second\n\n%d drivers move; the server has core %s, Redis and the load core %s; medians of %d interleaved rounds of %s.\n\n",
		tracked, serverCore, loadCore, o.rounds, o.duration)
	fmt.Fprintln(out, "| positions a request, connections | what stores | positions/s | min…max | of GEOADD | of bare | p99 of a request, ms | CPU of the server, µs a position | CPU of Redis, µs a position |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|")
	for _, b := range batches {
		limit, bare := percentile(all[0].totals[b].rates, 0.5), percentile(all[1].totals[b].rates, 0.5)
		for _, r := range all {
			t := r.totals[b]
			median, p99 := percentile(t.rates, 0.5), "–"
			if known := percentile(t.p99s, 0.5); known > 0 {
				p99 = fmt.Sprintf("%.1f", ms(known))
			}
			fmt.Fprintf(out, "| %d, %d | %s | %.0f | %.0f…%.0f | %.2f | %.2f | %s | %s | %s |\n", b.size, b.connections, r.name,
				median, slices.Min(t.rates), slices.Max(t.rates), median/limit, median/bare, p99,
				microsEach(t.server, t.positions), microsEach(t.redis, t.positions))
		}
	}
	fmt.Fprintln(out)
	for _, r := range all {
		if r.refused > 0 {
			fmt.Fprintf(out, "%s refused %d requests, which are not counted above.\n", r.name, r.refused)
		}
	}
}

// microsEach is a share of processor time; what has none is not known by it.
func microsEach(d time.Duration, n float64) string {
	if each := float64(d.Microseconds()) / n; each >= 0.05 {
		return fmt.Sprintf("%.1f", each)
	}
	return "–"
}
