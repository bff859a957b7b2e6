package dispatch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/geo"
)

// scheduleFor asks for a ride at a time to come.
func scheduleFor(t testing.TB, e *dispatch.Engine, after time.Duration) dispatch.Ride {
	t.Helper()
	ride, err := e.Request(t.Context(), dispatch.RideRequest{
		Pickup: santiago, Details: dispatch.Details{PickupAt: time.Now().Add(after).UTC().Truncate(time.Millisecond)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return ride
}

func TestScheduledRide(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{Lead: 15 * time.Minute, Timeout: 4 * time.Minute})
		track(t, e, at("1", santiago))
		ride, dropped, soon := scheduleFor(t, e, time.Hour), scheduleFor(t, e, time.Hour), scheduleFor(t, e, 10*time.Minute)
		if ride.State != dispatch.Scheduled || ride.Version != 1 || ride.Driver != nil {
			t.Fatalf("ride = %+v, want it scheduled", ride)
		}
		if from := ride.ExpiresAt.Sub(ride.PickupAt); from != -11*time.Minute {
			t.Errorf("expires %s after its time, want 15m of lead before it and 4m of searching", from)
		}
		if soon.State != dispatch.Matched {
			t.Errorf("a ride within the lead = %+v, want it matched at once", soon)
		}
		if _, err := e.Complete(ctx, ride.ID, ""); stateOf(err) != "scheduled" {
			t.Errorf("Complete: %v, want too late, scheduled", err)
		}
		if got, err := e.Cancel(ctx, dropped.ID, "later"); err != nil || got.State != dispatch.Cancelled {
			t.Errorf("Cancel = %+v, %v", got, err)
		}
		if _, err := e.Complete(ctx, soon.ID, ""); err != nil {
			t.Fatal(err)
		}
		if got, err := e.Ride(ctx, ride.ID); err != nil || got.Revision != ride.Revision {
			t.Errorf("ride = %+v, %v, want it scheduled while a driver is free", got, err)
		}
		// Its time comes: the worker of a process that was started meanwhile sees to it.
		age(t, rdb, "ride:"+ride.ID, 46*time.Minute, "begins")
		rdb.ZIncrBy(ctx, "geogate:{default}:due", -(46*time.Minute).Seconds()*1000, ride.ID)
		run(t, dispatch.New(rdb, dispatch.Config{Lead: 15 * time.Minute, Timeout: 4 * time.Minute}))
		asynctest.Eventually(t, "ride is matched unobserved", func() bool {
			return rdb.HGet(ctx, "geogate:{default}:ride:"+ride.ID, "state").Val() == "matched"
		})
		versions, _, err := e.Changes(ctx, ride.ID, "1")
		if err != nil || len(versions) != 2 || versions[0].State != dispatch.Searching || !versions[0].PickupAt.Equal(ride.PickupAt) {
			t.Fatalf("Changes = %+v, %v, want searching and matched", versions, err)
		}
		if from := versions[0].ExpiresAt.Sub(versions[0].UpdatedAt); from != 4*time.Minute {
			t.Errorf("searches for %s, want 4m", from)
		}
	})
}

// Each scheduled ride searches within 2 s of its time, whichever processes come and go.
func TestScheduledRidesOverRestarts(t *testing.T) {
	rides, within := 200, 2*time.Second
	if *soak {
		rides = 10_000
	}
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		cfg := dispatch.Config{Lead: time.Minute, MaxRides: 2 * rides, StreamLen: 10 * rides, RedisTimeout: time.Minute}
		e := dispatch.New(rdb, cfg)
		stop := run(t, dispatch.New(rdb, cfg))
		all := make([]dispatch.Ride, rides)
		spread := 2 * time.Second
		if *soak {
			spread = 30 * time.Second
		}
		for i := range all {
			for all[i].State != dispatch.Scheduled { // unless the machine stood still for two seconds
				all[i] = scheduleFor(t, e, cfg.Lead+2*time.Second+spread*time.Duration(i%10)/10)
			}
		}
		for range 2 {
			stop()
			stop = run(t, dispatch.New(rdb, cfg))
		}
		latest := time.Duration(0)
		for _, ride := range all {
			key := "geogate:{default}:ride:" + ride.ID
			asynctest.Eventually(t, "ride searches unobserved", func() bool { return rdb.HGet(t.Context(), key, "state").Val() == "searching" })
			got, err := e.RideAt(t.Context(), ride.ID, 2)
			if err != nil {
				t.Fatal(err)
			}
			late := got.UpdatedAt.Sub(ride.PickupAt.Add(-cfg.Lead))
			if latest = max(latest, late); late < 0 {
				t.Errorf("ride searches %s before its time", -late)
			}
		}
		t.Logf("the latest of %d searched %s after its time", rides, latest)
		if *soak && latest > within {
			t.Errorf("a ride searched %s after its time, want at most %s", latest, within)
		}
	})
}

func TestDetails(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		want := dispatch.Details{
			Dropoff: &geo.Point{Lat: -33.5, Lon: -70.5}, Note: "ring at B|\nsecond floor", Metadata: map[string]string{"fare": "12|3", "": "x"},
			PickupPlace: json.RawMessage(`{"display_name":"here"}`), DropoffPlace: json.RawMessage(`{"display_name":"there"}`),
		}
		delete(want.Metadata, "")
		ride, err := e.Request(t.Context(), dispatch.RideRequest{Pickup: santiago, Details: want})
		if err != nil {
			t.Fatal(err)
		}
		track(t, e, at("1", santiago))
		got, err := e.Ride(t.Context(), ride.ID)
		if err != nil || got.State != dispatch.Matched {
			t.Fatalf("ride = %+v, %v", got, err)
		}
		if diff := cmp.Diff(want, got.Details); diff != "" {
			t.Errorf("details differ (want, got):\n%s", diff)
		}
	})
}

func TestDetailsRefused(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		many := make(map[string]string)
		for i := range dispatch.MaxMetadata + 1 {
			many[fmt.Sprint(i)] = ""
		}
		e := dispatch.New(rdb, dispatch.Config{})
		for name, row := range map[string]struct {
			details dispatch.Details
			code    string
		}{
			"dropoff":          {dispatch.Details{Dropoff: &geo.Point{Lat: 91}}, dispatch.CodeInvalidPosition},
			"long note":        {dispatch.Details{Note: strings.Repeat("ü", 281)}, dispatch.CodeInvalidNote},
			"note with a bell": {dispatch.Details{Note: "\a"}, dispatch.CodeInvalidNote},
			"many members":     {dispatch.Details{Metadata: many}, dispatch.CodeInvalidMetadata},
			"long value":       {dispatch.Details{Metadata: map[string]string{"a": strings.Repeat("ü", 501)}}, dispatch.CodeInvalidMetadata},
			"no name":          {dispatch.Details{Metadata: map[string]string{"": "a"}}, dispatch.CodeInvalidMetadata},
			"in the past":      {dispatch.Details{PickupAt: time.Now().Add(-time.Hour)}, dispatch.CodeInvalidPickupAt},
			"in 31 days":       {dispatch.Details{PickupAt: time.Now().Add(31 * 24 * time.Hour)}, dispatch.CodeInvalidPickupAt},
		} {
			_, err := e.Request(t.Context(), dispatch.RideRequest{Pickup: santiago, Details: row.details})
			var input *dispatch.InputError
			if !errors.As(err, &input) || input.Code != row.code {
				t.Errorf("%s: %v, want code %s", name, err, row.code)
			}
		}
		if all := keys(t, rdb); len(all) != 0 {
			t.Errorf("keys in Redis: %q, want none", all)
		}
	})
}
