package upstream

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/outbound"
)

// opened returns a chain of one provider with a call a second, whose breaker is
// open since a moment.
func opened(t *testing.T, p *scripted) *Chain {
	t.Helper()
	p.set(fails(ErrUnavailable, 0))
	c := scriptedChain([]Spec{{Name: "p", Rate: Rate{Calls: 1, Per: time.Second}, Burst: 1}}, p)
	for range outbound.BreakerFailures {
		if _, err := c.Geocode(t.Context(), searchRequest(t), People); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("Geocode: %v, want %v", err, ErrUnavailable)
		}
	}
	return c
}

// The log says why a breaker opened.
func TestBreakerLogsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{}
		p.set(fails(ErrThrottled, 0))
		var log bytes.Buffer
		m := newMember(Spec{Name: "p"}, p, nil, nil, func(Call) {}, zerolog.New(&log))
		for range outbound.BreakerFailures {
			pass(outbound.BreakerPause + time.Second) // throttling pauses the provider
			if _, err := m.geocode(t.Context(), searchRequest(t), People, turn{}); !errors.Is(err, ErrThrottled) {
				t.Fatalf("geocode: %v, want %v", err, ErrThrottled)
			}
		}
		if got := log.String(); !strings.Contains(got, `"breaker":"open","error":"ask `) {
			t.Errorf("log is %s, want the cause", got)
		}
	})
}

// A half-open breaker lets one call through. The others hear so at once, and
// take nothing from the budget.
func TestHalfOpenBreakerSpendsNoBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{}
		c := opened(t, p)
		pass(outbound.BreakerPause + time.Second)
		before := p.count()
		p.set(func(context.Context) (Answer, error) { // an answer that takes its time
			pass(3 * time.Second)
			return Answer{Status: 200, Outcome: Found}, nil
		})
		begin := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Geocode(t.Context(), searchRequest(t), People); err != nil {
				t.Errorf("the call that tries the provider: %v", err)
			}
		})
		synctest.Wait()
		for range 3 {
			wg.Go(func() {
				_, err := c.Geocode(t.Context(), searchRequest(t), People)
				if waited := time.Since(begin); !errors.Is(err, ErrUnavailable) || waited > 0 {
					t.Errorf("a call beside it: %v after %s, want %v at once", err, waited, ErrUnavailable)
				}
			})
		}
		pass(2 * time.Second)
		if left := c.States()[0].Budget.Left; left < 1 {
			t.Errorf("%.2f calls are left two seconds after the only call, want 1", left)
		}
		wg.Wait()
		if n := p.count() - before; n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}

// Calls that wait for budget while the breaker opens give up without taking any.
func TestBreakerThatOpensSpendsNoBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{}
		p.set(fails(ErrUnavailable, 0))
		c := scriptedChain([]Spec{{Name: "p", Rate: Rate{Calls: 1, Per: time.Second}, Burst: outbound.BreakerFailures}}, p)
		var wg sync.WaitGroup
		for range outbound.BreakerFailures + 3 {
			wg.Go(func() {
				if _, err := c.Geocode(t.Context(), searchRequest(t), People); !errors.Is(err, ErrUnavailable) {
					t.Errorf("Geocode: %v, want %v", err, ErrUnavailable)
				}
			})
		}
		wg.Wait()
		pass(4 * time.Second)
		if n, left := p.count(), c.States()[0].Budget.Left; n != outbound.BreakerFailures || left < 4 {
			t.Errorf("%d calls, and %.2f are left after 4 s, want %d and 4", n, left, outbound.BreakerFailures)
		}
	})
}

// A call that the budget refuses says nothing about the provider: the breaker
// stays ready for the next one that tries it.
func TestBreakerIgnoresWhatTheBudgetRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{}
		c := opened(t, p)
		c.wait = 10 * time.Millisecond
		pass(outbound.BreakerPause + time.Millisecond)
		release, err := p.budget.Acquire(t.Context(), People, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		release()
		p.set(says(Found))
		for range outbound.BreakerFailures {
			if _, err := c.Geocode(t.Context(), searchRequest(t), People); !errors.Is(err, ErrBudget) {
				t.Errorf("Geocode: %v, want %v", err, ErrBudget)
			}
		}
		pass(time.Second)
		if _, err := c.Geocode(t.Context(), searchRequest(t), People); err != nil {
			t.Errorf("with budget: %v", err)
		}
	})
}
