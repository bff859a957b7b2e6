package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// played is how many rides a stage has; twice as many drivers are on duty.
	played = 5000
	// players is how many clients ask at a time.
	players = 32
)

// ride is one as far as the measurement needs it.
type ride struct {
	pickup point

	ID     string `json:"request_id"`
	State  string `json:"state"`
	Driver struct {
		ID string `json:"id"`
	} `json:"driver"`
}

// stage is what is done with each of many rides, and what that took.
type stage struct {
	name          string
	do            func(context.Context, *ride) error
	rates         []float64
	took          []time.Duration
	server, redis time.Duration
}

// rides measures how many rides a second are requested and matched, completed and
// cancelled.
func rides(ctx context.Context, h *house, o options, out io.Writer) error {
	rdb, url, err := h.pair(ctx)
	if err != nil {
		return err
	}
	if err := load(ctx, url, city(2*played)); err != nil {
		return err
	}
	request := &stage{name: "`POST /v2/search`, matched", do: func(ctx context.Context, r *ride) error {
		answer, err := post(ctx, url+"/v2/search", r.pickup)
		if err == nil {
			err = json.Unmarshal(answer, r)
		}
		if err == nil && r.State != "matched" {
			err = fmt.Errorf("the ride is %s, want it matched at once", r.State)
		}
		return err
	}}
	complete := &stage{name: "`POST /v2/requests/{id}/complete`", do: func(ctx context.Context, r *ride) error {
		_, err := post(ctx, url+"/v2/requests/"+r.ID+"/complete", map[string]string{"driver_id": r.Driver.ID})
		return err
	}}
	cancel := &stage{name: "`POST /v2/cancel`", do: func(ctx context.Context, r *ride) error {
		_, err := post(ctx, url+"/v2/cancel", map[string]string{"request_id": r.ID})
		return err
	}}
	for range o.rounds {
		for _, end := range []*stage{complete, cancel} {
			all := make([]ride, played)
			for i, p := range city(played) {
				all[i].pickup = point{Lat: p.Lat, Lng: p.Lng}
			}
			for _, s := range []*stage{request, end} {
				if err := s.play(ctx, h, strings.TrimPrefix(url, "http://"), rdb.Options().Addr, all); err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
			}
		}
	}
	fmt.Fprintf(out, "\n### Rides\n\n%d drivers on duty; %d clients play %d rides a round, %d rounds; the server has core %s, Redis and the load core %s.\n\n",
		2*played, players, played, o.rounds, serverCore, loadCore)
	fmt.Fprintln(out, "| call | a second | p50 | p99 | CPU of the server, µs | CPU of Redis, µs |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|")
	for _, s := range []*stage{request, complete, cancel} {
		n := float64(len(s.took))
		fmt.Fprintf(out, "| %s | %.0f | %.1f ms | %.1f ms | %s | %s |\n", s.name, percentile(s.rates, 0.5),
			ms(percentile(s.took, 0.5)), ms(percentile(s.took, 0.99)), microsEach(s.server, n), microsEach(s.redis, n))
	}
	fmt.Fprintln(out)
	return nil
}

// play does a stage with all rides, and measures the processes that serve the two
// addresses.
func (s *stage) play(ctx context.Context, h *house, gate, redis string, all []ride) error {
	server, err := h.worked(gate)
	if err != nil {
		return err
	}
	store, err := h.worked(redis)
	if err != nil {
		return err
	}
	var next atomic.Int64
	took := make([]time.Duration, len(all))
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for range players {
		group.Go(func() error {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(all) {
					return nil
				}
				asked := time.Now()
				if err := s.do(ctx, &all[n]); err != nil {
					return err
				}
				took[n] = time.Since(asked)
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	s.rates = append(s.rates, float64(len(all))/time.Since(began).Seconds())
	s.took = append(s.took, took...)
	serverNow, err := h.worked(gate)
	if err != nil {
		return err
	}
	storeNow, err := h.worked(redis)
	s.server += serverNow - server
	s.redis += storeNow - store
	return err
}
