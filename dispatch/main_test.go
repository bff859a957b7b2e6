package dispatch_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/geo"
	"geogate/internal/redistest"
)

// soak runs the proofs at full length: go test -run … -soak -timeout 60m.
var soak = flag.Bool("soak", false, "run the long versions of the proofs")

func TestMain(m *testing.M) {
	flag.Parse()
	dispatch.WaitForRedis()
	if *engineRedis != "" {
		if err := serveEngine(context.Background(), *engineSocket, *engineRedis, *engineOffers); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	asynctest.Main(m)
}

// santiago is where most of these tests take place.
var santiago = geo.Point{Lat: -33.44262, Lon: -70.63054}

// north returns the point so many metres north of santiago.
func north(metres float64) geo.Point {
	return geo.Point{Lat: santiago.Lat + metres/geo.Distance(geo.Point{}, geo.Point{Lat: 1}), Lon: santiago.Lon}
}

// onEachStore runs a test against a real redis-server and the built-in one, or, on
// behalf of TestSuiteOnCluster, against its cluster.
func onEachStore(t *testing.T, test func(t *testing.T, rdb redis.UniversalClient)) {
	t.Helper()
	if cluster != nil {
		rdb := cluster.Client(t)
		flush(t, rdb)
		test(t, rdb)
		return
	}
	t.Run("redis", func(t *testing.T) { test(t, redistest.Start(t).Client(t)) })
	t.Run("built-in", func(t *testing.T) { test(t, redistest.BuiltIn(t)) })
}

// onEveryNode calls do for each server behind a client.
func onEveryNode(t testing.TB, rdb redis.UniversalClient, do func(node *redis.Client) error) {
	t.Helper()
	var err error
	switch rdb := rdb.(type) {
	case *redis.ClusterClient:
		err = rdb.ForEachMaster(t.Context(), func(_ context.Context, node *redis.Client) error { return do(node) })
	case *redis.Client:
		err = do(rdb)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func flush(t testing.TB, rdb redis.UniversalClient) {
	t.Helper()
	onEveryNode(t, rdb, func(node *redis.Client) error { return node.FlushAll(t.Context()).Err() })
}

// keys returns all keys there are, sorted.
func keys(t testing.TB, rdb redis.UniversalClient) []string {
	t.Helper()
	var mu sync.Mutex
	var all []string
	onEveryNode(t, rdb, func(node *redis.Client) error {
		found, err := node.Keys(t.Context(), "*").Result()
		mu.Lock()
		defer mu.Unlock()
		all = append(all, found...)
		return err
	})
	slices.Sort(all)
	return all
}

// run starts engines and stops them when the test ends.
func run(t testing.TB, engines ...*dispatch.Engine) (stop func()) {
	t.Helper()
	return asynctest.Background(t, func(ctx context.Context) error {
		var group errgroup.Group
		for _, e := range engines {
			group.Go(func() error { return e.Run(ctx) })
		}
		return group.Wait()
	})
}

func track(t testing.TB, e *dispatch.Engine, positions ...dispatch.Position) {
	t.Helper()
	result, err := e.Track(t.Context(), positions)
	if err != nil || len(result.Rejected) > 0 {
		t.Fatalf("Track(%v) = %+v, %v", positions, result, err)
	}
}

func at(id string, p geo.Point) dispatch.Position { return dispatch.Position{ID: id, Point: p} }

func request(t testing.TB, e *dispatch.Engine, p geo.Point) dispatch.Ride {
	t.Helper()
	ride, err := e.Request(t.Context(), dispatch.RideRequest{Pickup: p})
	if err != nil {
		t.Fatalf("Request: %v", err)
	}
	return ride
}

func driver(t testing.TB, e *dispatch.Engine, id string) dispatch.Driver {
	t.Helper()
	d, err := e.Driver(t.Context(), "", id)
	if err != nil {
		t.Fatalf("Driver(%q): %v", id, err)
	}
	return d
}

// reach waits until the ride is in a state.
func reach(t testing.TB, e *dispatch.Engine, id string, state dispatch.State) dispatch.Ride {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ride, err := e.Ride(ctx, id)
	for err == nil && ride.State != state && !ride.State.Ended() && ctx.Err() == nil {
		ride, err = e.Wait(ctx, id, ride.Revision)
	}
	if err != nil || ride.State != state {
		t.Fatalf("ride = %+v, %v, want it to become %s", ride, err, state)
	}
	return ride
}

// stateOf returns the state that a StateError carries, or the error itself.
func stateOf(err error) string {
	if state, ok := errors.AsType[*dispatch.StateError](err); ok {
		return string(state.Ride.State)
	}
	return fmt.Sprint(err)
}
