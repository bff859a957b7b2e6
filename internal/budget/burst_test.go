package budget

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"geogate/internal/redistest"
)

// grants has so many callers ask at once, and returns how many were let through
// within the wait.
func grants(t *testing.T, budgets []*Budget, callers int, wait time.Duration) int {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	granted := 0
	deadline := time.Now().Add(wait)
	for i := range callers {
		wg.Go(func() {
			release, err := budgets[i%len(budgets)].Acquire(t.Context(), People, deadline)
			if err != nil {
				return
			}
			release()
			mu.Lock()
			granted++
			mu.Unlock()
		})
	}
	wg.Wait()
	return granted
}

// A budget that has rested lets its whole burst through at once, to callers who
// come at the same time, whatever the rate and however short their patience.
func TestBurstGoesToSimultaneousCallers(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, time.Minute, time.Hour} {
		l := Limits{Interval: interval, Burst: 20, Lease: time.Hour}
		t.Run("local/"+interval.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				b := New(l)
				b.turn[People] <- struct{}{} // none is through before the last has come
				go func() {
					synctest.Wait()
					<-b.turn[People]
				}()
				if n := grants(t, []*Budget{b}, 20, 500*time.Millisecond); n != 20 || time.Since(begin) > 0 {
					t.Errorf("%d of 20 callers granted after %s, want 20 at once", n, time.Since(begin))
				}
			})
		})
	}
	rdb := redistest.Start(t).Client(t)
	for _, processes := range []int{1, 4} {
		for _, interval := range []time.Duration{time.Minute, time.Hour} {
			t.Run(fmt.Sprintf("fleet of %d/%s", processes, interval), func(t *testing.T) {
				l := Limits{Interval: interval, Burst: 20, Lease: time.Hour}
				budgets := make([]*Budget, processes)
				for i := range budgets {
					budgets[i] = NewFleet(rdb, t.Name(), l, 10*time.Second, true)
				}
				// Three more than the burst: they have to be refused.
				if n := grants(t, budgets, 23, 30*time.Second); n != 20 {
					t.Errorf("%d of 23 callers granted, want the 20 of the burst", n)
				}
			})
		}
	}
}

// Whatever the callers do, no window of time sees more calls than the burst and
// what the rate adds in it.
func TestBurstKeepsToTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Limits{Interval: time.Second, Burst: 20}
		b := New(l)
		var mu sync.Mutex
		var calls []time.Time
		var wg sync.WaitGroup
		for wave := range 12 {
			wg.Go(func() {
				pass(time.Duration(wave*wave) * time.Second)
				for range 40 {
					wg.Go(func() {
						release, err := b.Acquire(t.Context(), People, time.Now().Add(5*time.Second))
						if err != nil {
							return
						}
						release()
						mu.Lock()
						calls = append(calls, time.Now())
						mu.Unlock()
					})
				}
			})
		}
		wg.Wait()
		for i := range calls {
			for j := i; j < len(calls); j++ {
				if most := l.Burst + int(calls[j].Sub(calls[i])/l.Interval); j-i+1 > most {
					t.Fatalf("%d calls within %s, want %d at most", j-i+1, calls[j].Sub(calls[i]), most)
				}
			}
		}
		if len(calls) < 120 {
			t.Errorf("%d calls in all, the budget was not used", len(calls))
		}
	})
}
