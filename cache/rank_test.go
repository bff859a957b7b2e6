package cache

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
)

// ranked is a fill that answers with a body of that rank.
func ranked(body string, rank uint8) Fill {
	return func(context.Context, *Priority) (Entry, error) {
		e := answer(body)
		e.Rank = rank
		return e, nil
	}
}

// Whoever stores it, in whatever process: an answer takes the place of one of
// its own rank or of a higher one, never of a better one that is alive.
func TestRankAcrossProcesses(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(testing.TB) redis.UniversalClient) {
		for _, tt := range []struct {
			name       string
			memory     int64
			had, comes uint8
			purge      bool
			dead       bool
			want       string
		}{
			{"a better one", 1 << 20, 0, 1, false, false, "had"},
			{"a better one, without memory", 0, 0, 1, false, false, "had"},
			{"a better fallback", 1 << 20, 1, 2, false, false, "had"},
			{"one of the same rank", 0, 1, 1, false, false, "comes"},
			{"a worse one", 0, 2, 1, false, false, "comes"},
			{"one that was purged", 1 << 20, 0, 1, true, false, "comes"},
			{"one that is dead", 1 << 20, 0, 1, false, true, "comes"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				var clk clock
				caches := fleet(t, 2, client, Config{
					Memory: tt.memory, Now: clk.now, Namespace: tt.name,
				})
				get(t, caches[0], "k", Directives{}, ranked("had", tt.had))
				if tt.purge {
					if err := caches[1].PurgeProvider(t.Context(), "own"); err != nil {
						t.Fatal(err)
					}
					asynctest.Eventually(t, "the purge arrives", func() bool {
						_, err := caches[0].Get(t.Context(), "k", Directives{OnlyIfCached: true}, nil)
						return errors.Is(err, ErrNotCached)
					})
				}
				if tt.dead {
					clk.advance(30 * time.Hour)
				}
				r := get(t, caches[1], "k", Directives{NoCache: true}, ranked("comes", tt.comes))
				if string(r.Body) != "comes" || r.Stored != (tt.want == "comes") {
					t.Errorf("got %q, stored %v", r.Body, r.Stored)
				}
				for i, c := range caches {
					want := tt.want
					if i == 0 && tt.memory > 0 && !tt.purge && !tt.dead {
						want = "had" // and nobody told it otherwise
					}
					if r := get(t, c, "k", Directives{}, neverFill(t)); string(r.Body) != want {
						t.Errorf("process %d serves %q, want %q", i, r.Body, want)
					}
				}
			})
		}
	})
}

// Two processes miss at once. The one that fills with a lesser answer stores it
// after the other has stored a better one.
func TestRankIsCheckedWhenStoring(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(testing.TB) redis.UniversalClient) {
		caches := fleet(t, 2, client, Config{})
		r := get(t, caches[0], "k", Directives{NoCache: true}, func(ctx context.Context, p *Priority) (Entry, error) {
			get(t, caches[1], "k", Directives{}, ranked("better", 0))
			return ranked("lesser", 1)(ctx, p)
		})
		if string(r.Body) != "lesser" || r.Stored {
			t.Errorf("got %q, stored %v, want lesser, not stored", r.Body, r.Stored)
		}
		for _, c := range caches {
			want(t, get(t, c, "k", Directives{}, neverFill(t)), Hit, LayerRedis, "better")
		}
	})
}

// Without Redis, memory keeps the better one.
func TestRankInMemory(t *testing.T) {
	c := New(noRedis(t), Config{Memory: 1 << 20})
	get(t, c, "k", Directives{}, ranked("better", 0))
	get(t, c, "k", Directives{NoCache: true}, ranked("lesser", 1))
	want(t, get(t, c, "k", Directives{}, neverFill(t)), Hit, LayerMemory, "better")
}

// A caller who may be told more than the one who began the flight does not
// share what that left nothing of.
func TestLesserFlightsAreNotShared(t *testing.T) {
	c := New(noRedis(t), Config{Memory: 1 << 20})
	began, end := make(chan struct{}), make(chan struct{})
	lesser := make(chan error, 1)
	go func() {
		_, err := c.Get(context.Background(), "k", Directives{Lesser: true}, func(context.Context, *Priority) (Entry, error) {
			close(began)
			<-end
			return Entry{}, errors.New("not allowed")
		})
		lesser <- err
	}()
	<-began
	whole := make(chan error, 1)
	waits := make(chan struct{})
	go func() {
		r, err := c.Get(arriving(context.Background(), func() { close(waits) }), "k", Directives{}, ranked("whole", 0))
		if err == nil && string(r.Body) != "whole" {
			err = fmt.Errorf("got %q, want whole", r.Body)
		}
		whole <- err
	}()
	<-waits
	close(end)
	if err := <-whole; err != nil {
		t.Error(err)
	}
	if err := <-lesser; err == nil {
		t.Error("the lesser caller got an answer")
	}
}
