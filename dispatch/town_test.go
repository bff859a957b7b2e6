package dispatch_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/dispatch/dispatchtest"
	"geogate/internal/asynctest"
)

// soakRegions are those of engine processes. Rounds play in the first one.
var soakRegions = []string{dispatch.DefaultRegion, "north"}

// townDrivers is how many drivers a town has, and townKeys how many idempotency keys its
// riders share, so that they are used again and again.
const (
	townDrivers = 12
	townKeys    = 40
)

// town is a workload that a model would be too simple for: drivers move, within a region
// and to the other one, change vehicle and tags, report times that are old or in the
// future, go off shift, and are deleted; riders filter, and use keys again, in either region. It
// is checked by what was handed on and by all that is in Redis.
type town struct {
	t       *testing.T
	engines []caller
	offers  bool
	calm    sync.Locker // held while nothing may die

	mu         sync.Mutex
	rides      []string
	keys       map[string]map[string]bool // idempotency key → rides that it led to
	operations int
}

// outcomes that clients may meet; everything else is a fault.
var outcomes = []error{dispatch.ErrNotFound, dispatch.ErrTooLate, dispatch.ErrDriverEngaged, dispatch.ErrKeyReused}

// do calls an engine until it has an answer.
func (c *town) do(client int, what string, call func(e caller) error) error {
	for attempt := 0; ; attempt++ {
		err := call(c.engines[(client+attempt)%len(c.engines)])
		if errors.Is(err, dispatch.ErrUnavailable) {
			if !pauseOf(c.t) {
				return err
			}
			continue
		}
		c.mu.Lock()
		c.operations++
		c.mu.Unlock()
		if err != nil && !slices.ContainsFunc(outcomes, func(known error) bool { return errors.Is(err, known) }) {
			c.t.Errorf("%s: %v", what, err)
		}
		return err
	}
}

func (c *town) client(n, operations int, rng *rand.Rand) {
	ctx := c.t.Context()
	for i := range operations {
		driver, id := fmt.Sprint(rng.IntN(townDrivers)), c.anyRide(rng)
		switch k := rng.IntN(100); {
		case k < 40:
			reports := make([]dispatch.Position, 1+rng.IntN(4))
			for i := range reports {
				reports[i] = anyReport(driver, rng)
			}
			_ = c.do(n, "track", func(e caller) error {
				_, err := e.Track(ctx, reports)
				return err
			})
		case k < 62 || id == "":
			c.request(n, anyRequest(n, i, rng))
		case k < 70:
			_ = c.do(n, "cancel", func(e caller) error { _, err := e.Cancel(ctx, id, ""); return err })
		case k < 82:
			_ = c.do(n, "complete", func(e caller) error { _, err := e.Complete(ctx, id, ""); return err })
		case k < 86:
			_ = c.do(n, "delete driver", func(e caller) error { return e.DeleteDriver(ctx, "", driver) })
		case k < 89:
			on := rng.IntN(3) > 0
			_ = c.do(n, "set shift", func(e caller) error { _, err := e.SetShift(ctx, "", driver, on); return err })
		case k < 91 || !c.offers:
			_ = c.do(n, "driver", func(e caller) error { _, err := e.Driver(ctx, "", driver); return err })
		default:
			c.answerOffer(n, driver, rng)
		}
	}
}

// anyReport is where a driver may say that they are, and when.
func anyReport(driver string, rng *rand.Rand) dispatch.Position {
	p := in(soakRegions[min(rng.IntN(6), 1)], at(driver, north(rng.Float64()*3000)))
	switch rng.IntN(10) {
	case 0:
		p.Time = time.Now().Add(-2 * time.Hour) // older than anybody may be unheard of
	case 1:
		p.Time = time.Now().Add(-time.Second)
	case 2:
		p.Time = time.Now().Add(time.Hour)
	case 3, 4, 5:
		p.Time = time.Now()
	}
	if rng.IntN(3) == 0 {
		p.Vehicle = new([]string{"", "van", "car"}[rng.IntN(3)])
	}
	if rng.IntN(3) == 0 {
		p.Tags = new(anyTags(rng))
	}
	return p
}

func anyTags(rng *rand.Rand) []string {
	return [][]string{{}, {"xl"}, {"pet"}, {"xl", "pet"}}[rng.IntN(4)]
}

// anyRequest asks for a ride, half of the time with a key that others use as well.
func anyRequest(client, i int, rng *rand.Rand) dispatch.RideRequest {
	r := dispatch.RideRequest{
		Pickup: north(rng.Float64() * 3000), Region: soakRegions[rng.IntN(2)], RiderID: fmt.Sprint("rider", client),
		IdempotencyKey: fmt.Sprint(client, "/", i), Fingerprint: "f",
	}
	if rng.IntN(2) == 0 {
		r.IdempotencyKey = fmt.Sprint("shared ", rng.IntN(townKeys))
	}
	if rng.IntN(4) == 0 {
		r.Vehicle = "van"
	}
	if rng.IntN(4) == 0 {
		r.Tags = []string{"xl"}
	}
	return r
}

func (c *town) request(n int, r dispatch.RideRequest) {
	var ride dispatch.Ride
	err := c.do(n, "request", func(e caller) (err error) {
		ride, err = e.Request(c.t.Context(), r)
		return err
	})
	if err != nil {
		return // the key was used elsewhere
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rides = append(c.rides, ride.ID)
	if c.keys[r.IdempotencyKey] == nil {
		c.keys[r.IdempotencyKey] = make(map[string]bool)
	}
	c.keys[r.IdempotencyKey][ride.ID] = true
}

func (c *town) answerOffer(n int, driver string, rng *rand.Rand) {
	ctx := c.t.Context()
	var offers []dispatch.Offer
	err := c.do(n, "offers", func(e caller) (err error) {
		offers, err = e.OffersNow(ctx, "", driver)
		return err
	})
	if err != nil || len(offers) == 0 {
		return
	}
	answer := caller.Accept
	if rng.IntN(3) == 0 {
		answer = caller.Decline
	}
	_ = c.do(n, "answer offer", func(e caller) error {
		_, err := answer(e, ctx, offers[0].ID, driver)
		return err
	})
}

func (c *town) anyRide(rng *rand.Rand) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rides) == 0 {
		return ""
	}
	return c.rides[len(c.rides)-1-rng.IntN(min(len(c.rides), 20))]
}

// play runs the clients, waits until no ride searches any more, and checks.
func (c *town) play(rdb redis.UniversalClient, seed uint64, operations int) {
	c.t.Helper()
	c.keys = make(map[string]map[string]bool)
	var group sync.WaitGroup
	for n := range clients {
		group.Go(func() { c.client(n, operations/clients, rand.New(rand.NewPCG(seed, uint64(n)))) })
	}
	group.Wait()
	for id := range setOf(c.rides) {
		asynctest.Eventually(c.t, "ride "+id+" matches or ends", func() bool {
			var ride dispatch.Ride
			err := c.do(0, "ride", func(e caller) (err error) {
				ride, err = e.Ride(c.t.Context(), id)
				return err
			})
			return err == nil && (ride.State.Ended() || ride.State == dispatch.Matched)
		})
	}
	c.calm.Lock()
	defer c.calm.Unlock()
	emitted := told(c.t, rdb, soakRegions...)
	histories := make(map[string]dispatchtest.History)
	rides := 0
	for _, region := range soakRegions {
		h, err := dispatchtest.Read(c.t.Context(), rdb, region, emitted[region]...)
		if err != nil {
			c.t.Fatal(err)
		}
		histories[region] = h
		rides += len(h.Rides)
		for _, err := range dispatchtest.Check(h, dispatchtest.Rules{DriverTTL: time.Hour, Slack: dispatch.Lease + 5*time.Second}) {
			c.t.Errorf("seed %d, %s: %v", seed, region, err)
		}
	}
	for _, err := range dispatchtest.CheckRegions(histories) {
		c.t.Errorf("seed %d: %v", seed, err)
	}
	for key, led := range c.keys {
		if len(led) != 1 {
			c.t.Errorf("seed %d: key %q led to %d rides", seed, key, len(led))
		}
	}
	if acknowledged := len(setOf(c.rides)); rides != acknowledged {
		c.t.Errorf("seed %d: %d rides exist, %d were acknowledged", seed, rides, acknowledged)
	}
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// TestTown plays towns on engines of this process, with and without offers.
func TestTown(t *testing.T) {
	operations := 200
	if *soak {
		operations = 4000
	}
	seed := uint64(time.Now().UnixNano())
	for _, offers := range []bool{false, true} {
		t.Run(fmt.Sprintf("offers=%t", offers), func(t *testing.T) {
			onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
				t.Logf("seed %d", seed)
				engines := []*dispatch.Engine{newEngine(rdb, offers), newEngine(rdb, offers), newEngine(rdb, offers)}
				run(t, engines...)
				c := &town{t: t, engines: []caller{engines[0], engines[1], engines[2]}, offers: offers, calm: &sync.Mutex{}}
				c.play(rdb, seed, operations)
			})
		})
	}
}
