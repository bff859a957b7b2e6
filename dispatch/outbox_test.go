package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

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
			got = append(got, events...)
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

// Events that were not handed on yet outlive the bound of the stream; those that
// were go by it.
func TestEventsWaitForWhoeverTakesThem(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		const drivers, keep = 600, 50
		var mu sync.Mutex
		var taken int
		away := true
		e := dispatch.New(rdb, dispatch.Config{StreamLen: keep, RedisTimeout: time.Minute, Emit: func(_ context.Context, events []dispatch.Event) error {
			mu.Lock()
			defer mu.Unlock()
			if away {
				return errors.New("away")
			}
			taken += len(events)
			return nil
		}})
		stop := run(t, e)
		defer stop()
		positions := make([]dispatch.Position, drivers)
		for i := range positions {
			positions[i] = at(fmt.Sprint(i), north(float64(i)))
		}
		track(t, e, positions...)
		mu.Lock()
		away = false
		mu.Unlock()
		asynctest.Eventually(t, "all events taken", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return taken >= drivers
		})
		asynctest.Eventually(t, "what was taken is trimmed", func() bool {
			return rdb.XLen(t.Context(), "geogate:{default}:events").Val() <= keep
		})
	})
}
