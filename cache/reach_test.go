package cache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// A look of Reach and what Get does after it take no more round trips than Get alone.
func TestRoundTripsOfAReach(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	var noted trips
	var clk clock
	var calls atomic.Int64
	begun := false
	begin := func() context.Context {
		begun = true
		return context.Background()
	}
	nobody := func() context.Context { return nil }
	unheard := Directives{LastResort: func(*Entry) bool { return true }}
	settled := func(c *Cache) { c.redis.forecast.lost.Store(0) }
	for _, tt := range []struct {
		name   string
		memory int64
		before func(c, other *Cache)
		d      Directives
		begin  func() context.Context
		take   func(Result) bool
		found  bool
		waited bool
		then   Class    // of Get, unless it was found
		ops    []string // of both
	}{
		{name: "in Redis", begin: begin, found: true, waited: true, ops: []string{"get"}},
		{name: "in Redis and not yet in memory", memory: 1 << 20, begin: begin, found: true, waited: true, ops: []string{"get"}},
		{
			name: "in memory", memory: 1 << 20, begin: begin, then: Hit,
			before: func(c, _ *Cache) { get(t, c, "k", Directives{}, counted(&calls)); noted.since() },
		},
		{name: "declined", begin: begin, take: func(Result) bool { return false }, waited: true, then: Hit, ops: []string{"get", "look"}},
		{name: "nobody may wait", begin: nobody, then: Hit, ops: []string{"get"}},
		{name: "not to be looked up", d: Directives{NoStore: true}, begin: begin, then: Bypass},
		{name: "has to be new", d: Directives{NoCache: true}, begin: begin, then: Miss, ops: []string{"lease", "store", "generation"}},
		{
			name: "after misses", begin: begin, then: Hit, ops: []string{"look"},
			before: func(c, _ *Cache) { c.redis.forecast.lost.Store(wholly) },
		},
		{
			name: "purges are not known", begin: begin, then: Hit, ops: []string{"generation", "get"},
			before: func(c, _ *Cache) { c.gens.Store(&generations{}) },
		},
		{
			name: "nowhere", begin: begin, waited: true, then: Miss, ops: []string{"get", "look", "store"},
			before: func(c, _ *Cache) { purgeKey(t, c, "k"); settled(c); noted.since() },
		},
		{
			name: "stale", begin: begin, waited: true, then: Stale, ops: []string{"get", "look"},
			before: func(*Cache, *Cache) { clk.advance(90 * time.Minute) },
		},
		{
			name: "due for a refresh", begin: begin, waited: true, then: Hit, ops: []string{"get", "look"},
			before: func(*Cache, *Cache) { clk.advance(58 * time.Minute) },
		},
		{
			name: "past its time, and a last resort", d: unheard, begin: begin, waited: true, then: Miss,
			ops:    []string{"get", "look", "lease", "store"},
			before: func(*Cache, *Cache) { clk.advance(90 * time.Minute) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{Now: clk.now, Namespace: tt.name, ObserveRedis: noted.observe}
			other := patient(rdb, cfg)
			cfg.Memory = tt.memory
			c := patient(rdb, cfg)
			get(t, other, "k", Directives{}, counted(&calls))
			c.current(t.Context(), &allowance{c.cfg.RedisBudget})
			noted.since()
			if tt.before != nil {
				tt.before(c, other)
			}
			begun = false
			hits := c.Stats().HitsRedis
			r, spent, found := c.Reach("k", tt.d, tt.begin, tt.take)
			if found != tt.found || begun != tt.waited || found && spent != 0 || tt.waited && !found && spent <= 0 {
				t.Errorf("found %t after %s, waited %t, want %t, %t", found, spent, begun, tt.found, tt.waited)
			}
			if found {
				want(t, r, Hit, LayerRedis, string(r.Body))
			}
			if n := c.Stats().HitsRedis - hits; found != (n == 1) {
				t.Errorf("found %t, counted %d", found, n)
			}
			if !found {
				tt.d.Spent = spent
				if r := get(t, c, "k", tt.d, counted(&calls)); r.Class != tt.then {
					t.Errorf("then %s, want %s", r.Class, tt.then)
				}
			}
			if got := noted.since(); !cmp.Equal(got, tt.ops) {
				t.Errorf("round trips %q, want %q", got, tt.ops)
			}
			if _, held := c.Peek("k", Directives{}, nil); found && held != (tt.memory > 0) {
				t.Errorf("in memory after it: %t", held)
			}
		})
	}
}

func purgeKey(tb testing.TB, c *Cache, key string) {
	tb.Helper()
	if _, err := c.Purge(tb.Context(), key); err != nil {
		tb.Fatal(err)
	}
}

func TestReachesOfAKeyShareALook(t *testing.T) {
	s := redistest.Start(t)
	rdb := s.Client(t)
	c := holding(t, rdb, 1)
	var counts sent
	rdb.AddHook(&counts)
	s.Pause(t)
	const callers = 1000
	var began, found atomic.Int64
	begin := func() context.Context {
		began.Add(1)
		return context.Background()
	}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if r, _, ok := c.Reach("key 0", Directives{}, begin, nil); ok && string(r.Body) == "key 0" {
				found.Add(1)
			}
		})
	}
	asynctest.Eventually(t, "all wait", func() bool { return began.Load() == callers })
	s.Resume(t)
	wg.Wait()
	// Who had only just begun may be late for the flight of the others.
	if n, reads := found.Load(), counts.single.Load()+counts.gathered.Load(); n != callers || reads > callers/10 {
		t.Errorf("%d of %d found it, by %d reads", n, callers, reads)
	}
	if n := c.Stats().HitsRedis; n != callers {
		t.Errorf("%d hits counted", n)
	}
}

// Callers of Get may be waiting for a fill: whoever comes to that goes there.
func TestReachLeavesAFillAlone(t *testing.T) {
	c := patient(redistest.Start(t).Client(t), Config{})
	var calls atomic.Int64
	filling, goOn := make(chan struct{}), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = c.Get(context.Background(), "k", Directives{}, func(ctx context.Context, p *Priority) (Entry, error) {
			close(filling)
			return held(&calls, goOn)(ctx, p)
		})
	}()
	<-filling
	c.redis.forecast.lost.Store(0)
	before := c.Stats().RedisCalls
	if _, _, found := c.Reach("k", Directives{}, context.Background, nil); found || c.Stats().RedisCalls != before {
		t.Errorf("found %t by %d round trips, want none", found, c.Stats().RedisCalls-before)
	}
	close(goOn)
	<-ended
}

// A Redis that hangs costs a request what it costs without Reach.
func TestReachAndGetShareTheirTime(t *testing.T) {
	s := redistest.Start(t)
	var noted trips
	c := patient(s.Client(t), Config{ObserveRedis: noted.observe})
	var calls atomic.Int64
	get(t, c, "k", Directives{}, counted(&calls))
	c.redis.forecast.lost.Store(0)
	c.cfg.RedisBudget = impatient
	noted.since()
	s.Pause(t)
	defer s.Resume(t)
	_, spent, found := c.Reach("k", Directives{}, context.Background, nil)
	if found || spent < impatient {
		t.Fatalf("found %t after %s, want nothing after %s", found, spent, impatient)
	}
	want(t, get(t, c, "k", Directives{Spent: spent}, counted(&calls)), Miss, "", "call 2")
	if _, err := c.Get(t.Context(), "k", Directives{Spent: spent, OnlyIfCached: true}, neverFill(t)); !errors.Is(err, ErrNotCached) {
		t.Errorf("err = %v, want %v", err, ErrNotCached)
	}
	if got := noted.since(); !cmp.Equal(got, []string{"get"}) {
		t.Errorf("round trips %q, want one", got)
	}
	for range breakerFailures - 1 {
		c.Reach("k", Directives{}, context.Background, nil)
	}
	if state := c.redis.breaker("").State(); state == gobreaker.StateClosed {
		t.Errorf("the breaker is %s after %d looks in a row without an answer", state, breakerFailures)
	}
}

// reading is a hook that tells when a read is about to go out, and holds it back.
type reading struct{ before, goOn chan struct{} }

func (reading) DialHook(next redis.DialHook) redis.DialHook { return next }
func (reading) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (r reading) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Name() == "get" {
			close(r.before)
			<-r.goOn
		}
		return err
	}
}

// What a purge has overtaken does not stay in memory, and nobody who comes after the
// purge gets it.
func TestPurgeOvertakesAReach(t *testing.T) {
	s := redistest.Start(t)
	rdb := s.Client(t)
	var calls atomic.Int64
	get(t, patient(s.Client(t), Config{}), "k", Directives{}, counted(&calls))
	c := patient(rdb, Config{Memory: 1 << 20})
	c.current(t.Context(), &allowance{c.cfg.RedisBudget})
	hook := reading{make(chan struct{}), make(chan struct{})}
	rdb.AddHook(hook)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Reach("k", Directives{}, context.Background, nil)
	}()
	<-hook.before
	purgeKey(t, c, "k")
	if f, joined := c.lookFlight("k"); joined {
		t.Error("who comes after the purge joins a look from before it")
	} else {
		c.land(f)
	}
	close(hook.goOn)
	<-ended
	if it := c.memory.peek("k"); it != nil {
		t.Errorf("memory has %q", it.Body)
	}
}
