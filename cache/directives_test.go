package cache

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"geogate/internal/redistest"
)

func TestDirectivesAccept(t *testing.T) {
	span := func(d time.Duration) *time.Duration { return &d }
	const fresh = time.Minute
	for _, tt := range []struct {
		name string
		d    Directives
		age  time.Duration
		want bool
	}{
		{"none, fresh", Directives{}, 0, true},
		{"none, stale", Directives{}, 2 * time.Minute, true},
		{"no-cache", Directives{NoCache: true}, 0, false},
		{"max-age met", Directives{MaxAge: span(10 * time.Second)}, 10 * time.Second, true},
		{"max-age exceeded", Directives{MaxAge: span(10 * time.Second)}, 11 * time.Second, false},
		{"max-age beyond freshness takes no stale", Directives{MaxAge: span(time.Hour)}, 2 * time.Minute, false},
		{"max-age 0, just stored", Directives{MaxAge: span(0)}, 0, true},
		{"max-stale, fresh", Directives{MaxStale: span(0)}, 59 * time.Second, true},
		{"max-stale met", Directives{MaxStale: span(30 * time.Second)}, 90 * time.Second, true},
		{"max-stale exceeded", Directives{MaxStale: span(30 * time.Second)}, 91 * time.Second, false},
		{"max-stale without a limit", Directives{MaxStale: span(math.MaxInt64)}, 24 * time.Hour, true},
		{"max-age and max-stale, within both", Directives{MaxAge: span(10 * time.Second), MaxStale: span(5 * time.Second)}, 15 * time.Second, true},
		{"max-age and max-stale, beyond", Directives{MaxAge: span(10 * time.Second), MaxStale: span(5 * time.Second)}, 16 * time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.d.accept(tt.age, fresh); got != tt.want {
				t.Errorf("accept(%v, %v) = %v, want %v", tt.age, fresh, got, tt.want)
			}
		})
	}
}

func TestDirectives(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	var calls atomic.Int64
	fill := counted(&calls)
	c := patient(rdb, Config{Memory: 1 << 20})
	cold := patient(rdb, Config{})

	if _, err := c.Get(context.Background(), "k", Directives{OnlyIfCached: true}, nil); !errors.Is(err, ErrNotCached) {
		t.Fatalf("only-if-cached: %v, want ErrNotCached", err)
	}
	want(t, get(t, c, "k", Directives{NoStore: true}, fill), Bypass, "", "call 1")
	want(t, get(t, c, "k", Directives{}, fill), Miss, "", "call 2")
	want(t, get(t, c, "k", Directives{NoStore: true}, fill), Bypass, "", "call 3")
	want(t, get(t, c, "k", Directives{OnlyIfCached: true}, nil), Hit, LayerMemory, "call 2")
	want(t, get(t, cold, "k", Directives{OnlyIfCached: true}, nil), Hit, LayerRedis, "call 2")
	want(t, get(t, c, "k", Directives{NoCache: true}, fill), Miss, "", "call 4")
	want(t, get(t, c, "k", Directives{}, fill), Hit, LayerMemory, "call 4")
	want(t, get(t, cold, "k", Directives{}, fill), Hit, LayerRedis, "call 4")

	for name, d := range map[string]Directives{
		"with no-cache": {OnlyIfCached: true, NoCache: true},
		"with no-store": {OnlyIfCached: true, NoStore: true},
		"with max-age":  {OnlyIfCached: true, MaxAge: new(time.Duration)},
	} {
		if _, err := c.Get(context.Background(), "k", d, nil); !errors.Is(err, ErrNotCached) {
			t.Errorf("only-if-cached %s: %v, want ErrNotCached", name, err)
		}
	}

	// An error leaves the stored answer usable, even for requests that wanted a newer one.
	down := errors.New("upstream down")
	r := get(t, c, "k", Directives{NoCache: true}, func(context.Context, *Priority) (Entry, error) { return Entry{}, down })
	want(t, r, Stale, LayerMemory, "call 4")
	if !errors.Is(r.Cause, down) {
		t.Errorf("Cause = %v, want %v", r.Cause, down)
	}
	want(t, get(t, c, "k", Directives{}, neverFill(t)), Hit, LayerMemory, "call 4")
}
