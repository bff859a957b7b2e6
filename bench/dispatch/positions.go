package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
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
	apart   bool   // does without Redis
	addr    string // empty: no process of its own that could be looked at
	measure func(context.Context, batch) (measured, error)
	rates   map[int][]float64 // by the size of the batch
	cost    map[int]*cost     // likewise
	refused int
}

// cost is processor time for so many positions.
type cost struct {
	server, redis time.Duration
	positions     float64
}

// measured is what one measurement found.
type measured struct {
	perSecond float64 // positions that were stored
	stored    float64 // of them in all
	refused   int     // requests that were answered by an error, such as 503 when Redis got no time
}

// positions measures positions stored per second.
func positions(ctx context.Context, h *house, o options, out io.Writer) error {
	rdb, err := h.redis(ctx)
	if err != nil {
		return err
	}
	script := filepath.Join(h.dir, "positions.lua")
	if err := os.WriteFile(script, positionsLua, 0o600); err != nil {
		return fmt.Errorf("write script: %w", err)
	}
	addr := rdb.Options().Addr
	gate, err := h.gate(ctx, addr)
	if err != nil {
		return err
	}
	plain, err := h.handler(ctx, addr)
	if err != nil {
		return err
	}
	if err := load(ctx, gate, city(tracked)); err != nil {
		return err
	}
	overHTTP := func(url string) func(context.Context, batch) (measured, error) {
		return func(ctx context.Context, b batch) (measured, error) {
			if b.size == maxPositions {
				return arrays(ctx, o, url, b)
			}
			return wrk(ctx, o, url, script, b)
		}
	}
	all := []*recorder{
		{name: "redis-benchmark, GEOADD alone, pipelined", measure: func(ctx context.Context, b batch) (measured, error) {
			return redisBenchmark(ctx, o, addr, b)
		}},
		{name: "plain handler, GEOADD and nothing else", addr: strings.TrimPrefix(plain, "http://"), measure: overHTTP(plain)},
		{name: "geogate", addr: strings.TrimPrefix(gate, "http://"), measure: overHTTP(gate)},
	}
	switch p, err := h.postGIS(ctx); {
	case errors.Is(err, errNoPostGIS):
		fmt.Fprintf(os.Stderr, "left out: %v\n", err)
	case err != nil:
		return err
	default:
		all = append(all, &recorder{name: "PostGIS, upsert, pgbench", apart: true, measure: func(ctx context.Context, b batch) (measured, error) {
			return p.measure(ctx, o, b)
		}})
	}
	for _, r := range all {
		r.rates, r.cost = make(map[int][]float64), make(map[int]*cost)
	}
	for round := range o.rounds {
		for _, b := range batches {
			for _, r := range all {
				fmt.Fprintf(os.Stderr, "round %d of %d: %s, %d at a time\n", round+1, o.rounds, r.name, b.size)
				if err := r.record(ctx, h, addr, b); err != nil {
					return fmt.Errorf("%s: %w", r.name, err)
				}
			}
		}
	}
	reportPositions(out, o, all)
	return nil
}

// record takes one measurement, and what it cost.
func (r *recorder) record(ctx context.Context, h *house, redisAddr string, b batch) error {
	worked := func() (server, redis time.Duration, err error) {
		if r.addr != "" {
			if server, err = h.worked(r.addr); err != nil {
				return 0, 0, err
			}
		}
		redis, err = h.worked(redisAddr)
		return server, redis, err
	}
	server, redis, err := worked()
	if err != nil {
		return err
	}
	m, err := r.measure(ctx, b)
	if err != nil {
		return err
	}
	serverNow, redisNow, err := worked()
	if err != nil {
		return err
	}
	r.rates[b.size] = append(r.rates[b.size], m.perSecond)
	r.refused += m.refused
	if r.cost[b.size] == nil {
		r.cost[b.size] = &cost{}
	}
	c := r.cost[b.size]
	c.server += serverNow - server
	if !r.apart {
		c.redis += redisNow - redis
	}
	c.positions += m.stored
	return nil
}

func reportPositions(out io.Writer, o options, all []*recorder) {
	fmt.Fprintf(out, "\n### Positions stored per second\n\n%d drivers move; the server has core %s, Redis and the load core %s; medians of %d interleaved rounds of %s.\n\n",
		tracked, serverCore, loadCore, o.rounds, o.duration)
	fmt.Fprintln(out, "| positions a request, connections | what stores | positions/s | min…max | of GEOADD | CPU of the server, µs a position | CPU of Redis, µs a position |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|")
	for _, b := range batches {
		for _, r := range all {
			rates, c := r.rates[b.size], r.cost[b.size]
			median := percentile(rates, 0.5)
			fmt.Fprintf(out, "| %d, %d | %s | %.0f | %.0f…%.0f | %.2f | %s | %s |\n", b.size, b.connections, r.name,
				median, slices.Min(rates), slices.Max(rates), median/percentile(all[0].rates[b.size], 0.5),
				microsEach(c.server, c.positions), microsEach(c.redis, c.positions))
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

var (
	rateLine = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	sentLine = regexp.MustCompile(`(\d+) requests in`)
	badLine  = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	lostLine = regexp.MustCompile(`Socket errors: .*`)
	geoadded = regexp.MustCompile(`([\d.]+) requests per second`)
)

func wrk(ctx context.Context, o options, url, script string, b batch) (measured, error) {
	text, err := exec.CommandContext(ctx, "taskset", "-c", loadCore, "wrk", "-t1", "-c", strconv.Itoa(b.connections),
		"-d", o.duration.String(), "--timeout", "10s", "-s", script, url, "--", strconv.Itoa(b.size), strconv.Itoa(tracked)).CombinedOutput()
	if err != nil {
		return measured{}, fmt.Errorf("wrk: %w: %s", err, text)
	}
	if lost := lostLine.Find(text); lost != nil {
		return measured{}, fmt.Errorf("wrk: %s", lost)
	}
	rate, err := number(rateLine, text)
	if err != nil {
		return measured{}, err
	}
	sent, err := number(sentLine, text)
	if err != nil {
		return measured{}, err
	}
	bad := 0.0
	if badLine.Match(text) {
		if bad, err = number(badLine, text); err != nil {
			return measured{}, err
		}
	}
	size := float64(b.size)
	return measured{perSecond: rate * size * (1 - bad/sent), stored: (sent - bad) * size, refused: int(bad)}, nil
}

// arrays posts the largest arrays, and counts until the last of them is answered: wrk
// drops what is under way at the end, which is much of so few.
func arrays(ctx context.Context, o options, url string, b batch) (measured, error) {
	var group errgroup.Group
	var stored, refused atomic.Int64
	bodies := slices.Collect(slices.Chunk(city(b.connections*b.size), b.size))
	began := time.Now()
	for _, body := range bodies {
		for i := range body {
			body[i].ID = strconv.Itoa(i)
		}
		group.Go(func() error {
			for time.Since(began) < o.duration {
				switch _, err := post(ctx, url+"/tracking", body); {
				case errors.Is(err, errStatus):
					refused.Add(1)
				case err != nil:
					return err
				default:
					stored.Add(int64(b.size))
				}
			}
			return nil
		})
	}
	err := group.Wait()
	n := float64(stored.Load())
	return measured{perSecond: n / time.Since(began).Seconds(), stored: n, refused: int(refused.Load())}, err
}

// redisBenchmark sends GEOADD of one position a command, as many of them in a
// pipeline as the batch has: the most that Redis can take from anybody. Its own load
// runs on the core that servers otherwise have.
func redisBenchmark(ctx context.Context, o options, addr string, b batch) (measured, error) {
	_, port, _ := strings.Cut(addr, ":")
	commands := int(o.duration.Seconds() * 20_000)
	if b.size > 1 {
		commands *= 4
	}
	// Each __rand_int__ becomes a number of twelve digits below -r.
	text, err := exec.CommandContext(ctx, "taskset", "-c", serverCore, "redis-benchmark", "-p", port, "-q",
		"-c", strconv.Itoa(b.connections), "-P", strconv.Itoa(b.size), "-n", strconv.Itoa(commands), "-r", strconv.Itoa(tracked),
		"GEOADD", "limit", "__rand_int__e-4", "__rand_int__e-4", "__rand_int__").CombinedOutput()
	if err != nil {
		return measured{}, fmt.Errorf("redis-benchmark: %w: %s", err, text)
	}
	rate, err := number(geoadded, text)
	return measured{perSecond: rate, stored: float64(commands)}, err
}

// number returns what the last match of a pattern holds.
func number(pattern *regexp.Regexp, text []byte) (float64, error) {
	found := pattern.FindAllSubmatch(text, -1)
	if found == nil {
		return 0, fmt.Errorf("no rate in: %s", text)
	}
	return strconv.ParseFloat(string(found[len(found)-1][1]), 64)
}
