package dispatch_test

import (
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/geo"
)

func TestRideFromRequestToCompletion(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{})
		track(t, e, at("far", north(900)), at("near", north(200)), at("beyond", north(6000)))

		ride := request(t, e, santiago)
		if !regexp.MustCompile(`^default\.[a-z2-7]{26}$`).MatchString(ride.ID) {
			t.Errorf("ride id = %q, want the region and 26 base32 characters", ride.ID)
		}
		if ride.State != dispatch.Matched || ride.Version != 2 || ride.Driver == nil || ride.Driver.DriverID != "near" {
			t.Fatalf("ride = %+v, want it matched with the nearest at version 2", ride)
		}
		if d := ride.Driver.DistanceM; math.Abs(d-200) > 2 {
			t.Errorf("distance = %.1f m, want about 200 m", d)
		}
		if d := ride.ExpiresAt.Sub(ride.CreatedAt); d != 4*time.Minute {
			t.Errorf("searches for %s, want 4m", d)
		}
		if d := driver(t, e, "near"); d.State != dispatch.Busy || d.RideID != ride.ID {
			t.Errorf("driver = %+v, want them busy with the ride", d)
		}

		// A busy driver moves on the map and nothing else.
		track(t, e, at("near", north(100)))
		if d := driver(t, e, "near"); d.State != dispatch.Busy || d.Point != north(100) {
			t.Errorf("driver = %+v, want them busy at the new place", d)
		}
		second := request(t, e, santiago)
		if second.Driver == nil || second.Driver.DriverID != "far" {
			t.Errorf("second ride = %+v, want the other driver", second)
		}
		third := request(t, e, santiago)
		if third.State != dispatch.Searching || third.Driver != nil || third.Version != 1 {
			t.Errorf("third ride = %+v, want it searching: the last driver is out of reach", third)
		}

		done, err := e.Complete(ctx, ride.ID, "")
		if err != nil || done.State != dispatch.Completed || done.Driver.DriverID != "near" {
			t.Fatalf("Complete = %+v, %v", done, err)
		}
		again, err := e.Complete(ctx, ride.ID, "")
		if diff := cmp.Diff(done, again); err != nil || diff != "" {
			t.Errorf("Complete again: %v, difference\n%s", err, diff)
		}
		if _, err := e.Cancel(ctx, ride.ID, ""); stateOf(err) != "completed" {
			t.Errorf("Cancel of a completed ride: %v, want too late, completed", err)
		}
		// The freed driver is a candidate at once, and a ride was waiting for one.
		if third, err = e.Ride(ctx, third.ID); err != nil || third.State != dispatch.Matched || third.Driver.DriverID != "near" {
			t.Errorf("third ride = %+v, %v, want the driver who became free", third, err)
		}
	})
}

func TestCancel(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{})
		ride := request(t, e, santiago)
		first, err := e.Cancel(ctx, ride.ID, "")
		if err != nil || first.State != dispatch.Cancelled || first.Driver != nil {
			t.Fatalf("Cancel = %+v, %v", first, err)
		}
		again, err := e.Cancel(ctx, ride.ID, "")
		if diff := cmp.Diff(first, again); err != nil || diff != "" {
			t.Errorf("Cancel again: %v, difference\n%s", err, diff)
		}
		if _, err := e.Complete(ctx, ride.ID, ""); stateOf(err) != "cancelled" {
			t.Errorf("Complete of a cancelled ride: %v, want too late, cancelled", err)
		}
		// Whoever comes by now is not given a ride that has ended.
		track(t, e, at("1", santiago))
		if d := driver(t, e, "1"); d.State != dispatch.Available {
			t.Errorf("driver = %+v, want them available", d)
		}
	})
}

func TestUnknownRides(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		ids := map[string]string{
			"empty":              "",
			"number":             "42",
			"star":               "*",
			"never made":         "default." + strings.Repeat("a", 26),
			"region never used":  "mars." + strings.Repeat("a", 26),
			"braces":             "{default}." + strings.Repeat("a", 26),
			"ten thousand bytes": strings.Repeat("9", 10_000),
			"not UTF-8":          "default." + strings.Repeat("\xff", 26),
			"key of a driver":    "default}:driver:1",
		}
		for name, id := range ids {
			t.Run(name, func(t *testing.T) {
				ctx := t.Context()
				for what, call := range map[string]func() error{
					"Ride":     func() error { _, err := e.Ride(ctx, id); return err },
					"Wait":     func() error { _, err := e.Wait(ctx, id, ""); return err },
					"Changes":  func() error { _, _, err := e.Changes(ctx, id, ""); return err },
					"Cancel":   func() error { _, err := e.Cancel(ctx, id, ""); return err },
					"Arrive":   func() error { _, err := e.Arrive(ctx, id, ""); return err },
					"Complete": func() error { _, err := e.Complete(ctx, id, ""); return err },
					"Release":  func() error { _, err := e.Release(ctx, id, "1", ""); return err },
					"Accept":   func() error { _, err := e.Accept(ctx, id, "1"); return err },
					"Decline":  func() error { _, err := e.Decline(ctx, id, "1"); return err },
				} {
					if err := call(); !errors.Is(err, dispatch.ErrNotFound) {
						t.Errorf("%s(%.40q) = %v, want not found", what, id, err)
					}
				}
			})
		}
		if all := keys(t, rdb); len(all) != 0 {
			t.Errorf("keys in Redis: %q, want none", all)
		}
	})
}

func TestExpiry(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		// The next attempt is never due: the deadline has to bring itself about.
		e := dispatch.New(rdb, dispatch.Config{Timeout: 150 * time.Millisecond, Interval: 100 * time.Second})
		run(t, e)
		var ride dispatch.Ride
		soonest := time.Hour // a busy machine is late now and then
		for range 5 {
			ride = request(t, e, santiago)
			// Read past the engine, which would settle the ride by looking at it.
			asynctest.Eventually(t, "ride expires unobserved", func() bool {
				return rdb.HGet(t.Context(), "geogate:{default}:ride:"+ride.ID, "state").Val() == "expired"
			})
			ended := reach(t, e, ride.ID, dispatch.Expired)
			if ended.Reason != "deadline" || ended.Version != 2 || ended.Driver != nil {
				t.Errorf("ride = %+v, want it expired at version 2 by its deadline", ended)
			}
			late := ended.UpdatedAt.Sub(ended.ExpiresAt)
			if late < 0 {
				t.Errorf("expired %s before its deadline", -late)
			}
			if soonest = min(soonest, late); soonest <= time.Second {
				break
			}
		}
		if soonest > time.Second {
			t.Errorf("expired %s after its deadline", soonest)
		}
		if _, err := e.Cancel(t.Context(), ride.ID, ""); stateOf(err) != "expired" {
			t.Errorf("Cancel of an expired ride: %v, want too late, expired", err)
		}
	})
}

func TestDeadlineHoldsWithoutWorker(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{Timeout: 20 * time.Millisecond})
		ride := request(t, e, santiago)
		asynctest.Eventually(t, "ride reads as expired", func() bool {
			r, err := e.Ride(t.Context(), ride.ID)
			return err == nil && r.State == dispatch.Expired
		})
		other := request(t, e, santiago)
		asynctest.Eventually(t, "deadline of the other ride", func() bool { return time.Now().After(other.ExpiresAt.Add(50 * time.Millisecond)) })
		if _, err := e.Cancel(t.Context(), other.ID, ""); stateOf(err) != "expired" {
			t.Errorf("Cancel after the deadline: %v, want too late, expired", err)
		}
		track(t, e, at("1", santiago))
		if d := driver(t, e, "1"); d.State != dispatch.Available {
			t.Errorf("driver = %+v, want them available: nobody waits any more", d)
		}
	})
}

func TestRideTTLCompletesForgottenRides(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{RideTTL: 100 * time.Millisecond, Interval: 20 * time.Millisecond})
		run(t, e)
		track(t, e, at("1", santiago))
		ride := request(t, e, santiago)
		asynctest.Eventually(t, "ride is completed unobserved", func() bool {
			return rdb.HGet(t.Context(), "geogate:{default}:ride:"+ride.ID, "state").Val() == "completed"
		})
		ended := reach(t, e, ride.ID, dispatch.Completed)
		if ended.Reason != "ride_ttl" || ended.Driver == nil {
			t.Errorf("ride = %+v, want it completed by the clock, its driver shown", ended)
		}
		if d := driver(t, e, "1"); d.State != dispatch.Available || d.RideID != "" {
			t.Errorf("driver = %+v, want them available", d)
		}
	})
}

func TestAttemptsFindDriversWhoMoveIntoReach(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{Interval: 40 * time.Millisecond, RadiiM: []float64{1000}})
		run(t, e)
		track(t, e, at("1", north(3000)))
		ride := request(t, e, santiago)
		track(t, e, at("1", north(500)))
		if got := reach(t, e, ride.ID, dispatch.Matched); got.Driver.DriverID != "1" {
			t.Errorf("ride = %+v, want driver 1", got)
		}
	})
}

func TestRequestRefusals(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		tests := []struct {
			name string
			req  dispatch.RideRequest
			code string
		}{
			{"NaN", dispatch.RideRequest{Pickup: geo.Point{Lat: math.NaN()}}, dispatch.CodeInvalidPosition},
			{"swapped", dispatch.RideRequest{Pickup: geo.Point{Lat: -170, Lon: 33}}, dispatch.CodeInvalidPosition},
			{"pole", dispatch.RideRequest{Pickup: geo.Point{Lat: 89}}, dispatch.CodeInvalidPosition},
			{"rider too long", dispatch.RideRequest{RiderID: strings.Repeat("r", 129)}, dispatch.CodeInvalidID},
			{"region", dispatch.RideRequest{Region: "a}b"}, dispatch.CodeUnknownRegion},
			{"vehicle", dispatch.RideRequest{Vehicle: "a\x00"}, dispatch.CodeInvalidVehicle},
			{"tag", dispatch.RideRequest{Tags: []string{"a\nb"}}, dispatch.CodeInvalidTags},
			{"key", dispatch.RideRequest{IdempotencyKey: strings.Repeat("k", 256)}, dispatch.CodeInvalidKey},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				_, err := e.Request(t.Context(), tt.req)
				var input *dispatch.InputError
				if !errors.As(err, &input) || input.Code != tt.code || !errors.Is(err, dispatch.ErrInvalid) {
					t.Errorf("Request = %v, want code %s", err, tt.code)
				}
			})
		}
		if all := keys(t, rdb); len(all) != 0 {
			t.Errorf("keys in Redis: %q, want none", all)
		}
	})
}

func TestCaps(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{MaxPerRider: 2, MaxRides: 4})
		ask := func(rider string) (dispatch.Ride, error) {
			return e.Request(ctx, dispatch.RideRequest{Pickup: santiago, RiderID: rider})
		}
		first, err := ask("a*")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask("a*"); err != nil {
			t.Fatal(err)
		}
		if _, err := ask("a*"); !errors.Is(err, dispatch.ErrRiderCap) {
			t.Errorf("third ride of a rider: %v, want the rider's cap", err)
		}
		if _, err := e.Cancel(ctx, first.ID, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := ask("a*"); err != nil {
			t.Errorf("after a ride has ended: %v", err)
		}
		for range 2 {
			if _, err := ask(""); err != nil {
				t.Errorf("without a rider: %v", err)
			}
		}
		if _, err := ask("b"); !errors.Is(err, dispatch.ErrRideCap) {
			t.Errorf("fifth ride: %v, want the cap of all", err)
		}
	})
}

func TestRiderIsNotLockedOutByLostRides(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{MaxPerRider: 1})
		ask := dispatch.RideRequest{Pickup: santiago, RiderID: "r"}
		ride, err := e.Request(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		rdb.Del(t.Context(), "geogate:{default}:ride:"+ride.ID)
		if _, err := e.Request(t.Context(), ask); err != nil {
			t.Errorf("Request after the ride was lost: %v", err)
		}
	})
}
