package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// manyWaiting leaves rides searching whose drivers have moved into reach since their
// last attempt, so that only the due set brings them together.
func manyWaiting(t *testing.T, e *dispatch.Engine, n int) (ids []string, comeIntoReach func()) {
	t.Helper()
	var away, near []dispatch.Position
	for i := range n {
		away = append(away, at(fmt.Sprint(i), north(50_000)))
		near = append(near, at(fmt.Sprint(i), north(float64(i)/10)))
	}
	track(t, e, away...)
	for range n {
		ids = append(ids, request(t, e, santiago).ID)
	}
	return ids, func() { track(t, e, near...) }
}

func allMatched(t *testing.T, e *dispatch.Engine, ids []string) {
	t.Helper()
	drivers := make(map[string]bool)
	for _, id := range ids {
		ride := reach(t, e, id, dispatch.Matched)
		if drivers[ride.Driver.DriverID] {
			t.Errorf("driver %s was given away twice", ride.Driver.DriverID)
		}
		drivers[ride.Driver.DriverID] = true
	}
}

func TestStoppedEngineGivesItsLeasesBack(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	cfg := dispatch.Config{Interval: 100 * time.Millisecond}
	first, second := dispatch.New(rdb, cfg), dispatch.New(rdb, cfg)
	stop := run(t, first)
	ids, comeIntoReach := manyWaiting(t, second, 400)
	stop()
	comeIntoReach()
	// Stopped again, now with leases in hand for certain.
	asynctest.Eventually(t, "rides are due", func() bool {
		rides, err := first.ClaimAndStop(t.Context())
		return err == nil && len(rides) > 100
	})
	now := redisTime(t, rdb)
	for _, id := range ids {
		if rdb.HExists(t.Context(), "geogate:{default}:ride:"+id, "worker").Val() {
			t.Fatal("a ride is still leased to an engine that has stopped")
		}
		if at := dueAt(t, rdb, id); at.Sub(now) > 2*cfg.Interval { // attempts keep 80 to 120 % of it
			t.Fatalf("a ride is due in %s, want it soon, as if no engine had claimed it", at.Sub(now))
		}
	}
	run(t, second)
	allMatched(t, second, ids)
}

func redisTime(t *testing.T, rdb redis.UniversalClient) time.Time {
	t.Helper()
	now, err := rdb.Time(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// dueAt returns when a ride is looked at again, by the clock of Redis.
func dueAt(t *testing.T, rdb redis.UniversalClient, id string) time.Time {
	t.Helper()
	at, err := rdb.ZScore(t.Context(), "geogate:{default}:due", id).Result()
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(int64(at))
}

func TestDeadEngineIsTakenOver(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a lease of 5 s to lapse")
	}
	rdb := redistest.Start(t).Client(t)
	e := dispatch.New(rdb, dispatch.Config{Interval: 50 * time.Millisecond})
	ids, comeIntoReach := manyWaiting(t, e, 200)
	comeIntoReach()
	died := time.Now()
	for leased := 0; leased < len(ids); {
		got, err := e.ClaimAndDie(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leased += len(got)
	}
	now := redisTime(t, rdb)
	for _, id := range ids {
		if at := dueAt(t, rdb, id); at.Sub(now) > dispatch.Lease {
			t.Fatalf("a ride of the dead engine is due in %s, want the lease of %s at most", at.Sub(now), dispatch.Lease)
		}
	}
	run(t, e)
	allMatched(t, e, ids)
	// That it is not much later follows from when the rides are due.
	if took := time.Since(died); took < dispatch.Lease {
		t.Errorf("taken over after %s, want the lease of %s to have lapsed", took, dispatch.Lease)
	}
}

// withinALease repeats an attempt on an empty Redis until it is over before the first lease
// of it lapses, and takes its verdict: "" is good.
func withinALease(t *testing.T, rdb redis.UniversalClient, attempt func() (verdict string)) {
	t.Helper()
	for range 5 {
		began := time.Now()
		verdict := attempt()
		if time.Since(began) <= dispatch.Lease {
			if verdict != "" {
				t.Error(verdict)
			}
			return
		}
		flush(t, rdb)
	}
	t.Error("the machine stood still for as long as a lease, five times")
}

func TestLeasedRidesAreNotClaimedAgain(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{Interval: time.Millisecond})
		withinALease(t, rdb, func() string {
			for range 10 {
				request(t, e, santiago)
			}
			claimed := 0
			asynctest.Eventually(t, "all rides are claimed", func() bool {
				rides, err := e.ClaimAndDie(t.Context())
				claimed += len(rides)
				return err == nil && claimed >= 10
			})
			rides, err := e.ClaimAndDie(t.Context())
			if err != nil || len(rides) > 0 || claimed > 10 {
				return fmt.Sprintf("claimed %d and %d more, %v, want each of 10 once", claimed, len(rides), err)
			}
			return ""
		})
	})
}

func TestOnlyOwnLeasesAreRenewed(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{Interval: time.Millisecond})
		due := func(ride dispatch.Ride) float64 {
			return rdb.ZScore(t.Context(), "geogate:{default}:due", ride.ID).Val()
		}
		claim := func(do func(ctx context.Context) ([]string, error)) dispatch.Ride {
			ride := request(t, e, santiago)
			asynctest.Eventually(t, "ride is claimed", func() bool {
				rides, err := do(t.Context())
				return err == nil && slices.Contains(rides, ride.ID)
			})
			return ride
		}
		withinALease(t, rdb, func() string {
			others := claim(e.ClaimAndDie)
			own := claim(e.Claim)
			ended := claim(e.Claim)
			if _, err := e.Cancel(t.Context(), ended.ID, ""); err != nil {
				t.Fatal(err)
			}
			ownDue, othersDue := due(own), due(others)
			asynctest.Eventually(t, "lease is renewed", func() bool {
				e.Renew(t.Context(), own.ID, others.ID, ended.ID)
				return due(own) > ownDue
			})
			switch {
			case due(others) != othersDue:
				return "somebody else's lease was renewed"
			case due(ended) != 0:
				return "a ride that has ended is due again"
			}
			return ""
		})
	})
}

func TestHundredRidersTenDriversThreeEngines(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		cfg := dispatch.Config{Timeout: 800 * time.Millisecond, Interval: 50 * time.Millisecond, RedisTimeout: time.Minute}
		engines := []*dispatch.Engine{dispatch.New(rdb, cfg), dispatch.New(rdb, cfg), dispatch.New(rdb, cfg)}
		run(t, engines...)
		var group, coming sync.WaitGroup
		for i := range 10 {
			coming.Go(func() { track(t, engines[i%3], at(fmt.Sprint(i), north(float64(100*i)))) })
		}
		ends := make([]dispatch.Ride, 100)
		for i := range ends {
			group.Go(func() {
				if i%2 == 0 {
					coming.Wait() // half of the riders, for whom a late driver is not too late
				}
				e := engines[i%3]
				ride, err := e.Request(t.Context(), dispatch.RideRequest{Pickup: north(float64(5 * i))})
				for err == nil && ride.State != dispatch.Matched && !ride.State.Ended() {
					ride, err = e.Wait(t.Context(), ride.ID, ride.Revision)
				}
				if err != nil {
					t.Errorf("rider %d: %v", i, err)
				}
				ends[i] = ride
			})
		}
		group.Wait()
		drivers, states := make(map[string]bool), make(map[dispatch.State]int)
		for _, ride := range ends {
			states[ride.State]++
			if ride.Driver != nil {
				drivers[ride.Driver.DriverID] = true
			}
		}
		if states[dispatch.Matched] != 10 || len(drivers) != 10 || states[dispatch.Expired] != 90 {
			t.Errorf("ends = %v with %d drivers, want 10 matched with 10 drivers and 90 expired", states, len(drivers))
		}
	})
}

func TestArrivalWakesWaitingRides(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		// Nobody runs, no tick will come: the arrival itself has to do it.
		e := dispatch.New(rdb, dispatch.Config{RedisTimeout: time.Minute})
		var rides []string
		for i := range 300 {
			rides = append(rides, request(t, e, north(float64(i))).ID)
		}
		var all []dispatch.Position
		for i := range 300 {
			all = append(all, at(fmt.Sprint(i), north(float64(i))))
		}
		track(t, e, all...)
		allMatched(t, e, rides)
	})
}

func TestArrivalPassesOverRidesItDoesNotFit(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		if _, err := e.Request(t.Context(), dispatch.RideRequest{Pickup: santiago, Vehicle: "van"}); err != nil {
			t.Fatal(err)
		}
		ride := request(t, e, north(500))
		track(t, e, at("1", santiago))
		if got := driver(t, e, "1"); got.RideID != ride.ID {
			t.Errorf("driver = %+v, want them with the ride that takes any vehicle", got)
		}
	})
}

func TestReconcileRepairsLeaks(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{})
		track(t, e, at("1", santiago), at("2", north(3000)))
		lost, kept := request(t, e, santiago), request(t, e, north(3000))
		waiting := request(t, e, santiago)
		rdb.Del(ctx, "geogate:{default}:ride:"+lost.ID)
		rdb.Del(ctx, "geogate:{default}:due")
		if err := e.Reconcile(ctx, 0); err != nil {
			t.Fatal(err)
		}
		if d := driver(t, e, "1"); d.RideID != waiting.ID {
			t.Errorf("driver of the lost ride = %+v, want them freed and with the ride that waits", d)
		}
		if d := driver(t, e, "2"); d.State != dispatch.Busy || d.RideID != kept.ID {
			t.Errorf("driver of the other ride = %+v, want them left alone", d)
		}
		for _, ride := range []dispatch.Ride{kept, waiting} {
			if rdb.ZScore(ctx, "geogate:{default}:due", ride.ID).Err() != nil {
				t.Errorf("ride %s is not in the due set", ride.State)
			}
		}
	})
}

func TestVanishedRideLeavesTheDueSet(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{Interval: 20 * time.Millisecond})
		ride := request(t, e, santiago)
		rdb.Del(t.Context(), "geogate:{default}:ride:"+ride.ID)
		run(t, e)
		asynctest.Eventually(t, "due set is empty", func() bool {
			return rdb.Exists(t.Context(), "geogate:{default}:due", "geogate:{default}:waiting").Val() == 0
		})
		if _, err := e.Ride(t.Context(), ride.ID); !errors.Is(err, dispatch.ErrNotFound) {
			t.Errorf("vanished ride: %v, want not found", err)
		}
	})
}

func TestStats(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		track(t, e, at("1", santiago), at("2", north(9000)))
		request(t, e, santiago)
		request(t, e, santiago)
		all, err := e.Stats(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("Stats = %+v, %v, want those of the default region", all, err)
		}
		s := all[0]
		if s.Waiting != 1 || s.Live != 2 || s.Available != 1 || s.Engaged != 1 || s.Events["ride.matched"] != 1 || s.Events["ride.searching"] != 2 {
			t.Errorf("Stats = %+v", s)
		}
	})
}
