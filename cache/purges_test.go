package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// Processes that begin together on an empty Redis must agree from the start on
// what counts as purged.
func TestProcessesThatBeginTogetherShare(t *testing.T) {
	s := redistest.Start(t)
	var caches [8]*Cache
	for i := range caches {
		caches[i] = patient(s.Client(t), Config{})
	}
	var wg sync.WaitGroup
	for _, c := range caches {
		wg.Go(func() {
			if err := c.sync(context.Background(), &allowance{20 * time.Second}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, c := range caches {
		if got, want := c.gens.Load().scopes, caches[0].gens.Load().scopes; !cmp.Equal(got, want) {
			t.Errorf("process %d begins with %v, process 0 with %v", i, got, want)
		}
	}
}

func TestPurgesReachEveryProcess(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(testing.TB) redis.UniversalClient) {
		ctx := context.Background()
		quickest := time.Hour // a busy machine may hold up one of them
		for name, purge := range map[string]func(c *Cache) error{
			"key":      func(c *Cache) error { _, err := c.Purge(ctx, "k"); return err },
			"all":      func(c *Cache) error { return c.PurgeAll(ctx) },
			"provider": func(c *Cache) error { return c.PurgeProvider(ctx, "own") },
			"outcome":  func(c *Cache) error { return c.PurgeOutcome(ctx, "found") },
		} {
			t.Run(name, func(t *testing.T) {
				// Nobody looks for purges: they are told.
				caches := fleet(t, 3, client, Config{Memory: 1 << 20, Namespace: name, PollInterval: time.Hour})
				fill := func(context.Context, *Priority) (Entry, error) { return answer("old"), nil }
				spared := func(context.Context, *Priority) (Entry, error) {
					e := answer("spared")
					e.Provider, e.Outcome = "other", "empty"
					return e, nil
				}
				for _, c := range caches {
					get(t, c, "k", Directives{}, fill)
					get(t, c, "spared", Directives{}, spared)
				}
				if err := purge(caches[0]); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				for i, c := range caches {
					asynctest.Eventually(t, fmt.Sprint("purge reaches process ", i), func() bool {
						_, err := c.Get(ctx, "k", Directives{OnlyIfCached: true}, nil)
						return errors.Is(err, ErrNotCached)
					})
				}
				quickest = min(quickest, time.Since(start))
				if name != "all" {
					for _, c := range caches {
						want(t, get(t, c, "spared", Directives{}, neverFill(t)), Hit, LayerMemory, "spared")
					}
				}
				// What comes after the purge is kept again.
				var calls atomic.Int64
				want(t, get(t, caches[0], "k", Directives{}, counted(&calls)), Miss, "", "call 1")
				want(t, get(t, caches[1], "k", Directives{}, neverFill(t)), Hit, LayerRedis, "call 1")
			})
		}
		if quickest > time.Second {
			t.Errorf("each purge took %v or more, want less than a second", quickest)
		}
	})
}

// The process under test has no subscription, but still looks at the record.
func TestLostAnnouncementsAreMadeUpFor(t *testing.T) {
	ctx := context.Background()
	s := redistest.Start(t)
	caches := fleet(t, 1, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return s.Client(tb) }, Config{Memory: 1 << 20})
	for name, change := range map[string]func() error{
		"purge of a key":      func() error { _, err := caches[0].Purge(ctx, "k"); return err },
		"purge of everything": func() error { return caches[0].PurgeAll(ctx) },
		"forced refresh": func() error {
			_, err := caches[0].Get(ctx, "k", Directives{NoCache: true}, func(context.Context, *Priority) (Entry, error) {
				return answer("new"), nil
			})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			deaf := patient(s.Client(t), Config{Memory: 1 << 20, PollInterval: 50 * time.Millisecond})
			watching, stop := context.WithCancel(ctx)
			ended := make(chan struct{})
			go func() { defer close(ended); deaf.watch(watching) }()
			defer func() { stop(); <-ended }()

			fill := func(context.Context, *Priority) (Entry, error) { return answer("old"), nil }
			get(t, caches[0], "k", Directives{NoCache: true}, fill)
			asynctest.Eventually(t, "the process holds the entry in memory", func() bool {
				r := get(t, deaf, "k", Directives{}, fill)
				return r.Layer == LayerMemory && string(r.Body) == "old"
			})
			if err := change(); err != nil {
				t.Fatal(err)
			}
			asynctest.Eventually(t, "the process notices", func() bool {
				r, err := deaf.Get(ctx, "k", Directives{OnlyIfCached: true}, nil)
				return errors.Is(err, ErrNotCached) || string(r.Body) == "new"
			})
		})
	}
}

func TestPurgeDuringAFill(t *testing.T) {
	ctx := context.Background()
	s := redistest.Start(t)
	for name, purge := range map[string]func(c *Cache) error{
		"key":      func(c *Cache) error { _, err := c.Purge(ctx, "k"); return err },
		"provider": func(c *Cache) error { return c.PurgeProvider(ctx, "own") },
	} {
		for _, purger := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, by process %d", name, purger), func(t *testing.T) {
				caches := fleet(t, 2, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return s.Client(tb) },
					Config{Memory: 1 << 20, Namespace: fmt.Sprint(name, purger)})
				begun, goOn := make(chan struct{}), make(chan struct{})
				var wg sync.WaitGroup
				wg.Go(func() {
					r := get(t, caches[0], "k", Directives{}, func(context.Context, *Priority) (Entry, error) {
						close(begun)
						<-goOn
						return answer("from before the purge"), nil
					})
					want(t, r, Miss, "", "from before the purge")
				})
				<-begun
				if err := purge(caches[purger]); err != nil {
					t.Fatal(err)
				}
				// The purge has ended the lease: nobody waits for the old fill.
				if name == "key" {
					var calls atomic.Int64
					want(t, get(t, caches[1], "k", Directives{}, counted(&calls)), Miss, "", "call 1")
				}
				close(goOn)
				wg.Wait()
				for i, c := range caches {
					asynctest.Eventually(t, fmt.Sprint("process ", i, " lets go of the old answer"), func() bool {
						r, err := c.Get(ctx, "k", Directives{OnlyIfCached: true}, nil)
						return err != nil || string(r.Body) == "call 1"
					})
				}
			})
		}
	}
}

// Whoever asks after a purge gets nothing from before it, not even from a fill
// of their own process that is under way.
func TestCallersAfterAPurgeDoNotJoinAFillFromBeforeIt(t *testing.T) {
	ctx := context.Background()
	s := redistest.Start(t)
	for name, purge := range map[string]func(c *Cache) error{
		"key":      func(c *Cache) error { _, err := c.Purge(ctx, "k"); return err },
		"all":      func(c *Cache) error { return c.PurgeAll(ctx) },
		"provider": func(c *Cache) error { return c.PurgeProvider(ctx, "own") },
	} {
		t.Run(name, func(t *testing.T) {
			c := fleet(t, 1, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return s.Client(tb) },
				Config{Memory: 1 << 20, Namespace: name})[0]
			begun, goOn := make(chan struct{}), make(chan struct{})
			var callers sync.WaitGroup
			callers.Go(func() {
				get(t, c, "k", Directives{}, func(context.Context, *Priority) (Entry, error) {
					close(begun)
					<-goOn
					return answer("from before the purge"), nil
				})
			})
			<-begun
			if err := purge(c); err != nil {
				t.Fatal(err)
			}
			var calls atomic.Int64
			callers.Go(func() { want(t, get(t, c, "k", Directives{}, counted(&calls)), Miss, "", "call 1") })
			if name == "key" {
				asynctest.Eventually(t, "the late caller fills", func() bool { return calls.Load() == 1 })
			}
			close(goOn)
			callers.Wait()
		})
	}
}

func TestForcedRefreshReachesEveryProcess(t *testing.T) {
	s := redistest.Start(t)
	caches := fleet(t, 2, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return s.Client(tb) }, Config{Memory: 1 << 20})
	var calls atomic.Int64
	fill := counted(&calls)
	for _, c := range caches {
		get(t, c, "k", Directives{}, fill)
	}
	want(t, get(t, caches[0], "k", Directives{NoCache: true}, fill), Miss, "", "call 2")
	asynctest.Eventually(t, "the other process serves the new answer", func() bool {
		return string(get(t, caches[1], "k", Directives{}, fill).Body) == "call 2"
	})
	if n := calls.Load(); n != 2 {
		t.Errorf("%d fills, want 2", n)
	}
}

// When Redis loses everything, including the record of purges, memory still
// answers and purges still work.
func TestRedisEmptiedKeepsMemoryCoherent(t *testing.T) {
	ctx := context.Background()
	s := redistest.Start(t)
	caches := fleet(t, 2, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return s.Client(tb) }, Config{Memory: 1 << 20})
	var calls atomic.Int64
	for _, c := range caches {
		get(t, c, "k", Directives{}, counted(&calls))
	}
	known := caches[0].gens.Load().seq()
	if known == 0 {
		t.Fatal("no purge has a number above zero: an empty record would look complete")
	}
	rdb := s.Client(t)
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	asynctest.Eventually(t, "a process restores the record", func() bool {
		n, _ := rdb.HGet(ctx, caches[0].redis.record(), scopeSeq).Uint64()
		return n == known
	})
	for _, c := range caches {
		want(t, get(t, c, "k", Directives{}, neverFill(t)), Hit, LayerMemory, "call 1")
	}
	if err := caches[1].PurgeAll(ctx); err != nil {
		t.Fatal(err)
	}
	asynctest.Eventually(t, "purge", func() bool {
		_, err := caches[0].Get(ctx, "k", Directives{OnlyIfCached: true}, nil)
		return errors.Is(err, ErrNotCached)
	})
}
