package dispatch_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
)

func TestDeleteDriver(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{})
		p := at("1", santiago)
		p.Vehicle, p.Tags, p.Time = new("van"), &[]string{"xl"}, time.Now()
		track(t, e, p)
		ride := request(t, e, santiago)
		if err := e.DeleteDriver(ctx, "", "1"); !errors.Is(err, dispatch.ErrDriverEngaged) {
			t.Errorf("DeleteDriver of a busy driver: %v, want engaged", err)
		}
		if _, err := e.Complete(ctx, ride.ID, ""); err != nil {
			t.Fatal(err)
		}
		if err := e.DeleteDriver(ctx, "", "1"); err != nil {
			t.Errorf("DeleteDriver: %v", err)
		}
		if _, err := e.Driver(ctx, "", "1"); !errors.Is(err, dispatch.ErrNotFound) {
			t.Errorf("Driver after deletion: %v, want not found", err)
		}
		if err := e.DeleteDriver(ctx, "", "1"); !errors.Is(err, dispatch.ErrNotFound) {
			t.Errorf("DeleteDriver again: %v, want not found", err)
		}
		for _, key := range []string{"avail", "avail:v:van", "avail:t:xl", "watch", "engaged", "driver:1"} {
			if rdb.Exists(ctx, "geogate:{default}:"+key).Val() != 0 {
				t.Errorf("%s is left", key)
			}
		}
		// Nothing is remembered, not even their clock.
		p.Time = p.Time.Add(-time.Hour)
		track(t, e, p)
	})
}

func TestDriverGoesStaleAndComesBack(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		p := at("1", santiago)
		p.Tags = &[]string{"xl"}
		track(t, e, p)
		run(t, e)
		fallSilent(t, rdb, "1")
		asynctest.Eventually(t, "driver leaves the map", func() bool {
			return rdb.ZCard(t.Context(), "geogate:{default}:avail").Val() == 0
		})
		if d := driver(t, e, "1"); d.State != dispatch.Offline || d.Point != santiago {
			t.Errorf("driver = %+v, want them offline where they were", d)
		}
		track(t, e, at("1", north(10)))
		if d := driver(t, e, "1"); d.State != dispatch.Available || len(d.Tags) != 1 {
			t.Errorf("driver = %+v, want them available with their tags", d)
		}
	})
}

// fallSilent makes it two minutes since drivers were heard of: longer than they may be silent,
// and not so long that they are forgotten.
func fallSilent(t *testing.T, rdb redis.UniversalClient, ids ...string) {
	t.Helper()
	for _, id := range ids {
		age(t, rdb, "driver:"+id, 2*time.Minute, "seen")
		if err := rdb.ZAdd(t.Context(), "geogate:{default}:watch", redis.Z{Score: 1, Member: id}).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// A driver whose positions stopped is not a candidate, whether or not a sweep has come by.
func TestStaleDriverIsNotMatched(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		track(t, e, at("1", santiago))
		fallSilent(t, rdb, "1")
		if rdb.ZCard(t.Context(), "geogate:{default}:avail").Val() != 1 {
			t.Fatal("somebody has swept")
		}
		if ride := request(t, e, santiago); ride.State != dispatch.Searching {
			t.Errorf("ride = %+v, want it searching", ride)
		}
	})
}

func TestRegions(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		regions := []string{"default", "north"}
		e := dispatch.New(rdb, dispatch.Config{Regions: regions, Timeout: 100 * time.Millisecond})
		other := dispatch.New(rdb, dispatch.Config{Regions: regions})
		run(t, other)
		p := at("1", santiago)
		p.Region = "north"
		track(t, e, p)
		ride, err := e.Request(ctx, dispatch.RideRequest{Pickup: santiago})
		if err != nil || ride.State != dispatch.Searching {
			t.Errorf("ride in the default region = %+v, %v, want it searching: the driver is elsewhere", ride, err)
		}
		there, err := e.Request(ctx, dispatch.RideRequest{Pickup: santiago, Region: "north"})
		if err != nil || there.State != dispatch.Matched || there.Region != "north" {
			t.Errorf("ride in the driver's region = %+v, %v, want it matched", there, err)
		}
		if d := driver(t, e, "1"); d.Region != "north" || d.RideID != there.ID {
			t.Errorf("Driver without a region = %+v, want them found in theirs", d)
		}
		// Another process works the region.
		late, err := e.Request(ctx, dispatch.RideRequest{Pickup: santiago, Region: "north"})
		if err != nil {
			t.Fatal(err)
		}
		reach(t, other, late.ID, dispatch.Expired)
		if _, err := e.Complete(ctx, there.ID, ""); err != nil {
			t.Fatal(err)
		}
		if err := e.DeleteDriver(ctx, "", "1"); err != nil {
			t.Errorf("DeleteDriver without a region: %v", err)
		}
	})
}
