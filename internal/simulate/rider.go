package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"geogate/internal/geo"
	"geogate/internal/pause"
)

const (
	// patience is how long riders search on average before they cancel.
	patience = 40 * time.Second
	// retryMost is the longest pause between two tries of a request.
	retryMost = 5 * time.Second
	// vanished is the state of a ride that geogate does not know any more.
	vanished = "vanished"
)

// trip is one rider from the press of the button to the end.
type trip struct {
	*simulation
	rng    *rand.Rand
	pickup geo.Point
	key    string
	asked  int64  // when, in microseconds
	ride   ride   // as last seen
	etag   string // of the last answer that had one
}

// ridesComing lets riders come, at random and independently of each other,
// until open ends. It returns when the last of them has gone.
func (s *simulation) ridesComing(open, work context.Context) {
	rng := rand.New(s.seedOf("arrivals"))
	var trips sync.WaitGroup
	defer trips.Wait()
	for n := 0; ; n++ {
		_ = pause.For(open, time.Duration(rng.ExpFloat64()/s.cfg.RidesPerSecond*float64(time.Second)))
		if open.Err() != nil {
			return
		}
		if s.live.Load() >= int64(s.cfg.MaxLive) {
			s.count(func(r *Report) { r.TurnedAway++ })
			continue
		}
		seed := rand.New(s.seedOf("rider " + strconv.Itoa(n)))
		t := &trip{simulation: s, rng: seed, pickup: s.city.place(seed), key: fmt.Sprintf("simulate-%s-%d", s.run, n)}
		s.live.Add(1)
		trips.Go(func() {
			defer s.live.Add(-1)
			t.travel(open, work)
		})
	}
}

func (t *trip) travel(open, work context.Context) {
	t.count(func(r *Report) { r.Rides++ })
	if !t.ask(work) {
		t.count(func(r *Report) { r.Lost++ })
		return
	}
	patient, cancel := context.WithTimeout(open, time.Duration(t.rng.ExpFloat64()*float64(patience)))
	defer cancel()
	for t.isSearching() || t.ride.State == "matched" {
		t.count(func(r *Report) { r.searching(+1) })
		matched := t.search(patient, work)
		t.count(func(r *Report) { r.searching(-1) })
		if !matched || work.Err() != nil {
			break
		}
		t.drive(open, work) // a driver who was lost leaves the ride searching again
	}
	t.count(func(r *Report) { r.ended(t.ride.State) })
}

// ask asks until there is an answer, with one key. Some riders press twice.
func (t *trip) ask(ctx context.Context) bool {
	body := map[string]any{"lat": t.pickup.Lat, "lng": t.pickup.Lon}
	if t.cfg.Region != "" {
		body["region"] = t.cfg.Region
	}
	once := func(ctx context.Context) (ride, answer) {
		return t.client.rideCall(ctx, OpAsk, request{
			method: http.MethodPost, path: "/v2/search", route: "POST /v2/search", body: body,
			header: map[string]string{"Idempotency-Key": t.key}, accepted: []int{http.StatusConflict},
		}, Record{Key: t.key})
	}
	var twin sync.WaitGroup
	if t.rng.IntN(10) == 0 {
		twin.Go(func() { once(ctx) })
	}
	defer twin.Wait()
	for wait := 250 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, retryMost) {
		got, a := once(ctx)
		if t.asked == 0 {
			t.asked = a.sent
		}
		if a.status == http.StatusOK {
			t.saw(got)
			return true
		}
		if a.status/100 == 4 && a.status != http.StatusConflict && a.status != http.StatusTooManyRequests {
			return false // asking the same again is of no use
		}
		_ = pause.For(ctx, max(wait, a.retryAfter))
	}
	return false
}

// saw takes in a version of the ride, unless a later one is known.
func (t *trip) saw(got ride) {
	if got.Version < t.ride.Version {
		return
	}
	first := got.State == "matched" && t.ride.State != "matched"
	t.ride = got
	if first {
		told := time.Duration(t.client.now()-t.asked) * time.Microsecond
		t.count(func(r *Report) { r.matched(told) })
		if d := t.byID[got.driver()]; d != nil {
			d.goTo(t.pickup)
		}
	}
}

// search follows the ride until it is matched or has ended, and cancels it
// when the rider is out of patience. It reports whether it was matched.
func (t *trip) search(patient, work context.Context) bool {
	byEvents := t.rng.IntN(2) == 0
	for t.isSearching() && work.Err() == nil {
		switch {
		case patient.Err() != nil:
			t.post(work, OpCancel)
		case byEvents:
			t.client.events(patient, t.ride.RequestID, func(got ride) bool {
				t.saw(got)
				return t.isSearching()
			})
			byEvents = false // the other way, should the stream have ended early
		default:
			t.poll(patient)
		}
	}
	return t.ride.State == "matched"
}

func (t *trip) isSearching() bool {
	return t.ride.State == "searching" || t.ride.State == "offered"
}

// poll waits for the next version.
func (t *trip) poll(ctx context.Context) {
	got, a := t.client.rideCall(ctx, OpSee, request{
		method: http.MethodGet, path: "/v2/requests/" + t.ride.RequestID + "?wait=" + waitAsked, route: "GET /v2/requests/{id}",
		header:   map[string]string{"If-None-Match": t.etag},
		accepted: []int{http.StatusNotModified},
	}, Record{Ride: t.ride.RequestID})
	if a.etag != "" {
		t.etag = a.etag
	}
	t.take(ctx, got, a)
}

// post cancels or completes the ride; too late is an answer too.
func (t *trip) post(ctx context.Context, op string) {
	got, a := t.client.rideCall(ctx, op, request{
		method: http.MethodPost, path: "/v2/" + op, route: "POST /v2/" + op,
		body: map[string]string{"request_id": t.ride.RequestID}, accepted: []int{http.StatusConflict},
	}, Record{Ride: t.ride.RequestID})
	if a.status == http.StatusConflict { // it tells the state only
		t.poll(ctx)
		return
	}
	t.take(ctx, got, a)
}

func (t *trip) take(ctx context.Context, got ride, a answer) {
	switch a.status {
	case http.StatusOK:
		t.saw(got)
	case http.StatusNotModified:
	case http.StatusNotFound:
		t.ride.State = vanished
	default:
		_ = pause.For(ctx, max(time.Second, a.retryAfter))
	}
}

// look asks how the ride stands now.
func (t *trip) look(ctx context.Context) {
	got, a := t.client.rideCall(ctx, OpSee, request{
		method: http.MethodGet, path: "/v2/requests/" + t.ride.RequestID, route: "GET /v2/requests/{id}",
	}, Record{Ride: t.ride.RequestID})
	t.take(ctx, got, a)
}

// drive is the ride itself, which ends with its completion. The look before it
// is for the checker: up to then the driver certainly had this ride.
func (t *trip) drive(open, work context.Context) {
	_ = pause.For(open, time.Duration(t.rng.ExpFloat64()*float64(t.cfg.RideTime)))
	t.look(work)
	for t.ride.State == "matched" && work.Err() == nil {
		t.post(work, OpComplete)
	}
}
