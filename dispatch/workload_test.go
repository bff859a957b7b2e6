package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/dispatch/dispatchtest"
	"geogate/internal/asynctest"
	"geogate/internal/faultproxy"
	"geogate/internal/geo"
	"geogate/internal/redistest"
)

// workloadConfig makes everything that the clock does happen within a round.
func workloadConfig(offers bool) dispatch.Config {
	cfg := dispatch.Config{
		Timeout: 250 * time.Millisecond, Interval: 20 * time.Millisecond, DriverTTL: time.Hour, StreamLen: 1_000_000,
	}
	if offers {
		cfg.OfferTTL = 30 * time.Millisecond
	}
	return cfg
}

const (
	clients = 8
	drivers = 6
)

// caller is an engine that clients call: in this process, or in another one.
type caller interface {
	Track(ctx context.Context, positions []dispatch.Position) (dispatch.TrackResult, error)
	Request(ctx context.Context, r dispatch.RideRequest) (dispatch.Ride, error)
	Ride(ctx context.Context, id string) (dispatch.Ride, error)
	Cancel(ctx context.Context, id, reason string) (dispatch.Ride, error)
	Arrive(ctx context.Context, id, driver string) (dispatch.Ride, error)
	Start(ctx context.Context, id, driver string) (dispatch.Ride, error)
	Complete(ctx context.Context, id, driver string) (dispatch.Ride, error)
	Release(ctx context.Context, id, driver, reason string) (dispatch.Ride, error)
	Driver(ctx context.Context, region, id string) (dispatch.Driver, error)
	OffersNow(ctx context.Context, region, driver string) ([]dispatch.Offer, error)
	Accept(ctx context.Context, offer, driver string) (dispatch.Ride, error)
	Decline(ctx context.Context, offer, driver string) (dispatch.Ride, error)
	DeleteDriver(ctx context.Context, region, id string) error
	SetShift(ctx context.Context, region, id string, on bool) (dispatch.Driver, error)
}

// round is one seeded workload on one empty Redis and the history of it.
type round struct {
	t       *testing.T
	engines []caller // what the clients call
	offers  bool
	byTime  bool        // drivers are chosen by times that the checks do not know
	emit    bool        // the engines hand events on, see publish
	calm    sync.Locker // held while nothing may die
	started time.Time

	mu      sync.Mutex
	rides   []string
	history []porcupine.Operation
}

// position is where a driver stands; they never move.
func position(driver int) geo.Point { return north(float64(driver) * 137) }

// do calls an engine until it has an answer, and notes the operation from the first
// call to that answer.
func (r *round) do(client int, op operation, call func(e caller) (outcome, error)) outcome {
	called := time.Since(r.started).Nanoseconds()
	retried := false
	for attempt := 0; ; attempt++ {
		out, err := call(r.engines[(client+attempt)%len(r.engines)])
		var state *dispatch.StateError
		switch {
		case errors.Is(err, dispatch.ErrUnavailable):
			retried = true
			if !pauseOf(r.t) {
				return outcome{}
			}
			continue
		case errors.As(err, &state):
			out = outcome{ride: &state.Ride, tooLate: true}
		case errors.Is(err, dispatch.ErrNotFound) && op.driver != "":
			out = outcome{unknown: true}
		case err != nil:
			r.t.Errorf("%s %s: %v", op.kind, op.id, err)
			return outcome{}
		}
		out.retried = retried
		if op.kind == "request" {
			op.id = out.ride.ID
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.history = append(r.history, porcupine.Operation{
			ClientId: client, Input: op, Call: called, Output: out, Return: time.Since(r.started).Nanoseconds(),
		})
		if retried && (out.tooLate || out.unknown) {
			// What was sent first may still be on its way, and come when it is possible.
			r.history = append(r.history, porcupine.Operation{
				ClientId: client, Input: op, Call: called, Output: outcome{late: true}, Return: math.MaxInt64,
			})
		}
		if op.kind == "request" {
			r.rides = append(r.rides, out.ride.ID)
		}
		return out
	}
}

// pauseOf lets pass the time in which something that was sent, and whose answer was
// lost, is mostly still on its way. It reports false when the test is over.
func pauseOf(t *testing.T) bool {
	timer := time.NewTimer(10 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-t.Context().Done():
		return false
	case <-timer.C:
		return true
	}
}

func rideOutcome(ride dispatch.Ride, err error) (outcome, error) {
	return outcome{ride: &ride}, err
}

// client carries out operations drawn from its own source.
func (r *round) client(n, operations int, rng *rand.Rand) {
	ctx := r.t.Context()
	for i := range operations {
		id := r.anyRide(rng)
		driver := fmt.Sprint(rng.IntN(drivers))
		switch k := rng.IntN(100); {
		case k < 25 || id == "":
			req := dispatch.RideRequest{
				Pickup: north(rng.Float64() * 1000), IdempotencyKey: fmt.Sprint(n, "/", i), Fingerprint: "f",
			}
			r.do(n, operation{kind: "request"}, func(e caller) (outcome, error) {
				return rideOutcome(e.Request(ctx, req))
			})
		case k < 40:
			r.do(n, operation{kind: "cancel", id: id}, func(e caller) (outcome, error) {
				return rideOutcome(e.Cancel(ctx, id, ""))
			})
		case k < 45:
			r.do(n, operation{kind: "complete", id: id}, func(e caller) (outcome, error) {
				return rideOutcome(e.Complete(ctx, id, ""))
			})
		case k < 60:
			r.driverStep(n, id, rng)
		case k < 65:
			r.do(n, operation{kind: "ride", id: id}, func(e caller) (outcome, error) {
				return rideOutcome(e.Ride(ctx, id))
			})
		case k < 75:
			p := rng.IntN(drivers)
			r.do(n, operation{kind: "track", id: fmt.Sprint(p)}, func(e caller) (outcome, error) {
				_, err := e.Track(ctx, []dispatch.Position{at(fmt.Sprint(p), position(p))})
				return outcome{}, err
			})
		case k < 80 || !r.offers:
			r.readDriver(n, driver)
		default:
			r.answerOffer(n, driver, rng)
		}
	}
}

// driverStep takes a step as the driver who has the ride or, now and then, as another.
func (r *round) driverStep(n int, id string, rng *rand.Rand) {
	ctx, driver := r.t.Context(), fmt.Sprint(rng.IntN(drivers))
	out := r.do(n, operation{kind: "ride", id: id}, func(e caller) (outcome, error) {
		return rideOutcome(e.Ride(ctx, id))
	})
	if out.ride != nil && out.ride.Driver != nil && rng.IntN(8) > 0 {
		driver = out.ride.Driver.DriverID
	}
	steps := map[string]func(e caller) (dispatch.Ride, error){
		"arrive":   func(e caller) (dispatch.Ride, error) { return e.Arrive(ctx, id, driver) },
		"start":    func(e caller) (dispatch.Ride, error) { return e.Start(ctx, id, driver) },
		"complete": func(e caller) (dispatch.Ride, error) { return e.Complete(ctx, id, driver) },
		"release":  func(e caller) (dispatch.Ride, error) { return e.Release(ctx, id, driver, "") },
	}
	kind := []string{"arrive", "start", "complete", "release"}[rng.IntN(4)]
	r.do(n, operation{kind: kind, id: id, driver: driver}, func(e caller) (outcome, error) {
		return rideOutcome(steps[kind](e))
	})
}

func (r *round) readDriver(n int, id string) {
	r.do(n, operation{kind: "driver", id: id}, func(e caller) (outcome, error) {
		d, err := e.Driver(r.t.Context(), dispatch.DefaultRegion, id)
		if errors.Is(err, dispatch.ErrNotFound) {
			return outcome{}, nil
		}
		return outcome{driver: &d}, err
	})
}

func (r *round) answerOffer(n int, driver string, rng *rand.Rand) {
	offers, err := r.engines[n%len(r.engines)].OffersNow(r.t.Context(), "", driver)
	if err != nil || len(offers) == 0 {
		return // a lost reply: the offer lapses or is read again
	}
	op := operation{kind: "accept", id: offers[0].RideID, driver: driver}
	answer := caller.Accept
	if rng.IntN(3) == 0 {
		op.kind, answer = "decline", caller.Decline
	}
	r.do(n, op, func(e caller) (outcome, error) {
		return rideOutcome(answer(e, r.t.Context(), offers[0].ID, driver))
	})
}

func (r *round) anyRide(rng *rand.Rand) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rides) == 0 {
		return ""
	}
	// Mostly a recent one: those are alive.
	recent := min(len(r.rides), 20)
	return r.rides[len(r.rides)-1-rng.IntN(recent)]
}

// play runs the clients, waits until no ride searches any more, and checks.
func (r *round) play(rdb redis.UniversalClient, seed uint64, operations int) {
	r.t.Helper()
	r.started = time.Now()
	var group sync.WaitGroup
	for n := range clients {
		group.Go(func() { r.client(n, operations/clients, rand.New(rand.NewPCG(seed, uint64(n)))) })
	}
	group.Wait()
	for _, id := range append([]string(nil), r.rides...) {
		asynctest.Eventually(r.t, "ride "+id+" matches or ends", func() bool {
			out := r.do(clients, operation{kind: "ride", id: id}, func(e caller) (outcome, error) {
				return rideOutcome(e.Ride(r.t.Context(), id))
			})
			return out.ride != nil && (out.ride.State.Ended() || underWay(out.ride.State))
		})
	}
	for d := range drivers {
		r.readDriver(clients, fmt.Sprint(d))
	}
	if result := porcupine.CheckOperationsTimeout(model(r.offers), r.history, 3*time.Minute); result != porcupine.Ok {
		r.t.Errorf("seed %d: the history of %d operations is not linearizable: %s", seed, len(r.history), result)
	}
	h, err := r.read(rdb)
	if err != nil {
		r.t.Fatal(err)
	}
	positions := make(map[string]geo.Point)
	for d := range drivers {
		if !r.byTime {
			positions[fmt.Sprint(d)] = position(d)
		}
	}
	for _, err := range dispatchtest.Check(h, dispatchtest.Rules{
		DriverTTL: time.Hour, Slack: dispatch.Lease + 5*time.Second, Positions: positions,
	}) {
		r.t.Errorf("seed %d: %v", seed, err)
	}
	if len(h.Rides) != len(r.rides) {
		r.t.Errorf("seed %d: %d rides exist, %d were acknowledged", seed, len(h.Rides), len(r.rides))
	}
}

func (r *round) read(rdb redis.UniversalClient) (dispatchtest.History, error) {
	r.calm.Lock()
	defer r.calm.Unlock()
	var emitted []dispatch.Event
	if r.emit {
		emitted = told(r.t, rdb, dispatch.DefaultRegion)[dispatch.DefaultRegion]
	}
	return dispatchtest.Read(r.t.Context(), rdb, dispatch.DefaultRegion, emitted...)
}

// TestHistoriesHold plays random workloads of several clients on three engines, with
// and without offers, and checks each with porcupine and from the event stream.
func TestHistoriesHold(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rounds, operations := 3, 400
	if testing.Short() {
		rounds = 1
	}
	for _, offers := range []bool{false, true} {
		t.Run(fmt.Sprintf("offers=%t", offers), func(t *testing.T) {
			onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
				cfg := workloadConfig(offers)
				engines := []*dispatch.Engine{dispatch.New(rdb, cfg), dispatch.New(rdb, cfg), dispatch.New(rdb, cfg)}
				run(t, engines...)
				called := []caller{engines[0], engines[1], engines[2]}
				for n := range rounds {
					t.Logf("seed %d", seed+uint64(n))
					r := &round{t: t, engines: called, offers: offers, calm: &sync.Mutex{}}
					r.play(rdb, seed+uint64(n), operations)
					flush(t, rdb)
				}
			})
		})
	}
}

// TestHistoriesHoldByTime does the same where processes choose among the drivers that
// scripts have named, in an order that changes all the time.
func TestHistoriesHoldByTime(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for _, offers := range []bool{false, true} {
		t.Run(fmt.Sprintf("offers=%t", offers), func(t *testing.T) {
			onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
				t.Logf("seed %d", seed)
				cfg := workloadConfig(offers)
				cfg.Times = func(_ context.Context, from []geo.Point, _ geo.Point) ([]float64, error) {
					times := make([]float64, len(from))
					for i := range times {
						times[i] = rand.Float64()
					}
					return times, nil
				}
				engines := []*dispatch.Engine{dispatch.New(rdb, cfg), dispatch.New(rdb, cfg), dispatch.New(rdb, cfg)}
				run(t, engines...)
				r := &round{t: t, engines: []caller{engines[0], engines[1], engines[2]}, offers: offers, byTime: true, calm: &sync.Mutex{}}
				r.play(rdb, seed, 400)
			})
		})
	}
}

// unrepeating returns a client that does not repeat anything by itself: the history
// has to know what was repeated (see outcome.retried).
func unrepeating(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: addr, ContextTimeoutEnabled: true, DisableIdentity: true, MaxRetries: -1, ReadTimeout: 250 * time.Millisecond,
	})
}

// TestHistoriesHoldWithLostReplies does the same through a proxy that cuts a share of
// the connections after the server has done what it was asked.
func TestHistoriesHoldWithLostReplies(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for _, offers := range []bool{false, true} {
		t.Run(fmt.Sprintf("offers=%t", offers), func(t *testing.T) {
			t.Logf("seed %d", seed)
			server := redistest.Start(t)
			proxy := faultproxy.New(t, server.Addr, 0.03, seed)
			var engines []caller
			for range 3 {
				rdb := unrepeating(proxy.Addr)
				t.Cleanup(func() { _ = rdb.Close() })
				e := dispatch.New(rdb, workloadConfig(offers))
				run(t, e)
				engines = append(engines, e)
			}
			r := &round{t: t, engines: engines, offers: offers, calm: &sync.Mutex{}}
			r.play(server.Client(t), seed, 400)
			if proxy.Lost() == 0 {
				t.Error("no reply was lost: nothing was tested")
			}
		})
	}
}
