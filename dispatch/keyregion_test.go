package dispatch_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/faultproxy"
	"geogate/internal/redistest"
)

var twoRegions = []string{"north", "south"}

func keyed(region string) dispatch.RideRequest {
	return dispatch.RideRequest{Pickup: santiago, Region: region, IdempotencyKey: "k", Fingerprint: "f"}
}

// ridesIn is how many rides of each region live.
func ridesIn(t *testing.T, rdb redis.UniversalClient) map[string]int64 {
	t.Helper()
	n := make(map[string]int64)
	for _, region := range twoRegions {
		live, err := rdb.ZCard(t.Context(), "geogate:{"+region+"}:due").Result()
		if err != nil {
			t.Fatal(err)
		}
		n[region] = live
	}
	return n
}

func wantRides(t *testing.T, rdb redis.UniversalClient, north, south int64) {
	t.Helper()
	if n := ridesIn(t, rdb); n["north"] != north || n["south"] != south {
		t.Errorf("rides %v, want %d in the north and %d in the south", n, north, south)
	}
}

func TestAnIdempotencyKeyIsOneOverAllRegions(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions})
		first, err := e.Request(ctx, keyed("north"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Request(ctx, keyed("south")); !errors.Is(err, dispatch.ErrKeyReused) {
			t.Errorf("same key in another region: %v, want reused", err)
		}
		if _, _, err := e.ClaimKey(ctx, "south", "", "k", "f"); !errors.Is(err, dispatch.ErrKeyReused) {
			t.Errorf("claim of the same key in another region: %v, want reused", err)
		}
		if again, err := e.Request(ctx, keyed("north")); err != nil || again.ID != first.ID {
			t.Errorf("same key again = %+v, %v, want its ride", again, err)
		}
		if _, err := e.Cancel(ctx, first.ID, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Request(ctx, keyed("south")); !errors.Is(err, dispatch.ErrKeyReused) {
			t.Errorf("same key in another region after the end: %v, want reused", err)
		}
		wantRides(t, rdb, 0, 0)
	})
}

func TestAKeyInFlightInAnotherRegion(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions})
		claim, _, err := e.ClaimKey(ctx, "north", "", "k", "f")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Request(ctx, keyed("south")); !errors.Is(err, dispatch.ErrKeyReused) {
			t.Errorf("key in flight elsewhere: %v, want reused", err)
		}
		// The address was not found, so nothing came of the key.
		if err := e.DropKey(ctx, "north", "", "k", claim); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Request(ctx, keyed("south")); err != nil {
			t.Errorf("key given back elsewhere: %v, want a ride", err)
		}
		late := keyed("north")
		late.Claim = claim
		if _, err := e.Request(ctx, late); !errors.Is(err, dispatch.ErrKeyReused) {
			t.Errorf("the dropped claim is used after all: %v, want reused", err)
		}
		wantRides(t, rdb, 0, 1)
	})
}

// A process dies, or sleeps, between the steps of a request.
func TestAKeyWhoseRequestStopsBetweenTwoSteps(t *testing.T) {
	tests := []struct {
		name string
		stop func(t *testing.T, e *dispatch.Engine)
	}{
		{"before the ride", func(t *testing.T, e *dispatch.Engine) {
			if _, err := e.BeginRequest(t.Context(), keyed("north")); err != nil {
				t.Fatal(err)
			}
		}},
		{"in a move to the south", func(t *testing.T, e *dispatch.Engine) {
			if _, err := e.BeginRequest(t.Context(), keyed("north")); err != nil {
				t.Fatal(err)
			}
			if err := e.LeaveKey(t.Context(), "k", "south"); err != nil {
				t.Fatal(err)
			}
		}},
		{"in a claim", func(t *testing.T, e *dispatch.Engine) {
			claim, _, err := e.ClaimKey(t.Context(), "north", "", "k", "f")
			if err != nil {
				t.Fatal(err)
			}
			if err := e.DropKey(t.Context(), "north", "", "k", claim); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		for i, region := range twoRegions {
			t.Run(tt.name+", again in the "+region, func(t *testing.T) {
				onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
					e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions})
					tt.stop(t, e)
					made, err := e.Request(t.Context(), keyed(region))
					if err != nil {
						t.Fatalf("the key leads nowhere: %v", err)
					}
					if again, err := e.Request(t.Context(), keyed(region)); err != nil || again.ID != made.ID {
						t.Errorf("again = %+v, %v, want the same ride", again, err)
					}
					if _, err := e.Request(t.Context(), keyed(twoRegions[1-i])); !errors.Is(err, dispatch.ErrKeyReused) {
						t.Errorf("in the other region: %v, want reused", err)
					}
					wantRides(t, rdb, int64(1-i), int64(i))
				})
			})
		}
	}
}

func TestALateRequestMakesNoSecondRide(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions})
		finish, err := e.BeginRequest(t.Context(), keyed("north"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Request(t.Context(), keyed("south")); err != nil {
			t.Fatal(err)
		}
		if code, err := finish(); err != nil || code != "key_moved" {
			t.Errorf("the late request: %q, %v, want it refused", code, err)
		}
		wantRides(t, rdb, 0, 1)
	})
}

// Both regions are asked with the same keys at the same time, over connections that lose
// answers. Clients repeat until they hear something else than "unavailable".
func TestOneRideAKeyOverAllRegions(t *testing.T) {
	server := redistest.Start(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	proxy := faultproxy.New(t, server.Addr, 0.1, seed)
	rdb := unrepeating(proxy.Addr)
	t.Cleanup(func() { _ = rdb.Close() })
	e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions, MaxRides: 1000})
	var group sync.WaitGroup
	for n := range 40 {
		var mu sync.Mutex
		rides := make(map[string]bool)
		asked := make(chan struct{})
		for client := range 4 {
			rng := rand.New(rand.NewPCG(seed, uint64(4*n+client)))
			group.Go(func() {
				ask := keyed(twoRegions[rng.IntN(2)])
				ask.IdempotencyKey = fmt.Sprint(n)
				<-asked
				for {
					ride, err := e.Request(t.Context(), ask)
					switch {
					case errors.Is(err, dispatch.ErrUnavailable) && t.Context().Err() == nil:
						continue
					case err == nil:
						mu.Lock()
						rides[ride.ID] = true
						mu.Unlock()
					case !errors.Is(err, dispatch.ErrKeyReused):
						t.Error(err)
					}
					return
				}
			})
		}
		close(asked)
		group.Wait()
		if len(rides) != 1 {
			t.Errorf("key %d led to %d rides, want one", n, len(rides))
		}
	}
	if n := ridesIn(t, server.Client(t)); n["north"]+n["south"] != 40 {
		t.Errorf("%v rides of 40 keys", n)
	}
	if proxy.Lost() == 0 {
		t.Error("no reply was lost: nothing was tested")
	}
}
