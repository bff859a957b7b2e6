package budget

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// load asks for a budget over and over in one lane until ctx ends, with the
// given number of callers, and returns how many calls it made.
func load(ctx context.Context, wg *sync.WaitGroup, b *Budget, lane Lane, callers int, hold time.Duration, made *int, mu *sync.Mutex) {
	for range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				release, err := b.Acquire(ctx, lane, time.Now().Add(time.Hour))
				if err != nil {
					pass(time.Second / 10) // refused: time must pass
					continue
				}
				mu.Lock()
				*made++
				mu.Unlock()
				pass(hold)
				release()
			}
		})
	}
}

// pass lets time pass, within a synctest bubble.
func pass(d time.Duration) { <-time.After(d) }

// share runs callers in all lanes for a time and returns what each lane got.
func share(l Limits, people, bulk, refresh int, hold, d time.Duration) [lanes]int {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	b := newBudget(l, newLocalGate(l))
	var wg sync.WaitGroup
	var mu sync.Mutex
	var made [lanes]int
	load(ctx, &wg, b, People, people, hold, &made[People], &mu)
	load(ctx, &wg, b, Bulk, bulk, hold, &made[Bulk], &mu)
	load(ctx, &wg, b, Refresh, refresh, hold, &made[Refresh], &mu)
	wg.Wait()
	return made
}

func TestBudgetShares(t *testing.T) {
	second := Limits{Interval: time.Second, Burst: 1}
	tests := []struct {
		name                  string
		limits                Limits
		people, bulk, refresh int
		hold                  time.Duration
		min, max              [lanes]int // calls in 100 s
	}{
		{"people alone have all", second, 3, 0, 0, 0, [lanes]int{100, 0, 0}, [lanes]int{101, 0, 0}},
		{"bulk alone has all", second, 0, 3, 0, 0, [lanes]int{0, 100, 0}, [lanes]int{0, 101, 0}},
		{"refresh alone has all", second, 0, 0, 3, 0, [lanes]int{0, 0, 100}, [lanes]int{0, 0, 101}},
		{"bulk has half at most while people wait", second, 3, 3, 0, 0, [lanes]int{50, 1, 0}, [lanes]int{100, 51, 0}},
		{"refresh has nothing while others wait", second, 3, 3, 3, 0, [lanes]int{50, 1, 0}, [lanes]int{100, 51, 1}},
		{"refresh stands back behind bulk", second, 0, 3, 3, 0, [lanes]int{0, 99, 0}, [lanes]int{0, 101, 1}},
		{"bulk has its own pace", Limits{Interval: time.Second, Burst: 1, BulkInterval: 15 * time.Second}, 0, 3, 0, 0,
			[lanes]int{0, 6, 0}, [lanes]int{0, 7, 0}},
		{"a burst after a rest", Limits{Interval: time.Second, Burst: 5}, 9, 0, 0, 0, [lanes]int{104, 0, 0}, [lanes]int{105, 0, 0}},
		{"one at a time", Limits{Interval: time.Second, Burst: 1, Concurrency: 1}, 3, 0, 0, 4 * time.Second,
			[lanes]int{24, 0, 0}, [lanes]int{26, 0, 0}},
		{"bulk has its share of the only place", Limits{Burst: 1, Concurrency: 1}, 5, 5, 0, time.Second,
			[lanes]int{48, 23, 0}, [lanes]int{76, 51, 0}},
		{"bulk has its share of four places", Limits{Burst: 1, Concurrency: 4}, 20, 20, 0, time.Second,
			[lanes]int{192, 92, 0}, [lanes]int{304, 204, 0}},
		{"bulk has its share of the only place at a generous rate", Limits{Interval: time.Second / 100, Burst: 1, Concurrency: 1}, 5, 5, 0, time.Second,
			[lanes]int{48, 23, 0}, [lanes]int{76, 51, 0}},
		{"bulk alone has all places", Limits{Burst: 1, Concurrency: 2}, 0, 5, 0, time.Second, [lanes]int{0, 195, 0}, [lanes]int{0, 202, 0}},
		{"concurrency alone", Limits{Burst: 1, Concurrency: 2}, 5, 0, 0, 10 * time.Second, [lanes]int{18, 0, 0}, [lanes]int{20, 0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := share(tt.limits, tt.people, tt.bulk, tt.refresh, tt.hold, 100*time.Second)
				total := 0
				for lane, n := range got {
					total += n
					if n < tt.min[lane] || n > tt.max[lane] {
						t.Errorf("lane %d made %d calls, want %d to %d (all: %v)", lane, n, tt.min[lane], tt.max[lane], got)
					}
				}
				if i := tt.limits.Interval; i > 0 && total > int(100*time.Second/i)+tt.limits.Burst {
					t.Errorf("%d calls in all, more than the rate allows", total)
				}
			})
		})
	}
}

func TestBudgetRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Limits{Interval: time.Second, Burst: 1}
		b := newBudget(l, newLocalGate(l))
		var wg sync.WaitGroup
		var mu sync.Mutex
		granted, refused := 0, 0
		begin := time.Now()
		for range 50 {
			wg.Go(func() {
				release, err := b.Acquire(t.Context(), People, begin.Add(5*time.Second))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					granted++
					release()
					return
				}
				refused++
				if !errors.Is(err, ErrUsedUp) || retryAfter(err) < time.Second {
					t.Errorf("Acquire: %v with RetryAfter %s, want %v and at least a second", err, retryAfter(err), ErrUsedUp)
				}
				if waited := time.Since(begin); waited > 5*time.Second {
					t.Errorf("refused after %s, want at most 5s", waited)
				}
			})
		}
		wg.Wait()
		if granted < 5 || granted > 6 || granted+refused != 50 {
			t.Errorf("%d granted and %d refused, want 5 or 6 of 50 granted in 5 s", granted, refused)
		}
	})
}

func TestBudgetOfACallerWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Limits{Interval: time.Minute, Burst: 1}
		b := newBudget(l, newLocalGate(l))
		release, err := b.Acquire(t.Context(), People, time.Now().Add(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		release()
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		for range 2 { // one asks the gate, one queues behind
			go func() {
				_, err := b.Acquire(ctx, People, time.Now().Add(time.Hour))
				result <- err
			}()
		}
		synctest.Wait()
		cancel()
		for range 2 {
			if err := <-result; !errors.Is(err, context.Canceled) {
				t.Errorf("Acquire: %v, want %v", err, context.Canceled)
			}
		}
		if _, err := b.Acquire(t.Context(), People, time.Now().Add(time.Second)); !errors.Is(err, ErrUsedUp) {
			t.Errorf("Acquire: %v, want the turn to be free and %v", err, ErrUsedUp)
		}
		pass(time.Minute)
		if _, err := b.Acquire(t.Context(), People, time.Now().Add(time.Second)); err != nil {
			t.Errorf("Acquire after the Interval: %v", err)
		}
	})
}

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
