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
	do            func(ctx context.Context, url string, r *ride) error
	rates         []float64
	took          []time.Duration
	server, redis time.Duration
}

func newStages() (request, arrive, start, complete, cancel *stage) {
	request = &stage{name: "`POST /v2/search`, matched", do: func(ctx context.Context, url string, r *ride) error {
		answer, err := post(ctx, url+"/v2/search", r.pickup)
		if err == nil {
			err = json.Unmarshal(answer, r)
		}
		if err == nil && r.State != "matched" {
			err = fmt.Errorf("the ride is %s, want it matched at once", r.State)
		}
		return err
	}}
	step := func(name string) *stage {
		return &stage{name: "`POST /v2/requests/{id}/" + name + "`", do: func(ctx context.Context, url string, r *ride) error {
			_, err := post(ctx, url+"/v2/requests/"+r.ID+"/"+name, map[string]string{"driver_id": r.Driver.ID})
			return err
		}}
	}
	cancel = &stage{name: "`POST /v2/cancel`", do: func(ctx context.Context, url string, r *ride) error {
		_, err := post(ctx, url+"/v2/cancel", map[string]string{"request_id": r.ID})
		return err
	}}
	return request, step("arrive"), step("start"), step("complete"), cancel
}

// player is a geogate whose rides are measured.
type player struct {
	name       string
	url, redis string     // the address of its Redis
	rides      [][]*stage // the stages of a ride, for each way that one ends
	stages     []*stage
}

func newPlayer(ctx context.Context, h *house, b binary) (*player, error) {
	rdb, url, err := h.pair(ctx, b.path)
	if err != nil {
		return nil, err
	}
	request, arrive, start, complete, cancel := newStages()
	return &player{
		name: b.name, url: url, redis: rdb.Options().Addr,
		rides:  [][]*stage{{request, arrive, start, complete}, {request, cancel}},
		stages: []*stage{request, arrive, start, complete, cancel},
	}, load(ctx, url, city(2*played))
}

// rides measures how many rides a second are requested and matched, taken through their
// steps and cancelled; those of another binary, if one is named, in turn with them.
func rides(ctx context.Context, h *house, o options, out io.Writer) error {
	var all []*player
	for _, b := range o.binaries() {
		player, err := newPlayer(ctx, h, b)
		if err != nil {
			return err
		}
		all = append(all, player)
	}
	for range o.rounds {
		for _, p := range all {
			if err := p.play(ctx, h); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(out, "\n### Rides\n\n%d drivers on duty; %d clients play %d rides a round, %d rounds; the server has core %s, Redis and the load core %s.\n\n",
		2*played, players, played, o.rounds, serverCore, loadCore)
	fmt.Fprintln(out, "| call | of | a second | p50 | p99 | CPU of the server, µs | CPU of Redis, µs |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|")
	for i := range all[0].stages {
		for _, p := range all {
			s := p.stages[i]
			n := float64(len(s.took))
			fmt.Fprintf(out, "| %s | %s | %.0f | %.1f ms | %.1f ms | %s | %s |\n", s.name, p.name, percentile(s.rates, 0.5),
				ms(percentile(s.took, 0.5)), ms(percentile(s.took, 0.99)), microsEach(s.server, n), microsEach(s.redis, n))
		}
	}
	fmt.Fprintln(out)
	return nil
}

// play plays a round of rides to each of their ends.
func (p *player) play(ctx context.Context, h *house) error {
	for _, way := range p.rides {
		all := make([]ride, played)
		for i, at := range city(played) {
			all[i].pickup = point{Lat: at.Lat, Lng: at.Lng}
		}
		for _, s := range way {
			if err := s.play(ctx, h, p, all); err != nil {
				return fmt.Errorf("%s of %s: %w", s.name, p.name, err)
			}
		}
	}
	return nil
}

// play does a stage with all rides, and measures the processes of the player.
func (s *stage) play(ctx context.Context, h *house, p *player, all []ride) error {
	gate := strings.TrimPrefix(p.url, "http://")
	server, store, err := h.bothWorked(gate, p.redis)
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
				if err := s.do(ctx, p.url, &all[n]); err != nil {
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
	serverNow, storeNow, err := h.bothWorked(gate, p.redis)
	s.server += serverNow - server
	s.redis += storeNow - store
	return err
}
