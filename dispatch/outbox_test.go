package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/dispatch"
	"geogate/internal/asynctest"
)

func TestEventsAreHandedOnInOrderAndAgainAfterAnError(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		var mu sync.Mutex
		var got []dispatch.Event
		calls := 0
		emit := func(_ context.Context, events []dispatch.Event) error {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls%3 == 1 {
				return errors.New("try again")
			}
			for _, ev := range events { // at least once: a machine that stands still may see some again
				if !slices.ContainsFunc(got, func(seen dispatch.Event) bool { return seen.ID == ev.ID }) {
					got = append(got, ev)
				}
			}
			return nil
		}
		e := dispatch.New(rdb, dispatch.Config{Emit: emit})
		second := dispatch.New(rdb, dispatch.Config{Emit: emit})
		stop := run(t, e, second)
		track(t, e, at("1", north(100)))
		ride := request(t, e, santiago)
		if _, err := e.Complete(t.Context(), ride.ID, ""); err != nil {
			t.Fatal(err)
		}
		want := []string{"driver.available", "ride.searching", "ride.matched", "ride.completed"}
		asynctest.Eventually(t, "events handed on", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(got) >= len(want)
		})
		stop()
		for i, ev := range got {
			if i >= len(want) || ev.Type != want[i] {
				t.Fatalf("event %d is %+v, want %v in order", i, ev, want)
			}
		}
		matched := got[2]
		if matched.RideID != ride.ID || matched.Version != 2 || matched.DriverID != "1" || matched.DistanceM < 98 || matched.SeenAt.IsZero() {
			t.Errorf("event = %+v", matched)
		}
		if matched.Ride == nil || matched.Ride.State != dispatch.Matched || matched.Ride.Version != 2 || got[0].Driver == nil || got[0].Driver.ID != "1" {
			t.Errorf("the events came with %+v and %+v, want what they tell of", matched.Ride, got[0].Driver)
		}

		// A process that starts later goes on where the others stopped.
		track(t, e, at("2", north(100)))
		run(t, dispatch.New(rdb, dispatch.Config{Emit: emit}))
		asynctest.Eventually(t, "next event handed on", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(got) == len(want)+1 && got[len(want)].DriverID == "2"
		})
	})
}

// What is left of a driver in the region that they moved from must not hold up its events.
func TestEventsOfADriverWhoMovedAreHandedOn(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		h := hook{}
		e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions, Emit: h.emit})
		track(t, e, in("north", at("1", santiago)))
		track(t, e, in("south", at("1", santiago)))
		stop := run(t, e)
		asynctest.Eventually(t, "events are handed on", func() bool { return h.count() == 3 })
		stop()
		for _, ev := range h.taken {
			if there := ev.Driver != nil; there != (ev.Region == "south") {
				t.Errorf("%s of the %s came with driver %+v, want them where they are", ev.Type, ev.Region, ev.Driver)
			}
		}
	})
}

// hook takes events unless it is away.
type hook struct {
	mu    sync.Mutex
	away  bool
	taken []dispatch.Event
}

func (h *hook) emit(_ context.Context, events []dispatch.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away {
		return errors.New("away")
	}
	h.taken = append(h.taken, events...)
	return nil
}

func (h *hook) back() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = false
}

func (h *hook) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.taken)
}

// Events that were not handed on yet stay, however many; those that were leave.
func TestEventsWaitForWhoeverTakesThem(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		const drivers = 600
		h := hook{away: true}
		e := dispatch.New(rdb, dispatch.Config{StreamLen: 50, RedisTimeout: time.Minute, Emit: h.emit})
		run(t, e)
		positions := make([]dispatch.Position, drivers)
		for i := range positions {
			positions[i] = at(fmt.Sprint(i), north(float64(i)))
		}
		track(t, e, positions...)
		if s := stats(t, e); s.Unsent != drivers {
			t.Errorf("%d events wait, want %d", s.Unsent, drivers)
		}
		h.back()
		asynctest.Eventually(t, "all events are taken and gone", func() bool {
			return h.count() == drivers && stats(t, e).Unsent == 0
		})
	})
}

func stats(t *testing.T, e *dispatch.Engine) dispatch.Stats {
	t.Helper()
	all, err := e.Stats(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("Stats = %+v, %v, want those of one region", all, err)
	}
	return all[0]
}

// At the cap no event is dropped: nothing new begins, and what is under way goes on to its end.
func TestNothingBeginsWhileTooManyEventsWait(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		h := hook{away: true}
		var log lines
		e := dispatch.New(rdb, dispatch.Config{MaxUnsent: 6, Emit: h.emit, Log: zerolog.New(&log)})
		stop := run(t, e)
		track(t, e, at("1", santiago), at("2", north(50_000)))
		ask := dispatch.RideRequest{Pickup: santiago, IdempotencyKey: "k", Fingerprint: "f"}
		matched, err := e.Request(ctx, ask)
		if err != nil || matched.State != dispatch.Matched {
			t.Fatalf("Request below the cap = %+v, %v", matched, err)
		}
		waiting := request(t, e, santiago)
		cancelled := request(t, e, santiago)
		// Six events wait.
		if _, err := e.Request(ctx, dispatch.RideRequest{Pickup: santiago}); !errors.Is(err, dispatch.ErrBacklog) {
			t.Errorf("Request at the cap: %v, want backlog", err)
		}
		if again, err := e.Request(ctx, ask); err != nil || again.ID != matched.ID {
			t.Errorf("repeated request at the cap = %+v, %v, want its ride", again, err)
		}
		result, err := e.Track(ctx, []dispatch.Position{at("2", north(40_000)), at("3", north(40_000))})
		if err != nil || result.Accepted != 1 || len(result.Rejected) != 1 || result.Rejected[0].Code != dispatch.CodeBacklog {
			t.Errorf("Track at the cap = %+v, %v, want the move and not the arrival", result, err)
		}
		if _, err := e.Cancel(ctx, cancelled.ID, ""); err != nil {
			t.Errorf("Cancel at the cap: %v", err)
		}
		if _, err := e.Complete(ctx, matched.ID, ""); err != nil {
			t.Errorf("Complete at the cap: %v", err)
		}
		// The driver who is free again goes on to the ride that waits.
		if ride, err := e.Ride(ctx, waiting.ID); err != nil || ride.State != dispatch.Matched {
			t.Errorf("ride that waits at the cap = %+v, %v, want it matched", ride, err)
		}
		asynctest.Eventually(t, "the log says so", func() bool {
			return strings.Count(log.String(), "too many events wait") == 1
		})
		h.back()
		asynctest.Eventually(t, "events are handed on", func() bool { return stats(t, e).Unsent == 0 })
		stop()
		if h.count() != 9 {
			t.Errorf("%d events were handed on, want all 9: %+v", h.count(), h.taken)
		}
		track(t, e, at("3", north(40_000)))
		request(t, e, santiago)
	})
}

// lines is where a log can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
