package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"
)

// town is a geogate with so many drivers.
type town struct {
	name      string // of the binary
	drivers   []point
	url       string
	took      []time.Duration
	perDriver float64 // bytes
}

// nearest measures searches among ever more drivers. All towns stand at once, so that
// a round compares them under one load.
func nearest(ctx context.Context, h *house, o options, out io.Writer) error {
	var towns []*town
	second := make(map[string]*town) // in size, of each binary
	for i, size := range o.sizes {
		for _, b := range o.binaries() {
			fmt.Fprintf(os.Stderr, "loading %d drivers: %s\n", size, b.name)
			t, err := settle(ctx, h, b, size)
			if err != nil {
				return err
			}
			towns = append(towns, t)
			if i <= 1 {
				second[b.name] = t
			}
		}
	}
	for round := range o.rounds + 1 { // the first one warms up
		for _, t := range towns {
			took, err := t.search(ctx, uint64(round), o.searches)
			if err != nil {
				return err
			}
			if round > 0 {
				t.took = append(t.took, took...)
			}
		}
	}
	fmt.Fprintf(out, "\n### The ten nearest of so many drivers\n\nPOST /search, one at a time, at the places of random drivers; %d interleaved rounds of %d searches.\n\n", o.rounds, o.searches)
	fmt.Fprintln(out, "| drivers | of | p50 | p99 | p50 to that of the second size | Redis memory per driver |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|")
	for _, t := range towns {
		p50, base := percentile(t.took, 0.5), percentile(second[t.name].took, 0.5)
		fmt.Fprintf(out, "| %d | %s | %d µs | %d µs | %.2f | %.0f B |\n", len(t.drivers), t.name, p50.Microseconds(),
			percentile(t.took, 0.99).Microseconds(), float64(p50)/float64(base), t.perDriver)
	}
	fmt.Fprintln(out)
	return nil
}

func settle(ctx context.Context, h *house, b binary, size int) (*town, error) {
	rdb, url, err := h.pair(ctx, b.path)
	if err != nil {
		return nil, err
	}
	t := &town{name: b.name, drivers: city(size), url: url}
	empty, err := usedMemory(ctx, rdb)
	if err != nil {
		return nil, err
	}
	if err := load(ctx, t.url, t.drivers); err != nil {
		return nil, err
	}
	full, err := usedMemory(ctx, rdb)
	t.perDriver = (full - empty) / float64(size)
	return t, err
}

// search asks at places that are the same for all binaries in a round.
func (t *town) search(ctx context.Context, round uint64, n int) ([]time.Duration, error) {
	rng := rand.New(rand.NewPCG(2, round))
	took := make([]time.Duration, n)
	for i := range took {
		from := t.drivers[rng.IntN(len(t.drivers))]
		started := time.Now()
		answer, err := post(ctx, t.url+"/search", map[string]any{"lat": from.Lat, "lng": from.Lng, "limit": 10})
		took[i] = time.Since(started)
		if err != nil {
			return nil, err
		}
		var found struct{ Drivers []point }
		if err := json.Unmarshal(answer, &found); err != nil || len(found.Drivers) == 0 {
			return nil, fmt.Errorf("nobody found at a driver's place: %.300s, %w", answer, err)
		}
	}
	return took, nil
}
