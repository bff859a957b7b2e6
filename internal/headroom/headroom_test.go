package headroom

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"geogate/internal/asynctest"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

// gauge is a memory whose use a test sets.
type gauge struct {
	mu    sync.Mutex
	usage Usage
	err   error
	asked int
}

func (g *gauge) measure(context.Context) (Usage, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	return g.usage, g.err
}

func (g *gauge) set(used, limit int64, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.usage, g.err = Usage{used, limit}, err
}

// watched runs f beside a watch of g, in a bubble.
func watched(t *testing.T, g *gauge, f func(w *Watch)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := New(g.measure, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		synctest.Wait()
		f(w)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestWritesStopAtThreeQuarters(t *testing.T) {
	down := errors.New("down")
	steps := []struct {
		name        string
		used, limit int64
		err         error
		allowed     bool
	}{
		{"empty", 10, 1000, nil, true},
		{"nearly", 749, 1000, nil, true},
		{"three quarters", 750, 1000, nil, false},
		{"a little less", 710, 1000, nil, false},
		{"not measured", 0, 0, down, false},
		{"room again", 699, 1000, nil, true},
		{"a little more", 740, 1000, nil, true},
		{"not measured while there is room", 0, 0, down, true},
		{"above its limit", 1100, 1000, nil, false},
		{"without a limit", 5000, 0, nil, true},
	}
	var g gauge
	watched(t, &g, func(w *Watch) {
		for _, s := range steps {
			g.set(s.used, s.limit, s.err)
			<-time.After(DefaultInterval)
			synctest.Wait()
			if got := w.Allows(1); got != s.allowed || w.State().Paused == got {
				t.Errorf("%s: Allows(1) = %t with %+v, want %t", s.name, got, w.State(), s.allowed)
			}
		}
	})
}

func TestNothingIsRefusedBeforeTheFirstMeasurement(t *testing.T) {
	w := New(new(gauge).measure, Config{})
	if !w.Allows(1<<30) || w.State().Known {
		t.Errorf("Allows = false with %+v", w.State())
	}
}

// However much comes between two measurements, it stops short of the mark, and
// the next measurement comes soon.
func TestWritesBetweenMeasurementsAreCounted(t *testing.T) {
	var g gauge
	g.set(500, 1000, nil)
	watched(t, &g, func(w *Watch) {
		var writers sync.WaitGroup
		for range 10 {
			writers.Go(func() {
				for range 100 {
					if w.Allows(10) {
						g.mu.Lock()
						g.usage.Used += 10
						g.mu.Unlock()
					}
				}
			})
		}
		writers.Wait()
		// A measurement may miss what is being written, of each writer one piece.
		if g.usage.Used < 700 || g.usage.Used > 850 {
			t.Errorf("%d of 1000 in use, want 700 to 850", g.usage.Used)
		}
		synctest.Wait()
		if g.asked < 2 {
			t.Error("no measurement ahead of its time")
		}
	})
}
