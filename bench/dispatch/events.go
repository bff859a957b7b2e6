package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

// Keys and messages of geogate that this measurement takes part in: it holds the lease of
// the outbox while events gather there.
const (
	outbox      = "geogate:{default}:events"
	outboxLease = "geogate:{default}:outbox:lease"
	eventLog    = "geogate:{events}:stream"
	wakeUps     = "geogate:dispatch"
)

// askers is how many connections rides are asked for on.
const askers = 16

// handedOn is a round: how many events a second went from the outbox into the log of
// events, and the processor time of one.
type handedOn struct {
	rate          float64
	server, redis time.Duration
	events        int64
}

// events measures how fast events of one region are handed on: drivers come on duty and
// rides are asked for, matched and completed while nothing is handed on; then everything
// is. The limit is XADD of an event of that size.
func events(ctx context.Context, h *house, o options, out io.Writer) error {
	rdb, gate, err := h.pair(ctx, o.geogate)
	if err != nil {
		return err
	}
	addr := rdb.Options().Addr
	var alone, pipelined []float64
	var rounds []handedOn
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d: events handed on\n", round+1, o.rounds)
		got, err := handOn(ctx, h, rdb, gate, round, o.told)
		if err != nil {
			return err
		}
		rounds = append(rounds, got)
		for pipeline, rates := range map[int]*[]float64{1: &alone, 100: &pipelined} {
			rate, err := xadd(ctx, rdb, addr, pipeline)
			if err != nil {
				return err
			}
			*rates = append(*rates, rate)
		}
	}
	var rates []float64
	var all handedOn
	for _, r := range rounds {
		rates = append(rates, r.rate)
		all.server, all.redis, all.events = all.server+r.server, all.redis+r.redis, all.events+r.events
	}
	fmt.Fprintf(out, "\n### Events handed on\n\n%d events gather in the outbox of one region, then they are handed on; geogate has core %s, Redis core %s; medians of %d interleaved rounds.\n\n",
		rounds[0].events, serverCore, loadCore, o.rounds)
	fmt.Fprintln(out, "| what | events/s | min…max | of XADD | CPU of geogate, µs an event | CPU of Redis, µs an event |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|")
	limit := percentile(alone, 0.5)
	row := func(name string, rates []float64, server, redis string) {
		fmt.Fprintf(out, "| %s | %.0f | %.0f…%.0f | %.2f | %s | %s |\n", name, percentile(rates, 0.5),
			slices.Min(rates), slices.Max(rates), percentile(rates, 0.5)/limit, server, redis)
	}
	row("redis-benchmark, XADD alone, 50 connections", alone, "–", "–")
	row("redis-benchmark, XADD alone, 100 in a pipeline", pipelined, "–", "–")
	row("geogate, from the outbox to the log of events", rates,
		microsEach(all.server, float64(all.events)), microsEach(all.redis, float64(all.events)))
	fmt.Fprintln(out)
	return nil
}

// handOn lets events gather and measures how fast they leave.
func handOn(ctx context.Context, h *house, rdb *redis.Client, gate string, round, rides int) (handedOn, error) {
	if err := rdb.Set(ctx, outboxLease, "bench", 0).Err(); err != nil {
		return handedOn{}, fmt.Errorf("hold the outbox: %w", err)
	}
	if err := gather(ctx, gate, round, rides); err != nil {
		return handedOn{}, err
	}
	waiting, err := rdb.XLen(ctx, outbox).Result()
	if err != nil {
		return handedOn{}, fmt.Errorf("count events: %w", err)
	}
	before, err := logged(ctx, rdb)
	if err != nil {
		return handedOn{}, err
	}
	own, store := strings.TrimPrefix(gate, "http://"), rdb.Options().Addr
	serverBefore, redisBefore, err := h.bothWorked(own, store)
	if err != nil {
		return handedOn{}, err
	}
	if err := errors.Join(rdb.Del(ctx, outboxLease).Err(), rdb.Publish(ctx, wakeUps, "region default").Err()); err != nil {
		return handedOn{}, fmt.Errorf("release the outbox: %w", err)
	}
	began := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for left := waiting; left > 0; {
		select {
		case <-ctx.Done():
			return handedOn{}, ctx.Err()
		case <-tick.C:
		}
		if left, err = rdb.XLen(ctx, outbox).Result(); err != nil {
			return handedOn{}, fmt.Errorf("count events: %w", err)
		}
	}
	took := time.Since(began)
	serverAfter, redisAfter, err := h.bothWorked(own, store)
	if err != nil {
		return handedOn{}, err
	}
	after, err := logged(ctx, rdb)
	if err != nil {
		return handedOn{}, err
	}
	if after-before != waiting {
		return handedOn{}, fmt.Errorf("%d events entered the log, %d were waiting", after-before, waiting)
	}
	return handedOn{
		rate: float64(waiting) / took.Seconds(), events: waiting,
		server: serverAfter - serverBefore, redis: redisAfter - redisBefore,
	}, nil
}

// gather makes four events a ride: driver available, ride searching, matched, completed.
func gather(ctx context.Context, gate string, round, rides int) error {
	drivers := city(rides)
	for i := range drivers {
		drivers[i].ID = strconv.Itoa(round*rides + i)
	}
	if err := load(ctx, gate, drivers); err != nil {
		return err
	}
	var group errgroup.Group
	for n := range askers {
		rng := rand.New(rand.NewPCG(4, uint64(n)))
		group.Go(func() error {
			for range rides / askers {
				ride, err := requested(ctx, gate, somewhere(rng), "matched")
				if err != nil {
					return err
				}
				if _, err := post(ctx, gate+"/v2/complete", map[string]string{"request_id": ride}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// logged is how many events have ever entered the log.
func logged(ctx context.Context, rdb *redis.Client) (int64, error) {
	info, err := rdb.XInfoStream(ctx, eventLog).Result()
	if err != nil {
		if strings.Contains(err.Error(), "no such key") {
			return 0, nil
		}
		return 0, fmt.Errorf("read log of events: %w", err)
	}
	return info.EntriesAdded, nil
}

// xadd is how many events of the size of a ride's redis-benchmark appends in a second.
func xadd(ctx context.Context, rdb *redis.Client, addr string, pipeline int) (float64, error) {
	data := `{"request_id":"default.iyaneg2cgihiampmo3xqwhhbu3","state":"matched","version":2,` + strings.Repeat("x", 280) + `}`
	m, err := redisBenchmark(ctx, serverCore, addr, batch{pipeline, 50}, 200_000,
		"XADD", "limit", "*", "type", "request.matched", "at", "1763709000123", "subject", "ride:1", "data", data)
	if err != nil {
		return 0, err
	}
	if err := rdb.Del(ctx, "limit").Err(); err != nil {
		return 0, fmt.Errorf("drop what redis-benchmark wrote: %w", err)
	}
	return m.perSecond, nil
}
