package cache

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"geogate/internal/redistest"
)

// The lifetimes against a model that is one answer and its age: two caches on
// one Redis, one with memory and one without, a clock that jumps, an upstream
// that comes and goes, requests with every directive, purges. Without workers
// a refresh never happens, so each answer follows from what was done before.
func TestLifetimesModel(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		var clk clock
		cfg := Config{Now: clk.now, Namespace: fmt.Sprint("run", run), NoRefreshAhead: true}
		plain := patient(rdb, cfg)
		cfg.Memory = 1 << 20
		quick := patient(rdb, cfg)

		// Of the model's clock. In Redis an answer lives by the real one: that must not
		// end it first.
		const minute = time.Minute
		fresh := minute * time.Duration(rapid.IntRange(1, 20).Draw(t, "fresh"))
		stale := minute * time.Duration(rapid.IntRange(0, 20).Draw(t, "stale"))
		errDown := errors.New("upstream down")

		version, up := 0, true
		var stored int // version in the cache, 0: none
		var storedAt time.Time
		fill := func(context.Context, *Priority) (Entry, error) {
			if !up {
				return Entry{}, errDown
			}
			version++
			return Entry{Status: 200, Body: fmt.Append(nil, version), Fresh: fresh, Stale: stale}, nil
		}
		// Only one of the two has the events of the other, so each look that
		// follows a change goes through the one that made it, or Redis.
		user := quick
		request := func(d Directives) {
			age := clk.now().Sub(storedAt)
			alive := stored != 0 && age < fresh+stale
			accepted := alive && d.accept(age, fresh)
			before := version
			r, _, found := user.Reach("k", d, context.Background, nil)
			var err error
			if !found {
				r, err = user.Get(context.Background(), "k", d, fill)
			}
			got := fmt.Sprint(err)
			if err == nil {
				got = fmt.Sprintf("%s %s", r.Class, r.Body)
			}
			var want string
			switch {
			case d.NoStore && d.OnlyIfCached, !accepted && d.OnlyIfCached:
				want = ErrNotCached.Error()
			case d.NoStore && up:
				want = fmt.Sprintf("BYPASS %d", before+1)
			case d.NoStore:
				want = errDown.Error()
			case accepted && age < fresh:
				want = fmt.Sprintf("HIT %d", stored)
			case accepted:
				want = fmt.Sprintf("STALE %d", stored)
			case up:
				want = fmt.Sprintf("MISS %d", before+1)
				stored, storedAt = before+1, clk.now()
			case alive:
				want = fmt.Sprintf("STALE %d", stored)
			default:
				want = errDown.Error()
			}
			if got != want {
				t.Fatalf("Get(%+v) at age %v of %v+%v, upstream up %v: got %q, want %q", d, age, fresh, stale, up, got, want)
			}
		}
		minutes := func(label string) *time.Duration {
			n := rapid.IntRange(-1, 30).Draw(t, label)
			if n < 0 {
				return nil
			}
			// Half a minute off the whole ones, on which the clock jumps: each look at
			// the clock takes a little time, too.
			d := time.Duration(n)*minute + minute/2
			return &d
		}
		t.Repeat(map[string]func(*rapid.T){
			"request": func(*rapid.T) { request(Directives{}) },
			"request with directives": func(t *rapid.T) {
				request(Directives{
					NoCache: rapid.Bool().Draw(t, "no-cache"), NoStore: rapid.Bool().Draw(t, "no-store"),
					OnlyIfCached: rapid.Bool().Draw(t, "only-if-cached"),
					MaxAge:       minutes("max-age"), MaxStale: minutes("max-stale"),
				})
			},
			"time goes on": func(t *rapid.T) {
				clk.advance(minute * time.Duration(rapid.IntRange(1, 15).Draw(t, "minutes")))
			},
			"upstream comes or goes": func(*rapid.T) { up = !up },
			"purge": func(t *rapid.T) {
				if _, err := user.Purge(context.Background(), "k"); err != nil {
					t.Fatal(err)
				}
				stored = 0
			},
			"another process": func(*rapid.T) {
				// Memory is coherent by events, which nobody hears here.
				quick.memory.drop("k")
				if err := plain.sync(context.Background(), &allowance{20 * time.Second}); err != nil {
					t.Fatal(err)
				}
				if user == quick {
					user = plain
				} else {
					user = quick
				}
			},
			"": func(*rapid.T) {},
		})
	})
}
