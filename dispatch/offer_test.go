package dispatch_test

import (
	"context"
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

// offerTo returns the one offer that the driver has, waiting for it.
func offerTo(t testing.TB, e *dispatch.Engine, driver string) dispatch.Offer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	offers, err := e.Offers(ctx, "", driver)
	if err != nil || len(offers) != 1 {
		t.Fatalf("Offers(%q) = %+v, %v, want one", driver, offers, err)
	}
	return offers[0]
}

// noOffer looks for one without a limit of time, and then waits for one to come.
func noOffer(t testing.TB, e *dispatch.Engine, driver string) {
	t.Helper()
	if offers, err := e.OffersNow(t.Context(), "", driver); err != nil || len(offers) != 0 {
		t.Errorf("OffersNow(%q) = %+v, %v, want none", driver, offers, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	// On a busy machine the time may be over before the first look has an answer.
	offers, err := e.Offers(ctx, "", driver)
	if err != nil && ctx.Err() == nil || len(offers) != 0 {
		t.Errorf("Offers(%q) = %+v, %v, want none", driver, offers, err)
	}
}

func TestOfferAccepted(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute})
		track(t, e, at("near", north(100)), at("far", north(300)))
		ride := request(t, e, santiago)
		if ride.State != dispatch.Offered || ride.Driver == nil || ride.Driver.DriverID != "near" || ride.Version != 2 {
			t.Fatalf("ride = %+v, want it offered to the nearest", ride)
		}
		if d := driver(t, e, "near"); d.State != dispatch.Reserved || d.RideID != ride.ID {
			t.Errorf("driver = %+v, want them reserved", d)
		}
		offer := offerTo(t, e, "near")
		if offer.RideID != ride.ID || offer.Pickup != santiago || offer.DistanceM < 98 || offer.DistanceM > 102 ||
			offer.ExpiresAt.Sub(ride.UpdatedAt) != time.Minute || !strings.HasPrefix(offer.ID, ride.ID+".") {
			t.Errorf("offer = %+v", offer)
		}
		noOffer(t, e, "far")

		if _, err := e.Accept(ctx, offer.ID, "far"); !errors.Is(err, dispatch.ErrNotFound) {
			t.Errorf("Accept by another driver: %v, want not found", err)
		}
		if _, err := e.Decline(ctx, offer.ID, "far"); !errors.Is(err, dispatch.ErrNotFound) {
			t.Errorf("Decline by another driver: %v, want not found", err)
		}
		if _, err := e.Accept(ctx, ride.ID+"."+strings.Repeat("0", 40), "near"); !errors.Is(err, dispatch.ErrNotFound) {
			t.Errorf("Accept with a guessed token: %v, want not found", err)
		}
		matched, err := e.Accept(ctx, offer.ID, "near")
		if err != nil || matched.State != dispatch.Matched || matched.Driver.DriverID != "near" {
			t.Fatalf("Accept = %+v, %v", matched, err)
		}
		again, err := e.Accept(ctx, offer.ID, "near")
		if diff := cmp.Diff(matched, again); err != nil || diff != "" {
			t.Errorf("Accept again: %v, difference\n%s", err, diff)
		}
		if _, err := e.Decline(ctx, offer.ID, "near"); stateOf(err) != "matched" {
			t.Errorf("Decline after accepting: %v, want too late, matched", err)
		}
		if d := driver(t, e, "near"); d.State != dispatch.Busy {
			t.Errorf("driver = %+v, want them busy", d)
		}
		noOffer(t, e, "near")
		if _, err := e.Complete(ctx, ride.ID, ""); err != nil {
			t.Fatal(err)
		}
		if d := driver(t, e, "near"); d.State != dispatch.Available {
			t.Errorf("driver = %+v, want them available", d)
		}
	})
}

func TestOfferDeclinedGoesToTheNextAndNeverBack(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute, Interval: 20 * time.Millisecond})
		run(t, e)
		track(t, e, at("a", north(100)), at("b", north(200)))
		ride := request(t, e, santiago)
		first := offerTo(t, e, "a")
		if _, err := e.Decline(ctx, first.ID, "a"); err != nil {
			t.Fatal(err)
		}
		if d := driver(t, e, "a"); d.State != dispatch.Available {
			t.Errorf("driver = %+v, want them available again", d)
		}
		second := offerTo(t, e, "b")
		if _, err := e.Decline(ctx, second.ID, "b"); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Decline(ctx, second.ID, "b"); err != nil {
			t.Errorf("Decline again: %v", err)
		}
		if _, err := e.Accept(ctx, first.ID, "a"); stateOf(err) != "searching" {
			t.Errorf("Accept of a declined offer: %v, want too late, searching", err)
		}
		got, err := e.Ride(ctx, ride.ID)
		if err != nil || got.State != dispatch.Searching || got.Reason != "declined" || got.Driver != nil || got.Version != 5 {
			t.Errorf("ride = %+v, %v, want it searching at version 5, everybody has declined", got, err)
		}
		// Another ride may ask them; this one asks only the newcomer.
		other := request(t, e, north(100))
		if o := offerTo(t, e, "a"); o.RideID != other.ID {
			t.Errorf("offer = %+v, want one for the other ride", o)
		}
		track(t, e, at("c", north(400)))
		if o := offerTo(t, e, "c"); o.RideID != ride.ID {
			t.Errorf("offer = %+v, want one for the first ride", o)
		}
		versions, _, err := e.Changes(ctx, ride.ID, "1")
		if err != nil {
			t.Fatal(err)
		}
		var path []string
		for _, v := range versions {
			step := string(v.State)
			if v.Driver != nil {
				step += " " + v.Driver.DriverID
			}
			path = append(path, step)
		}
		if diff := cmp.Diff([]string{"offered a", "searching", "offered b", "searching", "offered c"}, path); diff != "" {
			t.Errorf("history differs (want, got):\n%s", diff)
		}
	})
}

// lapse ends the time that a driver has for an offer: a short time may be over before a busy
// machine has asked for the offer.
func lapse(t *testing.T, rdb redis.UniversalClient, ride string) {
	t.Helper()
	overdue(t, rdb, ride, "offer_until")
}

// passDeadline ends the time that a ride has to find a driver, and that of its offer.
func passDeadline(t *testing.T, rdb redis.UniversalClient, ride string) {
	t.Helper()
	overdue(t, rdb, ride, "offer_until", "deadline")
}

func overdue(t *testing.T, rdb redis.UniversalClient, ride string, fields ...string) {
	t.Helper()
	const long = 1 // ms after 1970
	for _, field := range fields {
		if err := rdb.HSet(t.Context(), "geogate:{default}:ride:"+ride, field, long).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := rdb.ZAdd(t.Context(), "geogate:{default}:due", redis.Z{Score: long, Member: ride}).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestOfferLapses(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute})
		run(t, e)
		track(t, e, at("a", north(100)), at("b", north(200)))
		ride := request(t, e, santiago)
		lapsing := offerTo(t, e, "a")
		lapse(t, rdb, ride.ID)
		next := offerTo(t, e, "b")
		if next.RideID != ride.ID {
			t.Fatalf("offer = %+v, want one for the ride", next)
		}
		if _, err := e.Accept(ctx, lapsing.ID, "a"); stateOf(err) == "matched" || !errors.Is(err, dispatch.ErrTooLate) {
			t.Errorf("Accept of a lapsed offer: %v, want too late", err)
		}
		if d := driver(t, e, "a"); d.State != dispatch.Available {
			t.Errorf("driver = %+v, want them available", d)
		}
	})
}

func TestLapsedOfferCannotBeAcceptedBeforeAWorkerCame(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute})
		track(t, e, at("a", north(100)))
		ride := request(t, e, santiago)
		offer := offerTo(t, e, "a")
		lapse(t, rdb, ride.ID)
		if _, err := e.Accept(t.Context(), offer.ID, "a"); stateOf(err) != "searching" {
			t.Errorf("Accept of a lapsed offer: %v, want too late, searching", err)
		}
	})
}

func TestOfferNeverOutlivesTheDeadline(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute, Timeout: 30 * time.Second})
		run(t, e)
		track(t, e, at("a", north(100)))
		ride := request(t, e, santiago)
		if offer := offerTo(t, e, "a"); !offer.ExpiresAt.Equal(ride.ExpiresAt) {
			t.Errorf("offer ends at %s, want the ride's deadline %s", offer.ExpiresAt, ride.ExpiresAt)
		}
		passDeadline(t, rdb, ride.ID)
		asynctest.Eventually(t, "ride expires", func() bool {
			got, err := e.Ride(t.Context(), ride.ID)
			return err == nil && got.State == dispatch.Expired && got.Driver == nil
		})
		if d := driver(t, e, "a"); d.State != dispatch.Available {
			t.Errorf("driver = %+v, want them available", d)
		}
	})
}

func TestCancelEndsTheOffer(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute})
		track(t, e, at("a", north(100)))
		ride, waiting := request(t, e, santiago), request(t, e, north(50))
		offer := offerTo(t, e, "a")
		got, err := e.Cancel(ctx, ride.ID, "")
		if err != nil || got.State != dispatch.Cancelled || got.Driver != nil {
			t.Fatalf("Cancel = %+v, %v, want it cancelled without a driver", got, err)
		}
		if _, err := e.Accept(ctx, offer.ID, "a"); stateOf(err) != "cancelled" {
			t.Errorf("Accept of a cancelled ride: %v, want too late, cancelled", err)
		}
		if _, err := e.Decline(ctx, offer.ID, "a"); stateOf(err) != "cancelled" {
			t.Errorf("Decline of a cancelled ride: %v, want too late, cancelled", err)
		}
		if o := offerTo(t, e, "a"); o.RideID != waiting.ID {
			t.Errorf("offer = %+v, want the freed driver asked for the ride that waits", o)
		}
	})
}

func TestOffersWaitForOne(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		asked, other := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute}), dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute})
		run(t, asked, other)
		asynctest.Eventually(t, "wake-ups arrive", asked.Subscribed)
		noOffer(t, asked, "never seen")
		track(t, other, at("{a} *", north(100)))
		wantWakeUp(t, func(int) {
			got := make(chan dispatch.Offer)
			go func() { got <- offerTo(t, asked, "{a} *") }()
			ride := request(t, other, santiago)
			if o := <-got; o.RideID != ride.ID || o.DriverID != "{a} *" {
				t.Errorf("offer = %+v, want the one for the ride", o)
			}
			if _, err := other.Cancel(t.Context(), ride.ID, ""); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// A driver who was asked and went silent must not come back as a candidate.
func TestReservedDriverWhoWentSilentGoesOffline(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{OfferTTL: 150 * time.Millisecond, DriverTTL: time.Hour})
		track(t, e, at("a", north(100)))
		ride := request(t, e, santiago)
		age(t, rdb, "driver:a", 2*time.Hour, "seen")
		run(t, e)
		if ride.State != dispatch.Offered {
			t.Fatalf("ride = %+v", ride)
		}
		reach(t, e, ride.ID, dispatch.Searching)
		if d := driver(t, e, "a"); d.State != dispatch.Offline {
			t.Errorf("driver = %+v, want them offline", d)
		}
	})
}

func TestManyOffersNobodyTwice(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute})
		// More than a page of the search, all of whom have declined in the end.
		const drivers = 40
		for i := range drivers {
			track(t, e, at(fmt.Sprint(i), north(float64(10+i))))
		}
		ride := request(t, e, santiago)
		for i := range drivers {
			if ride.Driver == nil || ride.Driver.DriverID != fmt.Sprint(i) {
				t.Fatalf("ride = %+v, want driver %d asked", ride, i)
			}
			var err error
			if ride, err = e.Decline(ctx, offerTo(t, e, fmt.Sprint(i)).ID, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if ride.State != dispatch.Searching {
			t.Errorf("ride = %+v, want it searching", ride)
		}
	})
}

// OffersNow tells what Offers would, and returns where Offers would wait.
func TestOffersNow(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute})
		track(t, e, at("near", north(100)))
		if offers, err := e.OffersNow(t.Context(), "", "near"); err != nil || len(offers) != 0 {
			t.Errorf("OffersNow before the ride = %+v, %v, want none", offers, err)
		}
		request(t, e, santiago)
		offers, err := e.OffersNow(t.Context(), "", "near")
		if err != nil || len(offers) != 1 || offers[0] != offerTo(t, e, "near") {
			t.Errorf("OffersNow = %+v, %v, want what Offers tells", offers, err)
		}
		if _, err := e.OffersNow(t.Context(), "no region", "near"); !errors.Is(err, dispatch.ErrInvalid) {
			t.Errorf("OffersNow in an impossible region: %v, want ErrInvalid", err)
		}
		if _, err := e.OffersNow(t.Context(), "", ""); !errors.Is(err, dispatch.ErrInvalid) {
			t.Errorf("OffersNow without a driver: %v, want ErrInvalid", err)
		}
	})
}
