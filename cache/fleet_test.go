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
		s := redistest.BorrowCluster(t)
		test(t, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return s.Client(tb) })
	})
}

// fleet is n running caches, each with a client of its own, as in n processes.
func fleet(tb testing.TB, n int, client func(tb testing.TB) redis.UniversalClient, cfg Config) []*Cache {
	tb.Helper()
	caches := make([]*Cache, n)
	for i := range caches {
		caches[i] = running(tb, patient(client(tb), cfg))
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
				var caches [3]*Cache
				var looked [3]atomic.Bool // at the lease, which only one of them gets
				for i := range caches {
					caches[i] = fleet(t, 1, client, Config{
						Memory: memory, Namespace: fmt.Sprint("ns", memory),
						ObserveRedis: func(op string, _ time.Duration, _ error) {
							if op == "lease" {
								looked[i].Store(true)
							}
						},
					})[0]
				}
				var calls, waiting atomic.Int64
				everybody := make(chan struct{})
				fill := held(&calls, everybody)

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
						ctx := arriving(context.Background(), func() { waiting.Add(1) })
						r, err := caches[i%3].Get(ctx, "k", Directives{}, fill)
						if err != nil || r.Class != Miss || !r.Collapsed || string(r.Body) != "call 1" {
							t.Errorf("got %s, collapsed %v, %v", r.Class, r.Collapsed, err)
						}
					})
				}
				asynctest.Eventually(t, "all wait, in each process", func() bool {
					return waiting.Load() == 1000 && looked[1].Load() && looked[2].Load()
				})
				if err := <-left; !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the caller that left got %v", err)
				}
				close(everybody)
				wg.Wait()
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
	const rounds, atOnce = 4, 5
	var delays [rounds * atOnce]time.Duration
	for round := range rounds {
		var pairs sync.WaitGroup
		for i := range atOnce {
			pairs.Go(func() { delays[round*atOnce+i] = delayOfAWaiter(t, caches, fmt.Sprint(round, "/", i)) })
		}
		pairs.Wait()
	}
	slices.Sort(delays[:])
	t.Logf("delays of a waiter in another process: %v", delays)
	// A busy machine may hold up a third of them. By looking, three quarters would be as late.
	if late := delays[len(delays)*2/3]; late > lastLook/4 {
		t.Errorf("a third of the waiters learnt of the fill after %v or more: by looking, not by the event", late)
	}
}

// delayOfAWaiter is how much later than the first process, which fills, the other one has
// the answer.
func delayOfAWaiter(t *testing.T, caches []*Cache, key string) time.Duration {
	t.Helper()
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
	if _, err := caches[1].Get(context.Background(), key, Directives{}, fill); err != nil {
		t.Error(err)
	}
	woke := time.Now()
	wg.Wait()
	return woke.Sub(ended)
}

func TestLeaseIsTakenOver(t *testing.T) {
	ctx := context.Background()
	rdb := redistest.Start(t).Client(t)
	t.Run("from a process that died", func(t *testing.T) {
		c := running(t, patient(rdb, Config{}))
		lease := c.redis.names("dead").lease
		start := time.Now()
		if err := rdb.Set(ctx, lease, "of the dead", 400*time.Millisecond).Err(); err != nil {
			t.Fatal(err)
		}
		var calls atomic.Int64
		want(t, get(t, c, "dead", Directives{}, counted(&calls)), Miss, "", "call 1")
		if took := time.Since(start); took < 350*time.Millisecond || took > c.cfg.FillTimeout/2 {
			t.Errorf("took %v, want the life of the lease", took)
		}
	})
	t.Run("from a fill that failed", func(t *testing.T) {
		caches := fleet(t, 2, func(testing.TB) redis.UniversalClient { return rdb }, Config{})
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
		// A process that stands still for as long as the lease lives does lose it: only
		// one that loses the longest, too, does not renew it.
		for _, life := range []time.Duration{200 * time.Millisecond, time.Second, 4 * time.Second} {
			caches := fleet(t, 2, func(testing.TB) redis.UniversalClient { return rdb }, Config{LeaseTTL: life})
			var calls atomic.Int64
			fill := slowly(&calls, 3*life)
			var wg sync.WaitGroup
			for _, c := range caches {
				wg.Go(func() {
					if _, err := c.Get(ctx, life.String(), Directives{}, fill); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if calls.Load() == 1 {
				return
			}
			t.Logf("%d fills with leases of %s", calls.Load(), life)
		}
		t.Error("the lease of a slow fill is taken over")
	})
}
