package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
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

var batches = []batch{{1, 32}, {100, 8}, {10_000, 4}}

// recorder is something that stores positions.
type recorder struct {
	name    string
	measure func(context.Context, batch) (perSecond float64, err error)
	rates   map[int][]float64 // by the size of the batch
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
	overHTTP := func(url string) func(context.Context, batch) (float64, error) {
		return func(ctx context.Context, b batch) (float64, error) { return wrk(ctx, o, url, script, b) }
	}
	all := []*recorder{
		{name: "redis-benchmark, GEOADD alone, pipelined", measure: func(ctx context.Context, b batch) (float64, error) {
			return redisBenchmark(ctx, o, addr, b)
		}},
		{name: "plain handler, GEOADD and nothing else", measure: overHTTP(plain)},
		{name: "geogate", measure: overHTTP(gate)},
	}
	for _, r := range all {
		r.rates = make(map[int][]float64)
	}
	for round := range o.rounds {
		for _, b := range batches {
			for _, r := range all {
				fmt.Fprintf(os.Stderr, "round %d of %d: %s, %d at a time\n", round+1, o.rounds, r.name, b.size)
				rate, err := r.measure(ctx, b)
				if err != nil {
					return fmt.Errorf("%s: %w", r.name, err)
				}
				r.rates[b.size] = append(r.rates[b.size], rate)
			}
		}
	}
	reportPositions(out, o, all)
	return nil
}

func reportPositions(out io.Writer, o options, all []*recorder) {
	fmt.Fprintf(out, "\n### Positions stored per second\n\n%d drivers move; the server has core %s, Redis and the load core %s; medians of %d interleaved rounds of %s.\n\n",
		tracked, serverCore, loadCore, o.rounds, o.duration)
	fmt.Fprint(out, "| what stores |")
	for _, b := range batches {
		fmt.Fprintf(out, " %d at a time, %d connections | min…max | of GEOADD |", b.size, b.connections)
	}
	fmt.Fprintln(out, "\n|---|"+strings.Repeat("---|", 3*len(batches)))
	for _, r := range all {
		fmt.Fprintf(out, "| %s |", r.name)
		for _, b := range batches {
			rates := r.rates[b.size]
			median := percentile(rates, 0.5)
			fmt.Fprintf(out, " %.0f | %.0f…%.0f | %.2f |", median, slices.Min(rates), slices.Max(rates), median/percentile(all[0].rates[b.size], 0.5))
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out)
}

var (
	rateLine = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	badLine  = regexp.MustCompile(`Non-2xx or 3xx responses: \d+|Socket errors: .*`)
	geoadded = regexp.MustCompile(`([\d.]+) requests per second`)
)

func wrk(ctx context.Context, o options, url, script string, b batch) (float64, error) {
	text, err := exec.CommandContext(ctx, "taskset", "-c", loadCore, "wrk", "-t1", "-c", strconv.Itoa(b.connections),
		"-d", o.duration.String(), "--timeout", "10s", "-s", script, url, "--", strconv.Itoa(b.size), strconv.Itoa(tracked)).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wrk: %w: %s", err, text)
	}
	if bad := badLine.Find(text); bad != nil {
		return 0, fmt.Errorf("wrk: %s", bad)
	}
	rate, err := number(rateLine, text)
	return rate * float64(b.size), err
}

// redisBenchmark sends GEOADD of one position a command, as many of them in a
// pipeline as the batch has: the most that Redis can take from anybody. Its own load
// runs on the core that servers otherwise have.
func redisBenchmark(ctx context.Context, o options, addr string, b batch) (float64, error) {
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
		return 0, fmt.Errorf("redis-benchmark: %w: %s", err, text)
	}
	return number(geoadded, text)
}

// number returns what the last match of a pattern holds.
func number(pattern *regexp.Regexp, text []byte) (float64, error) {
	found := pattern.FindAllSubmatch(text, -1)
	if found == nil {
		return 0, fmt.Errorf("no rate in: %s", text)
	}
	return strconv.ParseFloat(string(found[len(found)-1][1]), 64)
}
