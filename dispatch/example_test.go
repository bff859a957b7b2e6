package dispatch_test

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/embedded"
	"geogate/internal/geo"
)

// A ride from request to completion. A server also calls Run, which keeps deadlines
// and tries again for rides that found nobody at first.
func Example() {
	server := embedded.New()
	defer server.Close()
	rdb := server.Client(redis.Options{})
	defer func() { _ = rdb.Close() }()

	ctx := context.Background()
	engine := dispatch.New(rdb, dispatch.Config{})
	_, err := engine.Track(ctx, []dispatch.Position{{ID: "7", Point: geo.Point{Lat: -33.44091, Lon: -70.6301}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ride, err := engine.Request(ctx, dispatch.RideRequest{Pickup: geo.Point{Lat: -33.44262, Lon: -70.63054}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s with driver %s, %.0f m away\n", ride.State, ride.Driver.DriverID, ride.Driver.DistanceM)

	// The driver is at the pickup, and then the rider is on board.
	_, err = engine.Arrive(ctx, ride.ID, "7")
	fmt.Println(err)
	_, err = engine.Start(ctx, ride.ID, "7")
	fmt.Println(err)

	_, err = engine.Cancel(ctx, ride.ID, "changed_mind")
	fmt.Println(err)

	ride, err = engine.Complete(ctx, ride.ID, "7")
	fmt.Println(ride.State, err)
	// Output:
	// matched with driver 7, 195 m away
	// <nil>
	// <nil>
	// cancel ride: ride is started
	// completed <nil>
}

// An event stream, for as long as the ride lives.
func ExampleEngine_Changes() {
	server := embedded.New()
	defer server.Close()
	rdb := server.Client(redis.Options{})
	defer func() { _ = rdb.Close() }()

	ctx := context.Background()
	engine := dispatch.New(rdb, dispatch.Config{})
	ride, err := engine.Request(ctx, dispatch.RideRequest{Pickup: geo.Point{Lat: 47.14, Lon: 9.52}})
	if err != nil {
		fmt.Println(err)
		return
	}
	last := dispatch.Revision("") // or the Last-Event-ID of a client that comes back
	for ended := false; !ended; {
		versions, _, err := engine.Changes(ctx, ride.ID, last)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, v := range versions {
			fmt.Println(v.Version, v.State)
			last, ended = v.Revision, v.State.Ended()
		}
		if !ended {
			if _, err := engine.Cancel(ctx, ride.ID, ""); err != nil {
				fmt.Println(err)
				return
			}
		}
	}
	// Output:
	// 1 searching
	// 2 cancelled
}
