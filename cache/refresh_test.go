package cache

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// withLane is counted, and tells the lane it was last called in.
func withLane(calls *atomic.Int64, last *atomic.Int64) Fill {
	return func(_ context.Context, p *Priority) (Entry, error) {
		last.Store(int64(p.Lane()))
		return answer(fmt.Sprintf("call %d", calls.Add(1))), nil
	}
}

func TestStaleIsServedAtOnceAndRefreshed(t *testing.T) {
	for name, memory := range map[string]int64{LayerMemory: 1 << 20, LayerRedis: 0} {
		t.Run(name, func(t *testing.T) {
			rdb := redistest.Start(t).Client(t)
			var clk clock
			c := running(t, patient(rdb, Config{Memory: memory, Now: clk.now}))
			var calls, last atomic.Int64
			fill := withLane(&calls, &last)
			get(t, c, "k", Directives{}, fill)
			clk.advance(2 * time.Hour)
			r := get(t, c, "k", Directives{}, fill)
			want(t, r, Stale, name, "call 1")
			if r.Cause != nil || r.Age < 2*time.Hour {
				t.Errorf("Cause, Age = %v, %v, want none, 2h", r.Cause, r.Age)
			}
			asynctest.Eventually(t, "refresh", func() bool {
				return get(t, c, "k", Directives{}, fill).Class == Hit
			})
			want(t, get(t, c, "k", Directives{}, fill), Hit, name, "call 2")
			if n, p := calls.Load(), Lane(last.Load()); n != 2 || p != Refresh {
				t.Errorf("%d fills, the last one in lane %s, want 2, refresh", n, p)
			}
		})
	}
}

func TestRefreshAheadOfKeysInUse(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	for _, tt := range []struct {
		name string
		hits int
		age  time.Duration
		cfg  Config
		want bool
	}{
		{"in use, soon stale", inUse, 58 * time.Minute, Config{}, true},
		{"hardly used", inUse - 2, 58 * time.Minute, Config{}, false},
		{"in use, far from stale", inUse, 45 * time.Minute, Config{}, false},
		{"turned off", inUse, 58 * time.Minute, Config{NoRefreshAhead: true}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var clk clock
			cfg := tt.cfg
			cfg.Memory, cfg.Now = 1<<20, clk.now
			c := patient(rdb, cfg) // no workers: what is queued stays queued
			var calls atomic.Int64
			get(t, c, tt.name, Directives{}, counted(&calls))
			for range tt.hits {
				get(t, c, tt.name, Directives{}, neverFill(t))
			}
			clk.advance(tt.age)
			// A use as well, if it succeeds.
			if _, ok := c.Peek(tt.name, Directives{}, nil); ok == tt.want {
				t.Errorf("Peek() = %v, want %v: with a refresh due Get has to see to it", ok, !tt.want)
			}
			want(t, get(t, c, tt.name, Directives{}, neverFill(t)), Hit, LayerMemory, "call 1")
			get(t, c, tt.name, Directives{OnlyIfCached: true}, nil)
			if got := len(c.refreshQueue) == 1; got != tt.want {
				t.Errorf("refresh queued: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRefreshQueueRefuses(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	var clk clock
	c := patient(rdb, Config{Memory: 1 << 20, Now: clk.now, RefreshQueue: 2})
	var calls atomic.Int64
	for i := range 5 {
		get(t, c, fmt.Sprint(i), Directives{}, counted(&calls))
	}
	clk.advance(2 * time.Hour)
	for range 3 {
		for i := range 5 {
			if r := get(t, c, fmt.Sprint(i), Directives{}, neverFill(t)); r.Class != Stale {
				t.Errorf("%s, want STALE", r.Class)
			}
		}
	}
	if n, refused := len(c.refreshQueue), c.Stats().RefreshesRefused; n != 2 || refused != 9 {
		t.Errorf("%d queued, %d refused, want 2, 9", n, refused)
	}
}

func TestFailedRefreshIsNotRepeatedAtOnce(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	var clk clock
	c := running(t, patient(rdb, Config{Memory: 1 << 20, Now: clk.now}))
	for name, fail := range map[string]Fill{
		"error": func(context.Context, *Priority) (Entry, error) { return Entry{}, errors.New("down") },
		"panic": func(context.Context, *Priority) (Entry, error) { panic("boom") },
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			get(t, c, name, Directives{}, counted(&calls))
			clk.advance(2 * time.Hour)
			before := c.Stats()
			for range 3 {
				want(t, get(t, c, name, Directives{}, fail), Stale, LayerMemory, "call 1")
				asynctest.Eventually(t, "refresh fails", func() bool { return c.Stats().RefreshErrors == before.RefreshErrors+1 })
			}
			if n := c.Stats().Refreshes - before.Refreshes; n != 1 {
				t.Errorf("%d refreshes, want 1", n)
			}
			clk.advance(2 * refreshRetry)
			asynctest.Eventually(t, "refresh after the pause", func() bool {
				return get(t, c, name, Directives{}, counted(&calls)).Class == Hit
			})
		})
	}
}

func TestFleetRefreshesOnce(t *testing.T) {
	s := redistest.Start(t)
	var clk clock
	caches := fleet(t, 3, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return s.Client(tb) },
		Config{Memory: 1 << 20, Now: clk.now})
	var calls atomic.Int64
	for _, c := range caches {
		get(t, c, "k", Directives{}, counted(&calls))
	}
	clk.advance(2 * time.Hour)
	served := make(chan struct{}) // everybody has had the stale answer
	fill := held(&calls, served)
	for _, c := range caches {
		want(t, get(t, c, "k", Directives{}, fill), Stale, LayerMemory, "call 1")
	}
	close(served)
	for i, c := range caches {
		asynctest.Eventually(t, fmt.Sprint("process ", i, " has the new answer"), func() bool {
			r := get(t, c, "k", Directives{}, fill)
			return r.Class == Hit && string(r.Body) == "call 2"
		})
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("%d fills, want 2", n)
	}
}

// A caller must not wait behind a refresh, which has a low priority.
func TestCallersDoNotWaitForRefreshes(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	var clk clock
	c := running(t, patient(rdb, Config{Memory: 1 << 20, Now: clk.now}))
	var calls atomic.Int64
	get(t, c, "k", Directives{}, counted(&calls))
	clk.advance(2 * time.Hour)
	stuck := make(chan struct{})
	began := make(chan struct{})
	get(t, c, "k", Directives{}, func(ctx context.Context, _ *Priority) (Entry, error) {
		close(began)
		select {
		case <-stuck:
		case <-ctx.Done():
		}
		return Entry{}, errors.New("too late")
	})
	<-began
	clk.advance(48 * time.Hour) // now the entry is dead
	want(t, get(t, c, "k", Directives{}, counted(&calls)), Miss, "", "call 2")
	close(stuck)
	asynctest.Eventually(t, "refresh ends", func() bool { return c.Stats().RefreshErrors == 1 })
	if r := get(t, c, "k", Directives{}, neverFill(t)); r.Class != Hit || string(r.Body) != "call 2" {
		t.Errorf("got %s %q, want a hit with the newer answer", r.Class, r.Body)
	}
}

// A key that cannot be renewed is tried less and less often.
func TestFailingRefreshBacksOff(t *testing.T) {
	var clk clock
	c := running(t, patient(redistest.Start(t).Client(t), Config{Memory: 1 << 20, Now: clk.now}))
	var calls, tries atomic.Int64
	get(t, c, "k", Directives{}, counted(&calls))
	clk.advance(2 * time.Hour)
	for range 600 { // seconds
		get(t, c, "k", Directives{}, func(context.Context, *Priority) (Entry, error) {
			tries.Add(1)
			return Entry{}, errors.New("down")
		})
		asynctest.Eventually(t, "no refresh is under way", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			p, ok := c.refreshing["k"]
			return ok && !p.until.IsZero()
		})
		clk.advance(time.Second)
	}
	if n := tries.Load(); n < 4 || n > 9 {
		t.Errorf("%d tries in ten minutes, want 4 to 9", n)
	}
}
