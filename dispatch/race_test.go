package dispatch_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
)

// A rider cancels at the moment in which something else happens to the ride. Both
// answers must fit one order of the two, and so must the ride and the driver then.
func TestCancelAgainst(t *testing.T) {
	rounds := 80
	if *soak {
		rounds = 10_000
	}
	type contest struct {
		do   func(e *dispatch.Engine, id, driver string) error
		wins dispatch.State // to which it leads and in which Cancel is refused; "": Cancel may follow
	}
	step := func(take func(e *dispatch.Engine, id, driver string) (dispatch.Ride, error)) func(*dispatch.Engine, string, string) error {
		return func(e *dispatch.Engine, id, driver string) error {
			_, err := take(e, id, driver)
			return err
		}
	}
	for name, c := range map[string]contest{
		"arrive": {step(func(e *dispatch.Engine, id, driver string) (dispatch.Ride, error) {
			return e.Arrive(t.Context(), id, driver)
		}), ""},
		"start": {step(func(e *dispatch.Engine, id, driver string) (dispatch.Ride, error) {
			return e.Start(t.Context(), id, driver)
		}), dispatch.Started},
		"complete": {step(func(e *dispatch.Engine, id, driver string) (dispatch.Ride, error) {
			return e.Complete(t.Context(), id, driver)
		}), dispatch.Completed},
		"release": {step(func(e *dispatch.Engine, id, driver string) (dispatch.Ride, error) {
			return e.Release(t.Context(), id, driver, "")
		}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
				e, other := dispatch.New(rdb, dispatch.Config{}), dispatch.New(rdb, dispatch.Config{})
				won := make(map[string]int)
				for i := range rounds {
					id := fmt.Sprint(i)
					track(t, e, at(id, santiago))
					ride := request(t, e, santiago)
					var cancelErr, err error
					together(i%2 == 0,
						func() { _, cancelErr = e.Cancel(t.Context(), ride.ID, "") },
						func() { err = c.do(other, ride.ID, id) })
					got, readErr := e.Ride(t.Context(), ride.ID)
					if readErr != nil {
						t.Fatal(readErr)
					}
					d := driver(t, e, id)
					switch {
					case cancelErr == nil && got.State == dispatch.Cancelled && got.Driver == nil && d.State == dispatch.Available:
						// Release before the cancel made one version more, as did an arrival.
						if before := got.Version == 4; before != (err == nil) || !before && stateOf(err) != "cancelled" || before && c.wins != "" {
							t.Fatalf("round %d: cancelled at version %d, and %s said %v", i, got.Version, name, err)
						}
					case c.wins != "" && err == nil && got.State == c.wins && stateOf(cancelErr) == string(c.wins):
						if busy := c.wins == dispatch.Started; busy != (d.State == dispatch.Busy) || busy && d.RideID != ride.ID {
							t.Fatalf("round %d: %s, and the driver is %+v", i, got.State, d)
						}
					default:
						t.Fatalf("round %d: ride is %s at version %d, driver %+v, Cancel said %v and %s said %v",
							i, got.State, got.Version, d, cancelErr, name, err)
					}
					if err == nil {
						won[name]++
					} else {
						won["cancel"]++
					}
					if got.State == dispatch.Started {
						if _, err := e.Complete(t.Context(), ride.ID, id); err != nil {
							t.Fatal(err)
						}
					}
					if err := e.DeleteDriver(t.Context(), "", id); err != nil {
						t.Fatal(err)
					}
				}
				t.Logf("came first: %v", won)
			})
		})
	}
}

// A driver comes at the moment in which the rider cancels. Whoever is first, nobody is
// left with a ride that has ended.
func TestCancelAgainstMatch(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		rounds := 300
		if *soak {
			rounds = 10_000
		}
		e, other := dispatch.New(rdb, dispatch.Config{}), dispatch.New(rdb, dispatch.Config{})
		matched := 0
		for i := range rounds {
			ride := request(t, e, santiago)
			id := fmt.Sprint(i)
			var err error
			together(i%2 == 0,
				func() { track(t, other, at(id, santiago)) },
				func() { _, err = e.Cancel(t.Context(), ride.ID, "") })
			got, readErr := e.Ride(t.Context(), ride.ID)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if d := driver(t, e, id); err != nil || got.State != dispatch.Cancelled || got.Driver != nil || d.State != dispatch.Available {
				t.Fatalf("round %d: ride %+v, driver %+v, Cancel said %v", i, got, d, err)
			}
			if got.Version == 3 {
				matched++
			}
			if err := e.DeleteDriver(t.Context(), "", id); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%d of %d were matched first", matched, rounds)
	})
}

// together runs both at the same time. The goroutine started last runs first, mostly.
func together(swapped bool, first, second func()) {
	if swapped {
		first, second = second, first
	}
	var group sync.WaitGroup
	group.Go(first)
	group.Go(second)
	group.Wait()
}
