package dispatch_test

import (
	"fmt"
	"maps"
	"strings"

	"github.com/anishathalye/porcupine"

	"geogate/dispatch"
)

// The model that histories are checked against with porcupine: rides and drivers
// together, because a partition by ride cannot see one driver given away twice.
//
// What workers do on their own (matching, offering, lapsing, expiring) is no
// operation of a client. The model carries such a step out when an answer shows that
// it must have happened, and refuses the answer if it could not have. Everything only
// a client can do (cancel, the driver's steps, accept, decline) it must have seen as an
// operation. modelstep_test.go has what happens from the match on.

type operation struct {
	kind   string // request ride cancel arrive start complete release accept decline track driver
	id     string // of the ride or driver asked about
	driver string // who accepts, declines or takes a step; "": whoever has the ride
}

type outcome struct {
	ride    *dispatch.Ride   // what the answer shows, also inside a StateError
	driver  *dispatch.Driver // for kind driver
	tooLate bool
	unknown bool // the ride is none of the driver's
	// The first reply was lost. The operation took effect when it was first carried
	// out, the answer shows the ride at a later time.
	retried bool
	// No answer, but what was sent before a repetition that was refused: it may still take
	// effect, or never.
	late bool
}

type modelRide struct {
	state   dispatch.State
	version int64
	driver  string
	asked   string // drivers who declined, lapsed or gave it back, each in slashes
	back    string // drivers who gave it back, each as "driver:version" in slashes
	had     string // the driver who was on the way when it was cancelled
	atLeast bool   // version is the lowest possible: it was concluded from a driver
}

type modelDriver struct {
	ride string // "": free
	busy bool   // matched, not merely reserved
}

// world is immutable: every step makes a new one.
type world struct {
	rides   map[string]modelRide
	drivers map[string]modelDriver
}

func (w world) clone() world { return world{maps.Clone(w.rides), maps.Clone(w.drivers)} }

func (w world) equal(v world) bool {
	return maps.Equal(w.rides, v.rides) && maps.Equal(w.drivers, v.drivers)
}

// let ends what binds a ride to its driver, other than by a client's operation: an
// offer may lapse, a match does not dissolve.
func (w world) let(driver string) bool {
	d, known := w.drivers[driver]
	if !known || d.busy {
		return false
	}
	if d.ride != "" {
		r := w.rides[d.ride]
		r.state, r.driver = dispatch.Searching, ""
		r.version++
		r.asked += "/" + driver + "/"
		w.rides[d.ride] = r
		w.drivers[driver] = modelDriver{}
	}
	return true
}

// see brings a ride to the state that an answer showed, by steps of workers alone.
func (w world) see(id string, state dispatch.State, version int64, driver string, offers bool) bool {
	r, known := w.rides[id]
	if !known || version < r.version {
		return false
	}
	if (version == r.version || r.atLeast) && r.state == state && r.driver == driver {
		r.version, r.atLeast = version, false
		w.rides[id] = r
		return true
	}
	if version == r.version || r.state.Ended() || underWay(r.state) {
		return false
	}
	if r.driver != "" && !w.let(r.driver) {
		return false
	}
	r = w.rides[id]
	if version < r.version || !offers && version != r.version+1 {
		return false
	}
	switch state {
	case dispatch.Searching:
		if !offers {
			return false
		}
	case dispatch.Expired:
	case dispatch.Offered, dispatch.Matched:
		// With offers only an accepting driver makes a match.
		if (state == dispatch.Offered) != offers || strings.Contains(r.asked, "/"+driver+"/") || !w.let(driver) {
			return false
		}
		w.drivers[driver] = modelDriver{ride: id, busy: state == dispatch.Matched}
	default:
		return false
	}
	r = w.rides[id]
	r.state, r.version, r.driver, r.atLeast = state, version, driver, false
	w.rides[id] = r
	return true
}

func (w world) seeRide(r *dispatch.Ride, offers bool) bool {
	return w.see(r.ID, r.State, r.Version, driverOf(r), offers)
}

// underWay reports whether a ride in that state has a driver, who is busy.
func underWay(s dispatch.State) bool {
	return s == dispatch.Matched || s == dispatch.Arrived || s == dispatch.Started
}

func driverOf(r *dispatch.Ride) string {
	if r.Driver == nil {
		return ""
	}
	return r.Driver.DriverID
}

// step applies one operation and reports whether its outcome was possible.
func (w world) step(op operation, out outcome, offers bool) bool {
	switch op.kind {
	case "track":
		if _, known := w.drivers[op.id]; !known {
			w.drivers[op.id] = modelDriver{}
		}
		return true
	case "driver":
		return w.seeDriver(op.id, out.driver, offers)
	case "request":
		if _, known := w.rides[out.ride.ID]; !known {
			w.rides[out.ride.ID] = modelRide{state: dispatch.Searching, version: 1}
		}
		return out.retried || w.seeRide(out.ride, offers)
	case "ride":
		return w.seeRide(out.ride, offers)
	}
	if out.tooLate {
		return w.refused(op, out.ride) && w.seeRide(out.ride, offers)
	}
	r, known := w.rides[op.id]
	if !known {
		return false
	}
	if out.unknown {
		return w.foreign(r, op)
	}
	done := out.ride
	switch op.kind {
	case "cancel":
		return w.cancel(op, done, offers)
	case "arrive", "start", "complete":
		return w.advance(op, done, offers)
	case "release":
		return w.release(op, done, offers)
	case "accept":
		if r.state == dispatch.Cancelled && r.had == op.driver {
			return out.retried || w.seeRide(done, offers)
		}
		if underWay(r.state) || r.state == dispatch.Completed {
			return r.driver == op.driver && (out.retried || w.seeRide(done, offers))
		}
		return w.accept(op, out, offers)
	case "decline":
		if r.driver == op.driver && r.state == dispatch.Offered {
			w.let(op.driver)
		} else if !strings.Contains(r.asked, "/"+op.driver+"/") {
			r.asked += "/" + op.driver + "/"
			w.rides[op.id] = r
		}
		return out.retried || w.seeRide(done, offers)
	}
	return false
}

func (w world) seeDriver(id string, d *dispatch.Driver, offers bool) bool {
	m, known := w.drivers[id]
	if d == nil || !known {
		return d == nil && !known
	}
	switch d.State {
	case dispatch.Available:
		return w.let(id)
	case dispatch.Busy, dispatch.Reserved:
		busy := d.State == dispatch.Busy
		if m.ride == d.RideID && m.busy == busy {
			return true
		}
		r, known := w.rides[d.RideID]
		state := dispatch.Matched
		if !busy {
			state = dispatch.Offered
		}
		if !known {
			return false
		}
		// The answer does not show the version: it is the next or, with a lapse between,
		// the one after; with offers it may be later still.
		next := r.version + 1
		if r.state == dispatch.Offered {
			next++
		}
		if !w.see(d.RideID, state, next, id, offers) {
			return false
		}
		r = w.rides[d.RideID]
		r.atLeast = offers
		w.rides[d.RideID] = r
		return true
	}
	return false
}

// outcomes are the worlds that an operation may have led to: more than one if its first
// reply was lost and the second one does not tell.
func (w world) outcomes(op operation, out outcome, offers bool) []any {
	if out.late {
		next := []any{w}
		if v := w.clone(); v.comesLate(op, offers) {
			next = append(next, v)
		}
		return next
	}
	var next []any
	if v := w.clone(); v.step(op, out, offers) {
		next = append(next, v)
	}
	if out.retried && (out.tooLate || out.unknown) {
		if v := w.clone(); v.took(op, offers) && v.step(op, out, offers) {
			next = append(next, v)
		}
	}
	return next
}

// model returns the porcupine model, with or without offers.
func model(offers bool) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any {
			return []any{world{make(map[string]modelRide), make(map[string]modelDriver)}}
		},
		Step: func(state, input, output any) []any {
			return state.(world).outcomes(input.(operation), output.(outcome), offers)
		},
		Equal: func(a, b any) bool { return a.(world).equal(b.(world)) },
		DescribeOperation: func(input, output any) string {
			op, out := input.(operation), output.(outcome)
			text := fmt.Sprintf("%s %s %s", op.kind, op.id, op.driver)
			if out.ride != nil {
				text += fmt.Sprintf(" → %s %s v%d %s", out.ride.ID, out.ride.State, out.ride.Version, driverOf(out.ride))
			}
			if out.driver != nil {
				text += fmt.Sprintf(" → %s %s", out.driver.State, out.driver.RideID)
			}
			return text
		},
	}
	return m.ToModel()
}
