package dispatch_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
)

// atHomeOnly checks that a driver is on duty in their home region and nowhere else.
func atHomeOnly(t *testing.T, rdb redis.UniversalClient, e *dispatch.Engine, id string) {
	t.Helper()
	home := driver(t, e, id).Region
	if got := availableIn(t, rdb, id); !slices.Equal(got, []string{home}) {
		t.Errorf("available in %v, at home in the %s", got, home)
	}
}

// erasures are the ways in which a region forgets a driver. Each has two steps; finish is the
// second one.
var erasures = map[string]func(t *testing.T, rdb redis.UniversalClient, e *dispatch.Engine) (finish func() error){
	"deleted": func(t *testing.T, _ redis.UniversalClient, e *dispatch.Engine) func() error {
		finish, err := e.BeginDelete(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		return finish
	},
	"silent": func(t *testing.T, rdb redis.UniversalClient, _ *dispatch.Engine) func() error {
		impatient := impatient(rdb)
		var finish func() error
		asynctest.Eventually(t, "the north forgets the driver", func() bool {
			forgotten, next, err := impatient.BeginSweep(t.Context(), "north")
			if err != nil {
				t.Fatal(err)
			}
			finish = next
			return forgotten > 0
		})
		return finish
	},
}

// impatient is an engine for which drivers are silent after a millisecond.
func impatient(rdb redis.UniversalClient) *dispatch.Engine {
	return dispatch.New(rdb, dispatch.Config{Regions: twoRegions, DriverTTL: time.Millisecond})
}

// A report is on its way to the region that forgets the driver.
func TestAReportMeetsAnErasure(t *testing.T) {
	for name, erase := range erasures {
		for _, elsewhere := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reports from the south in between: %t", name, elsewhere), func(t *testing.T) {
				onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
					e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions})
					track(t, impatient(rdb), in("north", at("1", santiago)))
					late, err := e.BeginTrack(t.Context(), in("north", at("1", north(10))))
					if err != nil {
						t.Fatal(err)
					}
					if err := erase(t, rdb, e)(); err != nil {
						t.Fatal(err)
					}
					if elsewhere {
						track(t, e, in("south", at("1", north(20))))
					}
					if err := late(); err != nil {
						t.Fatal(err)
					}
					atHomeOnly(t, rdb, e, "1")
					track(t, e, in("south", at("1", north(30))))
					atHomeOnly(t, rdb, e, "1")
				})
			})
		}
	}
}

// A driver reports again when their region has forgotten them and their home is still known.
func TestAReportBetweenTheStepsOfAnErasure(t *testing.T) {
	for name, erase := range erasures {
		t.Run(name, func(t *testing.T) {
			onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
				e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions})
				track(t, impatient(rdb), in("north", at("1", santiago)))
				finish := erase(t, rdb, e)
				track(t, e, in("north", at("1", north(10))))
				if err := finish(); err != nil {
					t.Fatal(err)
				}
				track(t, e, in("south", at("1", north(20))))
				if got := availableIn(t, rdb, "1"); !slices.Equal(got, []string{"south"}) {
					t.Errorf("available in %v, want in the south", got)
				}
			})
		})
	}
}

// A report from elsewhere moves a busy driver on the map of their home. When it gets there,
// their ride has ended.
func TestAReportFromElsewhereMeetsTheEndOfARide(t *testing.T) {
	for _, left := range []bool{false, true} {
		t.Run(fmt.Sprintf("they have left: %t", left), func(t *testing.T) {
			onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
				e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions})
				track(t, e, in("north", at("1", santiago)))
				ride, err := e.Request(t.Context(), dispatch.RideRequest{Pickup: santiago, Region: "north"})
				if err != nil || ride.State != dispatch.Matched {
					t.Fatalf("ride = %+v, %v, want it matched", ride, err)
				}
				late, err := e.BeginTrack(t.Context(), in("south", at("1", north(10))))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := e.Complete(t.Context(), ride.ID, "1"); err != nil {
					t.Fatal(err)
				}
				if left {
					track(t, e, in("south", at("1", north(20))))
				}
				if err := late(); err != nil {
					t.Fatal(err)
				}
				if got := availableIn(t, rdb, "1"); !slices.Equal(got, []string{"south"}) {
					t.Errorf("available in %v, want in the south", got)
				}
			})
		})
	}
}
