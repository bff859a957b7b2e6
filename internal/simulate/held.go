package simulate

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"geogate/internal/pause"
)

// What becomes of rides that have a driver, in a hundred of them.
const (
	// On the way to the pickup:
	neverHeardOf = 2  // the driver drives into a tunnel and is not heard of again
	changeMind   = 5  // the rider cancels
	giveBack     = 5  // the driver gives the ride back
	withoutSteps = 12 // the driver's app knows completion only
	// At the door:
	cancelAtDoor   = 4
	giveBackAtDoor = 4
)

// isHeld reports whether a ride in this state has a driver.
func isHeld(state string) bool { return state == "matched" || state == "arrived" || state == "started" }

// goOn takes a ride that has a driver one step further: to the door, into the car, to its
// end, or back. The look before the end is for the checker: up to then the driver
// certainly had this ride.
func (t *trip) goOn(patient, open, work context.Context) {
	pass := func(share float64) {
		_ = pause.For(open, time.Duration(t.rng.ExpFloat64()*share*float64(t.cfg.RideTime)))
	}
	chance := t.rng.IntN(100)
	happens := func(share int) bool {
		chance -= share
		return chance < 0
	}
	switch t.ride.State {
	case "matched":
		pass(1. / 3)
		switch {
		case open.Err() == nil && happens(neverHeardOf):
			t.waitInVain(patient, work)
		case happens(changeMind):
			t.cancel(work, "changed_mind")
		case happens(giveBack):
			t.giveBack(work, "flat_tyre")
		case happens(withoutSteps):
			pass(2. / 3)
			t.look(work)
			if t.ride.State == "matched" {
				t.post(work, OpComplete)
			}
		default:
			t.step(work, OpArrive)
		}
	case "arrived":
		pass(1. / 6)
		switch {
		case happens(cancelAtDoor):
			t.cancel(work, "wrong_car")
		case happens(giveBackAtDoor):
			t.giveBack(work, "nobody_there")
		default:
			t.step(work, OpStart)
		}
	case "started":
		pass(1. / 2)
		t.look(work)
		t.step(work, OpComplete)
	}
}

// waitInVain is for a driver who is not heard of again: geogate finds another one
// (DISPATCH_LOST_AFTER), or the rider loses patience.
func (t *trip) waitInVain(patient, work context.Context) {
	lost := t.ride.driver()
	if d := t.byID[lost]; d != nil {
		d.vanish()
	}
	for t.ride.State == "matched" && t.ride.driver() == lost {
		if patient.Err() != nil || work.Err() != nil {
			t.cancel(work, "nobody_comes")
			return
		}
		t.poll(patient)
	}
}

func (t *trip) cancel(ctx context.Context, reason string) {
	t.act(ctx, OpCancel, map[string]string{"reason": reason})
}

func (t *trip) giveBack(ctx context.Context, reason string) {
	t.release = true
	t.act(ctx, OpRelease, map[string]string{"driver_id": t.ride.driver(), "reason": reason})
	t.release = false
}

// step is what the driver's app tells. Some tell it twice.
func (t *trip) step(ctx context.Context, op string) {
	body := map[string]string{"driver_id": t.ride.driver()}
	if t.rng.IntN(10) == 0 {
		t.act(ctx, op, body)
	}
	t.act(ctx, op, body)
}

// act does to the ride what the last part of the path names; too late is an answer too.
func (t *trip) act(ctx context.Context, op string, body map[string]string) {
	got, a := t.client.rideCall(ctx, op, request{
		method: http.MethodPost, path: "/v2/requests/" + url.PathEscape(t.ride.RequestID) + "/" + op, route: "POST /v2/requests/{id}/" + op,
		body: body, accepted: []int{http.StatusConflict},
	}, Record{Ride: t.ride.RequestID, Actor: body["driver_id"]})
	t.took(ctx, got, a)
}
