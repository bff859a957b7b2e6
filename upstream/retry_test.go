package upstream

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"geogate/internal/outbound"
)

func failsForNow(context.Context) (Answer, error) {
	return Answer{}, &Error{Kind: ErrUnavailable, Transient: true}
}

func TestRetry(t *testing.T) {
	tests := []struct {
		name  string
		do    func(context.Context) (Answer, error)
		lane  Lane
		calls int
	}{
		{"gone a moment later", failsForNow, People, 2},
		{"nobody waits", failsForNow, Refresh, 1},
		{"server error", fails(ErrUnavailable, 0), People, 1},
		{"timeout", fails(ErrTimeout, 0), People, 1},
		{"throttled", fails(ErrThrottled, 0), People, 1},
		{"nonsense", fails(ErrInvalidAnswer, 0), People, 1},
		{"answer", says(Empty), People, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &scripted{do: tt.do}
				c := scriptedChain([]Spec{{Name: "p"}}, p)
				begin := time.Now()
				_, _ = c.Geocode(t.Context(), searchRequest(t), tt.lane)
				if n := p.count(); n != tt.calls {
					t.Errorf("%d calls, want %d", n, tt.calls)
				}
				if took := time.Since(begin); took > 200*time.Millisecond {
					t.Errorf("took %s, want at most the pause", took)
				}
			})
		})
	}
}

func TestRetrySucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{}
		p.do = func(context.Context) (Answer, error) {
			p.set(says(Found))
			return failsForNow(t.Context())
		}
		c := scriptedChain([]Spec{{Name: "p"}}, p)
		if a, err := c.Geocode(t.Context(), searchRequest(t), People); err != nil || a.Outcome != Found {
			t.Errorf("Geocode = %+v, %v, want the second attempt's answer", a, err)
		}
	})
}

// The second attempt has to pay for itself. Without budget the error is the
// first one, which lets the next provider be asked.
func TestRetryTakesBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, next := &scripted{do: failsForNow}, &scripted{do: says(Found)}
		c := scriptedChain([]Spec{{Name: "p", Rate: Rate{Calls: 1, Per: time.Minute}, Burst: 1}, {Name: "next"}}, p, next)
		a, err := c.Geocode(t.Context(), searchRequest(t), People)
		if err != nil || a.Provider == "p" || !a.Fallback() || p.count() != 1 {
			t.Errorf("Geocode = %+v, %v after %d calls, want the fallback's answer after 1", a, err, p.count())
		}
	})
}

func TestRetryOfACallerWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{do: failsForNow}
		c := scriptedChain([]Spec{{Name: "p"}}, p)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := c.Geocode(ctx, searchRequest(t), People); !errors.Is(err, ErrTimeout) || !outbound.IsCallerGone(err) {
			t.Errorf("Geocode: %v, want the caller's time to be over", err)
		}
	})
}
