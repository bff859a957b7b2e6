package dispatch_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
)

// take tries a step by its name.
func take(t testing.TB, e *dispatch.Engine, step, id, driver string) (dispatch.Ride, error) {
	t.Helper()
	switch step {
	case "arrive":
		return e.Arrive(t.Context(), id, driver)
	case "start":
		return e.Start(t.Context(), id, driver)
	case "complete":
		return e.Complete(t.Context(), id, driver)
	case "release":
		return e.Release(t.Context(), id, driver, "")
	case "cancel":
		return e.Cancel(t.Context(), id, "")
	}
	t.Fatalf("there is no step %q", step)
	return dispatch.Ride{}, nil
}

// Every step in every state: what it leads to, or the state in which it is refused.
func TestSteps(t *testing.T) {
	paths := map[dispatch.State][]string{
		dispatch.Matched: {}, dispatch.Arrived: {"arrive"}, dispatch.Started: {"start"},
		dispatch.Completed: {"complete"}, dispatch.Cancelled: {"cancel"},
	}
	const refused = dispatch.State("")
	table := map[string]map[dispatch.State]dispatch.State{
		"arrive": {dispatch.Matched: dispatch.Arrived, dispatch.Arrived: dispatch.Arrived},
		"start":  {dispatch.Matched: dispatch.Started, dispatch.Arrived: dispatch.Started, dispatch.Started: dispatch.Started},
		"complete": {
			dispatch.Matched: dispatch.Completed, dispatch.Arrived: dispatch.Completed,
			dispatch.Started: dispatch.Completed, dispatch.Completed: dispatch.Completed,
		},
		"release": {dispatch.Matched: dispatch.Searching, dispatch.Arrived: dispatch.Searching},
		"cancel":  {dispatch.Matched: dispatch.Cancelled, dispatch.Arrived: dispatch.Cancelled, dispatch.Cancelled: dispatch.Cancelled},
	}
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		for state, path := range paths {
			for step, leads := range table {
				id := fmt.Sprintf("%s after %s", step, state)
				track(t, e, at(id, santiago))
				ride := request(t, e, santiago)
				var err error
				for _, before := range path {
					if ride, err = take(t, e, before, ride.ID, id); err != nil {
						t.Fatal(err)
					}
				}
				got, err := take(t, e, step, ride.ID, id)
				switch want := leads[state]; {
				case want == refused && (stateOf(err) != string(state) || !errors.Is(err, dispatch.ErrTooLate)):
					t.Errorf("%s: %+v, %v, want too late", id, got, err)
				case want != refused && (err != nil || got.State != want):
					t.Errorf("%s: %+v, %v, want %s", id, got, err, want)
				case want != refused:
					again, err := take(t, e, step, ride.ID, id)
					if diff := cmp.Diff(got, again); err != nil || diff != "" {
						t.Errorf("%s, repeated: %v, difference\n%s", id, err, diff)
					}
					wantDriver := want != dispatch.Searching && want != dispatch.Cancelled
					if (got.Driver != nil) != wantDriver || wantDriver && got.Driver.DriverID != id {
						t.Errorf("%s shows driver %+v", id, got.Driver)
					}
				}
				_, _ = e.Complete(t.Context(), ride.ID, "")
				_, _ = e.Cancel(t.Context(), ride.ID, "")
				if d := driver(t, e, id); d.State != dispatch.Available || d.RideID != "" {
					t.Errorf("%s: driver = %+v at the end, want them available", id, d)
				}
				if err := e.DeleteDriver(t.Context(), "", id); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestStepsOfOthersAreUnknown(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		track(t, e, at("1", santiago), at("2", north(4000)))
		ride := request(t, e, santiago)
		steps := []string{"arrive", "start", "complete", "release"}
		none := func(when string) {
			for _, step := range steps {
				if _, err := take(t, e, step, ride.ID, "2"); !errors.Is(err, dispatch.ErrNotFound) {
					t.Errorf("%s of another driver, %s: %v, want not found", step, when, err)
				}
			}
		}
		none("matched")
		ctx := dispatch.As(t.Context(), dispatch.Owner{Rider: "somebody"})
		if _, err := e.Cancel(ctx, ride.ID, ""); !errors.Is(err, dispatch.ErrNotFound) {
			t.Errorf("Cancel by another rider: %v, want not found", err)
		}
		if _, err := e.Cancel(t.Context(), ride.ID, "no longer needed"); err != nil {
			t.Fatal(err)
		}
		none("cancelled")
		// Who was on the way learns that it was cancelled.
		was := dispatch.As(t.Context(), dispatch.Owner{Driver: "1"})
		if got, err := e.Ride(was, ride.ID); err != nil || got.State != dispatch.Cancelled || got.Reason != "no longer needed" {
			t.Errorf("the ride as its driver sees it = %+v, %v, want it cancelled with the reason", got, err)
		}
	})
}

func TestRelease(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{Timeout: time.Hour})
		track(t, e, at("a", north(100)), at("b", north(200)))
		ride := request(t, e, santiago)
		back, err := e.Release(ctx, ride.ID, "a", "flat|tyre")
		if err != nil || back.State != dispatch.Searching || back.Reason != "flat|tyre" || back.Driver != nil || back.Version != 3 {
			t.Fatalf("Release = %+v, %v, want it searching at version 3", back, err)
		}
		if from := back.ExpiresAt.Sub(back.UpdatedAt); from != time.Hour {
			t.Errorf("searches for %s from the release, want 1h", from)
		}
		got, err := e.Ride(ctx, ride.ID)
		if err != nil || got.State != dispatch.Matched || got.Driver.DriverID != "b" || got.Version != 4 {
			t.Errorf("ride = %+v, %v, want it matched with the next driver", got, err)
		}
		if first, err := e.RideAt(ctx, ride.ID, 2); err != nil || !first.ExpiresAt.Equal(ride.ExpiresAt) {
			t.Errorf("version 2 now expires at %s, %v, want %s as before", first.ExpiresAt, err, ride.ExpiresAt)
		}
		if d := driver(t, e, "a"); d.State != dispatch.Available {
			t.Errorf("driver = %+v, want them available", d)
		}
		again, err := e.Release(ctx, ride.ID, "a", "")
		if diff := cmp.Diff(back, again); err != nil || diff != "" {
			t.Errorf("Release again: %v, difference\n%s", err, diff)
		}
		// Both have given it back: it waits for somebody else.
		if back, err = e.Release(ctx, ride.ID, "b", ""); err != nil || back.Reason != dispatch.Released {
			t.Fatalf("Release = %+v, %v", back, err)
		}
		track(t, e, at("a", north(50)), at("b", north(50)))
		if got, err := e.Ride(ctx, ride.ID); err != nil || got.State != dispatch.Searching {
			t.Errorf("ride = %+v, %v, want it searching: nobody is asked twice", got, err)
		}
		track(t, e, at("c", north(900)))
		if got, err := e.Ride(ctx, ride.ID); err != nil || got.State != dispatch.Matched || got.Driver.DriverID != "c" {
			t.Errorf("ride = %+v, %v, want driver c", got, err)
		}
	})
}

func TestReleaseAfterAnOffer(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute})
		track(t, e, at("a", north(100)))
		ride := request(t, e, santiago)
		offer := offerTo(t, e, "a")
		if _, err := e.Release(ctx, ride.ID, "a", ""); stateOf(err) != "offered" {
			t.Errorf("Release of an offer: %v, want too late, offered", err)
		}
		if _, err := e.Accept(ctx, offer.ID, "a"); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Release(ctx, ride.ID, "a", ""); err != nil {
			t.Fatal(err)
		}
		noOffer(t, e, "a")
		if _, err := e.Accept(ctx, offer.ID, "a"); stateOf(err) != "searching" {
			t.Errorf("Accept after the release: %v, want too late, searching", err)
		}
		track(t, e, at("b", north(900)))
		if o := offerTo(t, e, "b"); o.RideID != ride.ID {
			t.Errorf("offer = %+v, want one for the ride", o)
		}
	})
}

func TestReasons(t *testing.T) {
	e := dispatch.New(nil, dispatch.Config{})
	id := "default." + strings.Repeat("a", 26)
	for name, reason := range map[string]string{"65 characters": strings.Repeat("ü", 65), "a line break": "a\nb", "not UTF-8": "\xff"} {
		_, cancelErr := e.Cancel(t.Context(), id, reason)
		_, releaseErr := e.Release(t.Context(), id, "1", reason)
		for _, err := range []error{cancelErr, releaseErr} {
			var input *dispatch.InputError
			if !errors.As(err, &input) || input.Code != dispatch.CodeInvalidReason {
				t.Errorf("%s: %v, want code %s", name, err, dispatch.CodeInvalidReason)
			}
		}
	}
}

// age makes a ride, or what was heard of a driver, so much older.
func age(t testing.TB, rdb redis.UniversalClient, key string, by time.Duration, fields ...string) {
	t.Helper()
	for _, field := range fields {
		if err := rdb.HIncrBy(t.Context(), "geogate:{default}:"+key, field, -by.Milliseconds()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLostDriver(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{LostAfter: 10 * time.Minute, DriverTTL: time.Hour})
		track(t, e, at("silent", north(100)), at("on board", north(5000)), at("talks", north(-5000)))
		lost, started, kept := request(t, e, santiago), request(t, e, north(5000)), request(t, e, north(-5000))
		if _, err := e.Arrive(t.Context(), lost.ID, "silent"); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Start(t.Context(), started.ID, "on board"); err != nil {
			t.Fatal(err)
		}
		for _, ride := range []dispatch.Ride{lost, started, kept} {
			age(t, rdb, "ride:"+ride.ID, 11*time.Minute, "updated", "matched")
			rdb.ZIncrBy(t.Context(), "geogate:{default}:due", -(11*time.Minute).Seconds()*1000, ride.ID)
		}
		age(t, rdb, "driver:silent", 11*time.Minute, "seen")
		age(t, rdb, "driver:on board", 11*time.Minute, "seen")
		run(t, e)
		asynctest.Eventually(t, "ride is taken back unobserved", func() bool {
			return rdb.HGet(t.Context(), "geogate:{default}:ride:"+lost.ID, "state").Val() == "searching"
		})
		back, err := e.Ride(t.Context(), lost.ID)
		if err != nil || back.Reason != "driver_lost" || back.Driver != nil {
			t.Errorf("ride = %+v, %v, want it searching because its driver was lost", back, err)
		}
		// They come out of the tunnel: the ride is gone, and they are not asked again.
		track(t, e, at("silent", north(100)))
		if got, err := e.Release(t.Context(), lost.ID, "silent", ""); err != nil || got.Revision != back.Revision {
			t.Errorf("Release by who was lost = %+v, %v, want what it led to", got, err)
		}
		if d := driver(t, e, "silent"); d.State != dispatch.Available {
			t.Errorf("driver = %+v, want them available", d)
		}
		track(t, e, at("next", north(1000)))
		if got, err := e.Ride(t.Context(), lost.ID); err != nil || got.Driver == nil || got.Driver.DriverID != "next" {
			t.Errorf("ride = %+v, %v, want the next driver", got, err)
		}
		if got, err := e.Ride(t.Context(), started.ID); err != nil || got.State != dispatch.Started {
			t.Errorf("started ride = %+v, %v, want it left alone", got, err)
		}
		// Who reports is not lost. The ride is looked at again when they could be.
		if got, err := e.Ride(t.Context(), kept.ID); err != nil || got.Revision != kept.Revision {
			t.Errorf("ride of a driver who reports = %+v, %v, want it unchanged", got, err)
		}
		asynctest.Eventually(t, "ride is filed for later", func() bool {
			due := rdb.ZScore(t.Context(), "geogate:{default}:due", kept.ID).Val()
			return due > float64(time.Now().Add(9*time.Minute).UnixMilli())
		})
	})
}

// The clock decides at the driver's own step, too, whether or not a worker came by.
func TestStepOfALostDriverIsTooLate(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{LostAfter: 10 * time.Minute, DriverTTL: time.Hour})
		for _, step := range []string{"arrive", "start", "complete"} {
			track(t, e, at(step, santiago))
			ride := request(t, e, santiago)
			age(t, rdb, "ride:"+ride.ID, 11*time.Minute, "updated")
			age(t, rdb, "driver:"+step, 11*time.Minute, "seen")
			if _, err := take(t, e, step, ride.ID, step); stateOf(err) != "searching" {
				t.Errorf("%s: %v, want too late, searching", step, err)
			}
			if _, err := e.Cancel(t.Context(), ride.ID, ""); err != nil {
				t.Fatal(err)
			}
			if err := e.DeleteDriver(t.Context(), "", step); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// What releases with schema version 2 have stored is read, and goes on.
func TestRidesOfSchemaVersionTwo(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{})
		track(t, e, at("1|2", santiago))
		ride := request(t, e, santiago)
		key := "geogate:{default}:ride:" + ride.ID
		fields := rdb.HGetAll(ctx, key).Val()
		rdb.HSet(ctx, key, "h1", "searching|"+fields["created"]+"|||||",
			"h2", "matched|"+fields["updated"]+"||12.5|-33.4|-70.6|1|2")
		got, err := e.Ride(ctx, ride.ID)
		if err != nil || got.State != dispatch.Matched || got.Driver == nil || got.Driver.DriverID != "1|2" ||
			got.Driver.DistanceM != 12.5 || !got.ExpiresAt.Equal(ride.ExpiresAt) || !got.UpdatedAt.Equal(ride.UpdatedAt) {
			t.Fatalf("ride = %+v, %v", got, err)
		}
		for _, step := range []string{"arrive", "start", "complete"} {
			if _, err := take(t, e, step, ride.ID, "1|2"); err != nil {
				t.Errorf("%s: %v", step, err)
			}
		}
		versions, ended, err := e.Changes(ctx, ride.ID, "1")
		if err != nil || !ended || len(versions) != 4 {
			t.Errorf("Changes = %+v, %v, want four versions", versions, err)
		}
	})
}
