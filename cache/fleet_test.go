package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/embedded"
	"geogate/internal/redistest"
)

// overRedis runs a test against one Redis server, the built-in one and a
// cluster.
func overRedis(t *testing.T, test func(t *testing.T, client func(tb testing.TB) redis.UniversalClient)) {
	t.Helper()
	t.Run("server", func(t *testing.T) {
		s := redistest.Start(t)
		test(t, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return s.Client(tb) })
	})
	t.Run("built-in", func(t *testing.T) {
		s := embedded.New()
		t.Cleanup(s.Close)
		test(t, func(tb testing.TB) redis.UniversalClient {
			tb.Helper()
			c := s.Client(redis.Options{ContextTimeoutEnabled: true, DisableIdentity: true})
			tb.Cleanup(func() { _ = c.Close() })
			return c
		})
	})
	t.Run("cluster", func(t *testing.T) {
		s := redistest.StartCluster(t)
		test(t, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return s.Client(tb) })
	})
}

// fleet is n running caches, each with a client of its own, as in n processes.
func fleet(tb testing.TB, n int, client func(tb testing.TB) redis.UniversalClient, cfg Config) []*Cache {
	tb.Helper()
	caches := make([]*Cache, n)
	for i := range caches {
		caches[i] = running(tb, New(client(tb), cfg))
	}
	for _, c := range caches {
		asynctest.Eventually(tb, "subscription", func() bool { return c.Stats().Listening && c.gens.Load().known })
	}
	return caches
}

// slowly is counted, but each call takes d.
func slowly(calls *atomic.Int64, d time.Duration) Fill {
	return func(ctx context.Context, _ *Priority) (Entry, error) {
		n := calls.Add(1)
		select {
		case <-time.After(d):
			return answer(fmt.Sprintf("call %d", n)), nil
		case <-ctx.Done():
			return Entry{}, ctx.Err()
		}
	}
}

func TestThousandCallersInThreeProcessesOneFill(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(testing.TB) redis.UniversalClient) {
		for _, memory := range []int64{1 << 20, 0} {
			t.Run(fmt.Sprintf("memory %d", memory), func(t *testing.T) {
				// Redis has all the time it wants: that a slow one costs fills
				// is tested elsewhere, and the machine may be slow.
				cfg := Config{Memory: memory, Namespace: fmt.Sprint("ns", memory), RedisBudget: 10 * time.Second}
				caches := fleet(t, 3, client, cfg)
				var calls atomic.Int64
				var callers sync.WaitGroup
				callers.Add(1000)
				slow := slowly(&calls, 500*time.Millisecond)
				fill := func(ctx context.Context, p *Priority) (Entry, error) {
					e, err := slow(ctx, p)
					callers.Wait()
					return e, err
				}

				impatient, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
				defer cancel()
				left := make(chan error, 1)
				go func() {
					_, err := caches[0].Get(impatient, "k", Directives{}, fill)
					left <- err
				}()
				asynctest.Eventually(t, "first fill", func() bool { return calls.Load() == 1 })

				var wg sync.WaitGroup
				for i := range 1000 {
					wg.Go(func() {
						callers.Done()
						r, err := caches[i%3].Get(context.Background(), "k", Directives{}, fill)
						if err != nil || r.Class != Miss || !r.Collapsed || string(r.Body) != "call 1" {
							t.Errorf("got %s, collapsed %v, %v", r.Class, r.Collapsed, err)
						}
					})
				}
				wg.Wait()
				if err := <-left; !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the caller that left got %v", err)
				}
				if n := calls.Load(); n != 1 {
					t.Errorf("%d fills, want 1", n)
				}
				var total Stats
				for _, c := range caches {
					total.Collapsed += c.Stats().Collapsed
				}
				if total.Collapsed != 1000 {
					t.Errorf("%d collapsed, want 1000", total.Collapsed)
				}
			})
		}
	})
}

func TestWaitersLearnOfAFillAtOnce(t *testing.T) {
	s := redistest.Start(t)
	caches := fleet(t, 2, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return s.Client(tb) }, Config{})
	delays := make([]time.Duration, 20)
	for i := range delays {
		key := fmt.Sprint("k", i)
		var calls atomic.Int64
		var ended time.Time
		// Long enough for the pauses between looks to have grown.
		fill := slowly(&calls, 300*time.Millisecond)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _ = caches[0].Get(context.Background(), key, Directives{}, fill)
			ended = time.Now()
		})
		asynctest.Eventually(t, "first fill", func() bool { return calls.Load() == 1 })
		get(t, caches[1], key, Directives{}, fill)
		woke := time.Now()
		wg.Wait()
		delays[i] = woke.Sub(ended)
	}
	slices.Sort(delays)
	t.Logf("delays of a waiter in another process: %v", delays)
	// A busy machine may hold up two of them. By looking, most would be as late.
	if third := delays[len(delays)-3]; third > lastLook/4 {
		t.Errorf("a waiter learnt of the fill after %v: by looking, not by the event", third)
	}
}

func TestLeaseIsTakenOver(t *testing.T) {
	ctx := context.Background()
	rdb := redistest.Start(t).Client(t)
	t.Run("from a process that died", func(t *testing.T) {
		c := running(t, New(rdb, Config{}))
		lease := c.redis.names("dead").lease
		if err := rdb.Set(ctx, lease, "of the dead", 400*time.Millisecond).Err(); err != nil {
			t.Fatal(err)
		}
		var calls atomic.Int64
		start := time.Now()
		want(t, get(t, c, "dead", Directives{}, counted(&calls)), Miss, "", "call 1")
		if took := time.Since(start); took < 300*time.Millisecond || took > 2*time.Second {
			t.Errorf("took %v, want the rest of the lease", took)
		}
	})
	t.Run("from a fill that failed", func(t *testing.T) {
		caches := fleet(t, 2, func(testing.TB) redis.UniversalClient { return rdb }, Config{LeaseTTL: time.Hour})
		fail := make(chan struct{})
		begun := make(chan struct{})
		var wg sync.WaitGroup
		defer wg.Wait()
		boom := errors.New("boom")
		failed := make(chan struct{}) // before there is an answer that would serve in place of the error
		wg.Go(func() {
			defer close(failed)
			_, err := caches[0].Get(ctx, "failed", Directives{}, func(context.Context, *Priority) (Entry, error) {
				close(begun)
				<-fail
				return Entry{}, boom
			})
			if !errors.Is(err, boom) {
				t.Errorf("err = %v, want %v", err, boom)
			}
		})
		<-begun
		var calls atomic.Int64
		time.AfterFunc(50*time.Millisecond, func() { close(fail) })
		fill := counted(&calls)
		r := get(t, caches[1], "failed", Directives{}, func(ctx context.Context, p *Priority) (Entry, error) {
			<-failed
			return fill(ctx, p)
		})
		want(t, r, Miss, "", "call 1")
	})
	t.Run("not from one that is slow", func(t *testing.T) {
		caches := fleet(t, 2, func(testing.TB) redis.UniversalClient { return rdb }, Config{LeaseTTL: 150 * time.Millisecond})
		var calls atomic.Int64
		fill := slowly(&calls, time.Second) // some renewals long
		var wg sync.WaitGroup
		for _, c := range caches {
			wg.Go(func() { get(t, c, "slow", Directives{}, fill) })
		}
		wg.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("%d fills, want 1", n)
		}
	})
}
