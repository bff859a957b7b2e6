package dispatch_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
)

func TestWait(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		run(t, e)
		ride := request(t, e, santiago)

		for _, long := range []time.Duration{0, 500 * time.Millisecond} { // one is over before the first look
			short, cancel := context.WithTimeout(t.Context(), long)
			if got, err := e.Wait(short, ride.ID, ride.Revision); err != nil || got.Version != ride.Version {
				t.Errorf("Wait for %s in vain = %+v, %v, want the ride as it is", long, got, err)
			}
			cancel()
		}
		if got, err := e.Wait(t.Context(), ride.ID, ""); err != nil || got.Version != 1 {
			t.Errorf("Wait for a version that is there = %+v, %v", got, err)
		}

		waited := make(chan dispatch.Ride, 1)
		go func() {
			got, err := e.Wait(t.Context(), ride.ID, ride.Revision)
			if err != nil {
				t.Error(err)
			}
			waited <- got
		}()
		if _, err := e.Cancel(t.Context(), ride.ID, ""); err != nil {
			t.Fatal(err)
		}
		if got := <-waited; got.State != dispatch.Cancelled {
			t.Errorf("Wait = %+v, want it cancelled", got)
		}
		if got, err := e.Wait(t.Context(), ride.ID, "99"); err != nil || got.State != dispatch.Cancelled {
			t.Errorf("Wait for more than an end = %+v, %v, want it at once", got, err)
		}
	})
}

func TestChangesMissNoVersion(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{})
		ride := request(t, e, santiago)
		if got, _, err := e.Changes(ctx, ride.ID, ""); err != nil || len(got) != 1 || got[0].State != dispatch.Searching {
			t.Fatalf("Changes from the beginning = %+v, %v, want the present state", got, err)
		}
		track(t, e, at("1", santiago))
		if _, err := e.Complete(ctx, ride.ID, ""); err != nil {
			t.Fatal(err)
		}
		got, _, err := e.Changes(ctx, ride.ID, ride.Revision)
		if err != nil || len(got) != 2 || got[0].State != dispatch.Matched || got[1].State != dispatch.Completed ||
			got[0].Version != 2 || got[1].Version != 3 || got[0].Driver == nil || got[1].Driver == nil {
			t.Fatalf("Changes after version 1 = %+v, %v, want matched and completed", got, err)
		}
		if got, _, err := e.Changes(ctx, ride.ID, ""); err != nil || len(got) != 1 || got[0].State != dispatch.Completed {
			t.Errorf("Changes from the beginning = %+v, %v, want the present state", got, err)
		}
		if got, ended, err := e.Changes(ctx, ride.ID, got[1].Revision); err != nil || len(got) != 0 || !ended {
			t.Errorf("Changes after the end = %+v, %v, want none, at once", got, err)
		}
	})
}

func TestChangesArriveByWakeUp(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		// Two processes: one is asked, the other one listens.
		rider, other := dispatch.New(rdb, dispatch.Config{}), dispatch.New(rdb, dispatch.Config{})
		run(t, rider, other)
		asynctest.Eventually(t, "wake-ups arrive", rider.Subscribed)
		wantWakeUp(t, func(n int) {
			id := fmt.Sprint(n)
			ride := request(t, other, santiago)
			changed := make(chan []dispatch.Ride, 1)
			go func() {
				got, _, err := rider.Changes(t.Context(), ride.ID, ride.Revision)
				if err != nil {
					t.Error(err)
				}
				changed <- got
			}()
			track(t, other, at(id, santiago))
			if got := <-changed; len(got) != 1 || got[0].State != dispatch.Matched {
				t.Errorf("Changes = %+v, want the match", got)
			}
		})
	})
}

// wantWakeUp checks that waiting ends sooner than by a look without a wake-up. The best of
// several tries counts: a machine may stand still.
func wantWakeUp(t *testing.T, wait func(n int)) {
	t.Helper()
	for n := range 5 {
		began := time.Now()
		if wait(n); time.Since(began) < dispatch.LookEvery/2 {
			return
		}
	}
	t.Errorf("what was waited for was noticed after %s at least, not by its wake-up", dispatch.LookEvery/2)
}
