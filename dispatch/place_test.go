package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/geo"
	"geogate/internal/redistest"
)

// Two regions meet at a meridian; both end at the equator and at 50° north.
func byPlace(p geo.Point) (string, bool) {
	switch {
	case p.Lat < 0 || p.Lat > 50:
		return "", false
	case p.Lon < 10:
		return "west", true
	}
	return "east", true
}

var (
	inWest, inEast = geo.Point{Lat: 47, Lon: 9.999}, geo.Point{Lat: 47, Lon: 10.001}
	outside        = geo.Point{Lat: -1, Lon: 9}
)

func newByPlace(rdb redis.UniversalClient) *dispatch.Engine {
	return dispatch.New(rdb, dispatch.Config{Regions: []string{"west", "east", "named"}, RegionAt: byPlace})
}

// Who names no region is in the one around the point.
func TestRegionFollowsFromThePoint(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := newByPlace(rdb)
		track(t, e, at("w", inWest), at("e", inEast), dispatch.Position{ID: "n", Point: inWest, Region: "named"})
		for id, want := range map[string]string{"w": "west", "e": "east", "n": "named"} {
			if d := driver(t, e, id); d.Region != want {
				t.Errorf("driver %s is in %s, want %s", id, d.Region, want)
			}
		}
		if ride := request(t, e, inEast); ride.Region != "east" || ride.Driver == nil || ride.Driver.DriverID != "e" {
			t.Errorf("the ride is %+v, want driver e", ride)
		}
		found, _, err := e.Nearest(t.Context(), dispatch.NearestQuery{Point: inWest, RadiusM: 10_000, Limit: 9})
		if err != nil || len(found) != 1 || found[0].ID != "w" {
			t.Errorf("Nearest = %+v, %v, want driver w alone", found, err)
		}
	})
}

func TestOutsideOfAllRegions(t *testing.T) {
	e := newByPlace(redistest.Start(t).Client(t))
	wantCode := func(what string, err error) {
		t.Helper()
		if wrong, ok := errors.AsType[*dispatch.InputError](err); !ok || wrong.Code != dispatch.CodeOutside {
			t.Errorf("%s: %v, want code %s", what, err, dispatch.CodeOutside)
		}
	}
	_, err := e.Request(t.Context(), dispatch.RideRequest{Pickup: outside})
	wantCode("Request", err)
	_, _, err = e.Nearest(t.Context(), dispatch.NearestQuery{Point: outside, RadiusM: 1000, Limit: 1})
	wantCode("Nearest", err)
	result, err := e.Track(t.Context(), []dispatch.Position{at("a", inWest), at("b", outside)})
	if err != nil || result.Accepted != 1 || len(result.Rejected) != 1 || result.Rejected[0].Code != dispatch.CodeOutside {
		t.Errorf("Track = %+v, %v, want b rejected", result, err)
	}
	if ride, err := e.Request(t.Context(), dispatch.RideRequest{Pickup: outside, Region: "named"}); err != nil || ride.Region != "named" {
		t.Errorf("with a name: %+v, %v", ride, err)
	}
}

// A driver who crosses a border again and again, among others who do and while riders
// search, is never in two regions and never in none: whenever a report was answered
// they are in the one that it came from, alone, and at no time are they unknown.
func TestDriverCrossesTheBorder(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	e := newByPlace(rdb)
	track(t, e, at("a", inWest))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	for i := range 4 { // others
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if _, err := e.Track(ctx, []dispatch.Position{at(fmt.Sprint("other ", i), []geo.Point{inWest, inEast}[n%2])}); err != nil && ctx.Err() == nil {
					t.Errorf("Track: %v", err)
					return
				}
				_, _, _ = e.Nearest(ctx, dispatch.NearestQuery{Point: inWest, RadiusM: 10_000, Limit: 9})
			}
		})
	}
	load.Go(func() { // somebody who watches
		for ctx.Err() == nil {
			if _, err := e.Driver(ctx, "", "a"); err != nil && ctx.Err() == nil {
				t.Errorf("the driver is nowhere: %v", err)
				return
			}
		}
	})
	crossings := 200
	if *soak {
		crossings = 1000
	}
	for n := range crossings {
		p, here, there := inEast, "east", "west"
		if n%2 == 1 {
			p, here, there = inWest, "west", "east"
		}
		track(t, e, at("a", p))
		d, err := e.Driver(t.Context(), here, "a")
		if err != nil || d.State != dispatch.Available {
			t.Fatalf("crossing %d: in %s: %+v, %v", n, here, d, err)
		}
		if d, err := e.Driver(t.Context(), there, "a"); !errors.Is(err, dispatch.ErrNotFound) {
			t.Fatalf("crossing %d: still in %s: %+v, %v", n, there, d, err)
		}
	}
	stop()
	load.Wait()
}

// A busy driver changes region when the ride ends, with the next report.
func TestBusyDriverCrossesTheBorder(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := newByPlace(rdb)
		track(t, e, at("a", inWest))
		ride := request(t, e, inWest)
		track(t, e, at("a", inEast))
		if d := driver(t, e, "a"); d.Region != "west" || d.State != dispatch.Busy || d.Point != inEast {
			t.Errorf("on the way: %+v, want them busy in west, where the ride is, and on the map in the east", d)
		}
		if _, err := e.Complete(t.Context(), ride.ID, ""); err != nil {
			t.Fatal(err)
		}
		if found, _, err := e.Nearest(t.Context(), dispatch.NearestQuery{Point: inEast, RadiusM: 10_000, Limit: 9, Region: "west"}); err != nil || len(found) > 0 {
			t.Errorf("after the ride west still has %+v, %v", found, err)
		}
		track(t, e, at("a", inEast))
		if d := driver(t, e, "a"); d.Region != "east" || d.State != dispatch.Available {
			t.Errorf("after the ride: %+v, want them available in east", d)
		}
	})
}
