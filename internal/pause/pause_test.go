package pause

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := For(t.Context(), time.Minute); err != nil || time.Since(start) != time.Minute {
			t.Errorf("For(1m) = %v after %v, want nil after 1m", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if err := For(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("For(1m) with a deadline of 1s = %v after %v, want DeadlineExceeded after 1s", err, time.Since(start))
		}
	})
}

func TestGrowing(t *testing.T) {
	const first, most = 100 * time.Millisecond, 5 * time.Second
	g := NewGrowing(first, most)
	seen := map[time.Duration]bool{}
	for round := range 2 {
		middle := first
		for i := range 20 {
			d := g.Next()
			seen[d] = true
			if d < middle/2 || d > middle+middle/2 {
				t.Errorf("round %d, pause %d = %v, want between %v and %v", round, i, d, middle/2, middle+middle/2)
			}
			middle = min(2*middle, most)
		}
		g.Reset()
	}
	if len(seen) < 10 {
		t.Errorf("%d different pauses of 40: there is no jitter", len(seen))
	}
}

func TestJitter(t *testing.T) {
	const d = time.Second
	for _, row := range []struct {
		name        string
		got         func() time.Duration
		least, most time.Duration
	}{
		{"Around(1s, 0.2)", func() time.Duration { return Around(d, 0.2) }, 800 * time.Millisecond, 1200 * time.Millisecond},
		{"Beyond(1s, 0.2)", func() time.Duration { return Beyond(d, 0.2) }, d, 1200 * time.Millisecond},
		{"Around(0, 0.5)", func() time.Duration { return Around(0, 0.5) }, 0, 0},
	} {
		seen := map[time.Duration]bool{}
		for range 100 {
			got := row.got()
			seen[got] = true
			if got < row.least || got > row.most {
				t.Errorf("%s = %v, want %v to %v", row.name, got, row.least, row.most)
			}
		}
		if row.least != row.most && len(seen) < 50 {
			t.Errorf("%s: %d different pauses of 100", row.name, len(seen))
		}
	}
}
