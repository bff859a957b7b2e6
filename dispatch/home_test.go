package dispatch_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/redistest"
)

func in(region string, p dispatch.Position) dispatch.Position {
	p.Region = region
	return p
}

// availableIn is in which regions a driver may be given a ride now.
func availableIn(t *testing.T, rdb redis.UniversalClient, id string) []string {
	t.Helper()
	var regions []string
	for _, region := range twoRegions {
		err := rdb.ZScore(t.Context(), "geogate:{"+region+"}:avail", id).Err()
		if err == nil {
			regions = append(regions, region)
		} else if !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
	}
	return regions
}

func TestADriverWhoReportsFromAnotherRegionMoves(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions, OfferTTL: time.Minute})
		p := in("north", at("1", santiago))
		p.Vehicle, p.Tags = new("van"), &[]string{"xl"}
		track(t, e, p)
		track(t, e, in("south", at("1", santiago)))
		if got := availableIn(t, rdb, "1"); !slices.Equal(got, []string{"south"}) {
			t.Errorf("available in %v, want in the south", got)
		}
		if d := driver(t, e, "1"); d.Region != "south" || d.Vehicle != "van" || len(d.Tags) != 1 {
			t.Errorf("driver = %+v, want them in the south with vehicle and tags", d)
		}
		ride, err := e.Request(ctx, dispatch.RideRequest{Pickup: santiago, Region: "south"})
		if err != nil || ride.State != dispatch.Offered {
			t.Fatalf("ride in the south = %+v, %v, want it offered", ride, err)
		}
		// Reserved drivers stay where their ride is, and hear of it wherever they ask.
		track(t, e, in("north", at("1", north(10))))
		if offers, err := e.OffersNow(ctx, "north", "1"); err != nil || len(offers) != 1 || offers[0].RideID != ride.ID {
			t.Errorf("offers asked for in the north = %+v, %v, want that of the south", offers, err)
		}
		if _, err := e.Cancel(ctx, ride.ID, ""); err != nil {
			t.Fatal(err)
		}
		if got := availableIn(t, rdb, "1"); len(got) != 0 {
			t.Errorf("available in %v though they left for the north meanwhile", got)
		}
		track(t, e, in("north", at("1", north(10))))
		if got := availableIn(t, rdb, "1"); !slices.Equal(got, []string{"north"}) {
			t.Errorf("available in %v, want in the north", got)
		}
	})
}

// A process dies between the steps of a move; the driver goes on reporting from either side.
func TestADriverWhoseMoveStopsBetweenTwoSteps(t *testing.T) {
	for steps := 1; steps <= 2; steps++ {
		for _, region := range twoRegions {
			t.Run(fmt.Sprintf("after %d, next report from the %s", steps, region), func(t *testing.T) {
				onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
					e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions})
					p := in("north", at("1", santiago))
					p.Tags = &[]string{"xl"}
					track(t, e, p)
					if err := e.MoveHome(t.Context(), "1", "south", steps); err != nil {
						t.Fatal(err)
					}
					if got := availableIn(t, rdb, "1"); len(got) != 0 {
						t.Errorf("available in %v in the middle of a move", got)
					}
					track(t, e, in(region, at("1", north(10))))
					if got := availableIn(t, rdb, "1"); !slices.Equal(got, []string{region}) {
						t.Errorf("available in %v, want in the %s", got, region)
					}
					if d := driver(t, e, "1"); d.Region != region || !slices.Equal(d.Tags, []string{"xl"}) {
						t.Errorf("driver = %+v, want them in the %s with their tags", d, region)
					}
				})
			})
		}
	}
}

// Moves stop one after another; what drivers said last is what they bring along.
func TestADriverKeepsTheirTagsOverMovesThatStop(t *testing.T) {
	for _, region := range twoRegions {
		t.Run("next report from the "+region, func(t *testing.T) {
			onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
				e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions})
				p := in("south", at("1", santiago))
				p.Vehicle, p.Tags = new("car"), &[]string{"pet"}
				track(t, e, p)
				p.Region, p.Vehicle, p.Tags = "north", new("van"), &[]string{"xl"}
				track(t, e, p)
				for _, move := range []struct {
					to    string
					steps int
				}{{"south", 2}, {"north", 1}, {"north", 1}, {"north", 2}, {"south", 2}} {
					if err := e.MoveHome(t.Context(), "1", move.to, move.steps); err != nil {
						t.Fatal(err)
					}
				}
				track(t, e, in(region, at("1", north(10))))
				if d := driver(t, e, "1"); d.Region != region || d.Vehicle != "van" || !slices.Equal(d.Tags, []string{"xl"}) {
					t.Errorf("driver = %+v, want them in the %s with the van and xl", d, region)
				}
			})
		})
	}
}

// Two processes hear of a driver from two regions at the same time, again and again.
func TestADriverIsNeverAvailableInTwoRegions(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	cfg := dispatch.Config{Regions: twoRegions}
	both := redis.NewScript(`local n = 0
		for _, key in ipairs(KEYS) do if redis.call('ZSCORE', key, '1') then n = n + 1 end end
		return n`)
	keys := []string{"geogate:{north}:avail", "geogate:{south}:avail"}
	for range 100 {
		var group sync.WaitGroup
		for _, region := range twoRegions {
			e := dispatch.New(rdb, cfg)
			group.Go(func() {
				result, err := e.Track(t.Context(), []dispatch.Position{in(region, at("1", santiago))})
				if err != nil || len(result.Rejected) > 0 {
					t.Errorf("Track = %+v, %v", result, err)
				}
			})
		}
		group.Go(func() {
			for range 5 {
				if n, err := both.Run(t.Context(), rdb, keys).Int(); err != nil || n > 1 {
					t.Errorf("available in %d regions at once, %v", n, err)
				}
			}
		})
		group.Wait()
		d := driver(t, dispatch.New(rdb, cfg), "1")
		if got := availableIn(t, rdb, "1"); !slices.Equal(got, []string{d.Region}) {
			t.Fatalf("available in %v, at home in %s", got, d.Region)
		}
	}
}
