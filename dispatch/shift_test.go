package dispatch_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
)

func setShift(t *testing.T, e *dispatch.Engine, id string, on bool) dispatch.Driver {
	t.Helper()
	d, err := e.SetShift(t.Context(), "", id, on)
	if err != nil {
		t.Fatalf("SetShift(%q, %t): %v", id, on, err)
	}
	return d
}

func TestADriverOffShiftGetsNoRide(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		track(t, e, at("1", santiago))
		for range 2 { // repeating it changes nothing
			if d := setShift(t, e, "1", false); d.State != dispatch.Offline || d.OnShift {
				t.Errorf("off shift: %+v", d)
			}
		}
		track(t, e, at("1", north(10)))
		if d := driver(t, e, "1"); d.State != dispatch.Offline || d.OnShift || d.Point != north(10) {
			t.Errorf("after a report off shift: %+v, want them offline where they are", d)
		}
		ride := request(t, e, santiago)
		if ride.State != dispatch.Searching {
			t.Fatalf("ride = %+v though nobody is on shift", ride)
		}
		// On shift they need not report again, and the ride need not wait for its next attempt.
		for range 2 {
			if d := setShift(t, e, "1", true); d.State != dispatch.Busy || !d.OnShift || d.RideID != ride.ID {
				t.Errorf("on shift: %+v, want them busy with %s", d, ride.ID)
			}
		}
	})
}

func TestGoingOffShiftWithARide(t *testing.T) {
	ends := map[string]func(e *dispatch.Engine, ctx context.Context, id string) error{
		"complete": func(e *dispatch.Engine, ctx context.Context, id string) error {
			_, err := e.Complete(ctx, id, "1")
			return err
		},
		"cancel": func(e *dispatch.Engine, ctx context.Context, id string) error {
			_, err := e.Cancel(ctx, id, "")
			return err
		},
		"release": func(e *dispatch.Engine, ctx context.Context, id string) error {
			_, err := e.Release(ctx, id, "1", "")
			return err
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
				e := dispatch.New(rdb, dispatch.Config{})
				track(t, e, at("1", santiago))
				ride := request(t, e, santiago)
				if d := setShift(t, e, "1", false); d.State != dispatch.Busy || d.RideID != ride.ID {
					t.Errorf("off shift with a ride: %+v, want them busy with it", d)
				}
				track(t, e, at("1", north(10)))
				if err := end(e, t.Context(), ride.ID); err != nil {
					t.Fatal(err)
				}
				if d := driver(t, e, "1"); d.State != dispatch.Offline || d.RideID != "" {
					t.Errorf("after the ride: %+v, want them offline", d)
				}
			})
		})
	}
}

// Who goes off shift has declined: the next driver is asked at once.
func TestGoingOffShiftWithAnOffer(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute})
		track(t, e, at("1", santiago), at("2", north(100)))
		ride := request(t, e, santiago)
		offers, err := e.OffersNow(t.Context(), "", "1")
		if err != nil || len(offers) != 1 {
			t.Fatalf("offers = %+v, %v", offers, err)
		}
		if d := setShift(t, e, "1", false); d.State != dispatch.Offline {
			t.Errorf("off shift: %+v", d)
		}
		if _, err := e.Accept(t.Context(), offers[0].ID, "1"); !errors.Is(err, dispatch.ErrTooLate) {
			t.Errorf("accepted off shift: %v", err)
		}
		if now, err := e.OffersNow(t.Context(), "", "2"); err != nil || len(now) != 1 || now[0].RideID != ride.ID {
			t.Errorf("offers of the next driver = %+v, %v", now, err)
		}
	})
}

func TestTheShiftTravels(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions})
		track(t, e, in("north", at("1", santiago)))
		setShift(t, e, "1", false)
		for _, region := range []string{"south", "north", "south"} {
			track(t, e, in(region, at("1", santiago)))
			if d := driver(t, e, "1"); d.Region != region || d.OnShift || d.State != dispatch.Offline {
				t.Errorf("in the %s: %+v, want them there and off shift", region, d)
			}
		}
		if err := e.MoveHome(t.Context(), "1", "north", 2); err != nil {
			t.Fatal(err)
		}
		if _, err := e.SetShift(t.Context(), "", "1", true); !errors.Is(err, dispatch.ErrNotFound) {
			t.Errorf("on shift while nowhere: %v, want ErrNotFound", err)
		}
		track(t, e, in("north", at("1", santiago)))
		if d := setShift(t, e, "1", true); d.Region != "north" || d.State != dispatch.Available {
			t.Errorf("on shift: %+v, want them available in the north", d)
		}
		// What the regions remember of the time off shift is over.
		for _, region := range []string{"south", "north"} {
			track(t, e, in(region, at("1", santiago)))
			if d := driver(t, e, "1"); !d.OnShift || d.State != dispatch.Available {
				t.Errorf("in the %s: %+v, want them on shift", region, d)
			}
		}
	})
}

func TestShiftOfNobody(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{MaxDrivers: 1})
		if _, err := e.SetShift(t.Context(), "", "1", false); !errors.Is(err, dispatch.ErrNotFound) {
			t.Errorf("unknown driver: %v, want ErrNotFound", err)
		}
		if _, err := e.SetShift(t.Context(), "nowhere", "1", false); !errors.Is(err, dispatch.ErrInvalid) {
			t.Errorf("unknown region: %v, want ErrInvalid", err)
		}
		// Who comes back when there is no more room waits for their next position.
		track(t, e, at("1", santiago))
		setShift(t, e, "1", false)
		track(t, e, at("2", santiago))
		if d := setShift(t, e, "1", true); d.State != dispatch.Offline || !d.OnShift {
			t.Errorf("on shift without room: %+v, want them offline", d)
		}
		if err := e.DeleteDriver(t.Context(), "", "2"); err != nil {
			t.Fatal(err)
		}
		track(t, e, at("1", santiago))
		if d := driver(t, e, "1"); d.State != dispatch.Available {
			t.Errorf("with room again: %+v", d)
		}
	})
}

// Silent drivers are forgotten, but not so soon that they would come on duty by it.
func TestTheShiftIsRemembered(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{DriverTTL: time.Millisecond})
		track(t, e, at("on", santiago), at("off", santiago))
		setShift(t, e, "off", false)
		asynctest.Eventually(t, "the driver on shift is forgotten", func() bool {
			if err := e.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, err := e.Driver(t.Context(), "", "on")
			return errors.Is(err, dispatch.ErrNotFound)
		})
		if d := driver(t, e, "off"); d.OnShift {
			t.Errorf("off shift: %+v", d)
		}
	})
}

// heard waits for an update that is not empty.
func heard(t *testing.T, f *dispatch.DriverFollower) dispatch.DriverUpdate {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	u, err := f.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestFollowDriver(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute})
		run(t, e)
		f, err := e.FollowDriver("", "1", "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		track(t, e, at("1", santiago))
		if u := heard(t, f); u.Shift == nil || !u.Shift.OnShift || u.Shift.ID != "1" {
			t.Errorf("first = %+v, want the driver on shift", u)
		}
		declined := request(t, e, santiago)
		u := heard(t, f)
		if u.Offer == nil || u.Offer.RideID != declined.ID || len(u.Rides) > 0 {
			t.Fatalf("asked: %+v, want the offer", u)
		}
		if _, err := e.Decline(t.Context(), u.Offer.ID, "1"); err != nil {
			t.Fatal(err)
		}
		if u := heard(t, f); u.Released != declined.ID || u.Offer != nil {
			t.Errorf("declined: %+v, want it released", u)
		}
		ride := request(t, e, santiago)
		u = heard(t, f)
		if u.Offer == nil || u.Offer.RideID != ride.ID {
			t.Fatalf("asked: %+v, want the offer", u)
		}
		steps := []struct {
			state dispatch.State
			do    func() error
		}{
			{dispatch.Matched, func() error { _, err := e.Accept(t.Context(), u.Offer.ID, "1"); return err }},
			{dispatch.Arrived, func() error { _, err := e.Arrive(t.Context(), ride.ID, "1"); return err }},
			{dispatch.Cancelled, func() error { _, err := e.Cancel(t.Context(), ride.ID, "changed_mind"); return err }},
		}
		var seen dispatch.Revision
		for _, step := range steps {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
			u := heard(t, f)
			if len(u.Rides) != 1 || u.Rides[0].State != step.state || u.Released != "" {
				t.Errorf("%s: %+v", step.state, u)
			}
			if step.state == dispatch.Arrived && len(u.Rides) == 1 {
				seen = u.Rides[0].Revision
			}
		}
		// Who comes again learns what has become of their ride meanwhile.
		again, err := e.FollowDriver("", "1", ride.ID, seen)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if u := heard(t, again); u.Shift == nil || len(u.Rides) != 1 || u.Rides[0].State != dispatch.Cancelled || u.Rides[0].Reason != "changed_mind" {
			t.Errorf("come again: %+v, want the end of the ride", u)
		}
		setShift(t, e, "1", false)
		if u := heard(t, f); u.Shift == nil || u.Shift.OnShift {
			t.Errorf("off shift: %+v", u)
		}
		// A ride of somebody else does not exist.
		stranger, err := e.FollowDriver("", "2", ride.ID, seen)
		if err != nil {
			t.Fatal(err)
		}
		defer stranger.Close()
		if u := heard(t, stranger); u.Released != ride.ID || len(u.Rides) > 0 || u.Shift != nil {
			t.Errorf("told a stranger: %+v", u)
		}
	})
}
