package dispatch_test

import (
	"fmt"
	"strings"

	"geogate/dispatch"
)

// What the model knows of the way from the match to the end of a ride.

// leads says to which state a step of the driver leads.
var leads = map[string]dispatch.State{"arrive": dispatch.Arrived, "start": dispatch.Started, "complete": dispatch.Completed}

// before returns the state that a ride under way was in one version ago: workers take it
// as far as matched, the rest were operations.
func (r modelRide) before() dispatch.State {
	if underWay(r.state) {
		return r.state
	}
	return dispatch.Matched
}

// accept takes the ride that was offered. A reply that was lost leaves open how far the
// ride has come since.
func (w world) accept(op operation, out outcome, offers bool) bool {
	r := w.rides[op.id]
	version := out.ride.Version - 1
	if out.retried {
		// The offer was the next version, or is the present one.
		version = r.version + 1
		if r.state == dispatch.Offered && r.driver == op.driver {
			version = r.version
		}
		if out.ride.State == dispatch.Matched {
			version = out.ride.Version - 1
		}
	}
	if !w.see(op.id, dispatch.Offered, version, op.driver, offers) {
		return false
	}
	r = w.rides[op.id]
	r.state, r.version = dispatch.Matched, version+1
	w.rides[op.id] = r
	w.drivers[op.driver] = modelDriver{ride: op.id, busy: true}
	return out.retried || w.seeRide(out.ride, offers)
}

// advance takes a ride under way a step further.
func (w world) advance(op operation, done *dispatch.Ride, offers bool) bool {
	r, to := w.rides[op.id], leads[op.kind]
	driver := driverOf(done)
	if done.State != to || op.driver != "" && op.driver != driver {
		return false
	}
	if r.state == to {
		return w.seeRide(done, offers)
	}
	if !w.see(op.id, r.before(), done.Version-1, driver, offers) {
		return false
	}
	r = w.rides[op.id]
	r.state, r.version = to, done.Version
	if to == dispatch.Completed {
		w.drivers[driver] = modelDriver{}
	}
	w.rides[op.id] = r
	return true
}

func (w world) cancel(op operation, done *dispatch.Ride, offers bool) bool {
	r := w.rides[op.id]
	if r.state == dispatch.Cancelled {
		return w.seeRide(done, offers)
	}
	if done.State != dispatch.Cancelled || r.state.Ended() || r.state == dispatch.Started || done.Version <= r.version {
		return false
	}
	had := ""
	switch {
	case underWay(r.state):
		if had = r.driver; done.Version != r.version+1 {
			return false
		}
	case !offers && done.Version == r.version+2:
		// A worker matched it before, with somebody who was free.
		had = "?"
		if !w.anyFree(r) {
			return false
		}
	case !offers && done.Version != r.version+1:
		return false
	}
	if r.driver != "" {
		w.drivers[r.driver] = modelDriver{}
	}
	r.state, r.version, r.driver, r.had, r.atLeast = dispatch.Cancelled, done.Version, "", had, false
	w.rides[op.id] = r
	return true
}

func (w world) anyFree(r modelRide) bool {
	for id, d := range w.drivers {
		if d.ride == "" && !strings.Contains(r.asked, "/"+id+"/") {
			return true
		}
	}
	return false
}

// release parts a ride from its driver. It shows the version that this led to whenever it
// is repeated.
func (w world) release(op operation, done *dispatch.Ride, offers bool) bool {
	r := w.rides[op.id]
	mark := fmt.Sprintf("/%s:%d/", op.driver, done.Version)
	if strings.Contains(r.back, "/"+op.driver+":") {
		return done.State == dispatch.Searching && strings.Contains(r.back, mark)
	}
	if done.State != dispatch.Searching || done.Driver != nil || r.state == dispatch.Started ||
		!w.see(op.id, r.before(), done.Version-1, op.driver, offers) {
		return false
	}
	w.giveBack(op, done.Version)
	return true
}

func (w world) giveBack(op operation, version int64) {
	r := w.rides[op.id]
	r.state, r.version, r.driver = dispatch.Searching, version, ""
	r.asked += "/" + op.driver + "/"
	r.back += fmt.Sprintf("/%s:%d/", op.driver, version)
	w.rides[op.id] = r
	w.drivers[op.driver] = modelDriver{}
}

// took carries out a step whose reply was lost and whose repetition was refused.
func (w world) took(op operation, offers bool) bool {
	r, known := w.rides[op.id]
	if !known || op.driver == "" {
		return false
	}
	if op.kind == "accept" {
		return w.accept(op, outcome{ride: &dispatch.Ride{}, retried: true}, offers)
	}
	if !underWay(r.state) && !w.see(op.id, dispatch.Matched, r.version+1, op.driver, offers) {
		return false
	}
	r = w.rides[op.id]
	if to := leads[op.kind]; to != "" && r.driver == op.driver && r.state != to && r.state != dispatch.Started {
		r.state = to
		r.version++
		w.rides[op.id] = r
		if to == dispatch.Completed {
			w.drivers[op.driver] = modelDriver{}
		}
		return true
	}
	return false
}

// comesLate carries out what was sent before a repetition that was refused, if it is
// possible by now.
func (w world) comesLate(op operation, offers bool) bool {
	r, known := w.rides[op.id]
	switch {
	case !known || op.driver == "":
		return false
	case op.kind == "accept" || op.kind == "decline":
		return w.step(op, outcome{ride: &dispatch.Ride{}, retried: true}, offers)
	case !underWay(r.state) && !w.see(op.id, dispatch.Matched, r.version+1, op.driver, offers):
		return false
	}
	r = w.rides[op.id]
	to, advances := leads[op.kind]
	switch {
	case r.driver != op.driver:
		return false
	case !advances && r.state != dispatch.Started:
		w.giveBack(op, r.version+1)
		return true
	case !advances || to == r.state || to == dispatch.Arrived && r.state == dispatch.Started:
		return false
	}
	r.state = to
	r.version++
	w.rides[op.id] = r
	if to == dispatch.Completed {
		w.drivers[op.driver] = modelDriver{}
	}
	return true
}

// refused reports whether an operation may be refused in that state.
func (w world) refused(op operation, r *dispatch.Ride) bool {
	theirs := op.driver == "" || op.driver == driverOf(r)
	switch op.kind {
	case "cancel":
		return r.State == dispatch.Started || r.State == dispatch.Completed || r.State == dispatch.Expired
	case "complete":
		return !theirs || !underWay(r.State) && r.State != dispatch.Completed
	case "start":
		return !theirs || !underWay(r.State)
	case "arrive", "release":
		return !theirs || r.State != dispatch.Matched && r.State != dispatch.Arrived
	}
	return true
}

// foreign reports whether a ride may be none of a driver's. An offer may have lapsed.
func (w world) foreign(r modelRide, op operation) bool {
	theirs := r.driver == op.driver && r.state != dispatch.Offered || r.state == dispatch.Cancelled && r.had == op.driver
	return !theirs && (op.kind != "release" || !strings.Contains(r.back, "/"+op.driver+":"))
}
