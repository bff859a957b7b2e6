package dispatch_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/faultproxy"
	"geogate/internal/redistest"
)

// A backlog of positions says where drivers were, not that they are on duty.
func TestOldPositionsMakeNobodyAvailable(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{})
		ago := func(id string, age time.Duration) dispatch.Position {
			p := at(id, santiago)
			p.Time = time.Now().Add(-age)
			return p
		}
		ride := request(t, e, santiago)
		track(t, e, ago("1", time.Hour), ago("1", 30*time.Minute))
		if d := driver(t, e, "1"); d.State != dispatch.Offline {
			t.Errorf("driver of an old backlog = %+v, want them offline", d)
		}
		// Only the newest position of a report wakes the rider.
		far := at("2", north(380_000))
		far.Time = time.Now()
		track(t, e, ago("2", time.Hour), ago("2", time.Second), far)
		if got, err := e.Ride(ctx, ride.ID); err != nil || got.State != dispatch.Searching {
			t.Errorf("ride = %+v, %v, want it searching: nobody is here now", got, err)
		}
		if err := e.DeleteDriver(ctx, "", "2"); err != nil {
			t.Fatal(err)
		}
		track(t, e, ago("2", 5*365*24*time.Hour))
		if d := driver(t, e, "2"); d.State != dispatch.Offline {
			t.Errorf("deleted driver = %+v, want them offline", d)
		}
		track(t, e, ago("1", 0))
		if d := driver(t, e, "1"); d.State != dispatch.Busy || d.RideID != ride.ID {
			t.Errorf("driver who reports now = %+v, want them with the ride", d)
		}
	})
}

// A driver who goes on reporting is looked at again and again, and goes offline when they stop.
func TestSweepGoesOnWatchingDriversWhoReport(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{})
		track(t, e, at("1", santiago))
		const watch = "geogate:{default}:watch"
		filed := rdb.ZScore(ctx, watch, "1").Val()
		// They were first heard of long ago, and just now.
		rdb.ZAdd(ctx, watch, redis.Z{Score: 1, Member: "1"})
		if err := e.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if next := rdb.ZScore(ctx, watch, "1").Val(); next < filed {
			t.Errorf("next looked at in %v, want when they may have gone silent, %v", next, filed)
		}
		if d := driver(t, e, "1"); d.State != dispatch.Available {
			t.Errorf("driver = %+v, want them available", d)
		}
		silent := dispatch.New(rdb, dispatch.Config{DriverTTL: time.Nanosecond})
		rdb.ZAdd(ctx, watch, redis.Z{Score: 1, Member: "1"})
		if err := silent.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if rdb.Exists(ctx, "geogate:{default}:avail").Val() != 0 {
			t.Error("a silent driver is still on the map")
		}
	})
}

// What is remembered of who was asked goes with the ride, whichever way it ends.
func TestWhoWasAskedIsForgotten(t *testing.T) {
	ends := map[dispatch.State]func(t *testing.T, rdb redis.UniversalClient, e *dispatch.Engine, o dispatch.Offer){
		dispatch.Cancelled: func(t *testing.T, _ redis.UniversalClient, e *dispatch.Engine, o dispatch.Offer) {
			if _, err := e.Cancel(t.Context(), o.RideID, ""); err != nil {
				t.Fatal(err)
			}
		},
		dispatch.Completed: func(t *testing.T, _ redis.UniversalClient, e *dispatch.Engine, o dispatch.Offer) {
			_, err := e.Accept(t.Context(), o.ID, o.DriverID)
			_, completed := e.Complete(t.Context(), o.RideID, "")
			if err := errors.Join(err, completed); err != nil {
				t.Fatal(err)
			}
		},
		dispatch.Expired: func(t *testing.T, rdb redis.UniversalClient, e *dispatch.Engine, o dispatch.Offer) {
			if _, err := e.Decline(t.Context(), o.ID, o.DriverID); err != nil {
				t.Fatal(err)
			}
			passDeadline(t, rdb, o.RideID)
			reach(t, e, o.RideID, dispatch.Expired)
		},
	}
	for state, end := range ends {
		t.Run(string(state), func(t *testing.T) {
			onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
				e := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute})
				track(t, e, at("1", santiago))
				ride := request(t, e, santiago)
				asked := "geogate:{default}:asked:" + ride.ID
				if rdb.Exists(t.Context(), asked).Val() != 1 || rdb.TTL(t.Context(), asked).Val() > 0 {
					t.Fatal("who was asked is not remembered for as long as the ride lives")
				}
				end(t, rdb, e, offerTo(t, e, "1"))
				if ttl := rdb.TTL(t.Context(), asked).Val(); ttl <= 0 {
					t.Errorf("who was asked stays for %s", ttl)
				}
			})
		})
	}
}

// Rides leased in a call whose answer was lost are worked, not left until the lease lapses.
func TestALostClaimDelaysNoRide(t *testing.T) {
	server := redistest.Start(t)
	proxy := faultproxy.New(t, server.Addr, 0, 1)
	rdb := unrepeating(proxy.Addr)
	t.Cleanup(func() { _ = rdb.Close() })
	e := dispatch.New(rdb, dispatch.Config{Interval: time.Millisecond})
	const rides = 10
	for range rides {
		request(t, e, santiago)
	}
	claimed := make(map[string]bool)
	asynctest.Eventually(t, "all rides are claimed", func() bool {
		proxy.LoseNext()
		got, err := e.Claim(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range got {
			claimed[id] = true
		}
		return len(claimed) == rides
	})
}
