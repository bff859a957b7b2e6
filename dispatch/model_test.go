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
// a client can do (cancel, complete, accept, decline) it must have seen as an operation.

type operation struct {
	kind   string // request ride cancel complete accept decline track driver
	id     string // of the ride or driver asked about
	driver string // who accepts or declines
}

type outcome struct {
	ride    *dispatch.Ride   // what the answer shows, also inside a StateError
	driver  *dispatch.Driver // for kind driver
	tooLate bool
	// The first reply was lost. The operation took effect when it was first carried
	// out, the answer shows the ride at a later time.
	retried bool
}

type modelRide struct {
	state   dispatch.State
	version int64
	driver  string
	asked   string // drivers who declined or lapsed, each in slashes
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
	if version == r.version || r.state.Ended() || r.state == dispatch.Matched {
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
	done := out.ride
	switch op.kind {
	case "cancel":
		if r.state == dispatch.Cancelled {
			return w.seeRide(done, offers)
		}
		if r.state != dispatch.Searching && r.state != dispatch.Offered || done.State != dispatch.Cancelled ||
			done.Version <= r.version || !offers && done.Version != r.version+1 {
			return false
		}
		if r.driver != "" {
			w.drivers[r.driver] = modelDriver{}
		}
		w.rides[op.id] = modelRide{state: dispatch.Cancelled, version: done.Version, asked: r.asked}
		return true
	case "complete":
		if r.state == dispatch.Completed {
			return w.seeRide(done, offers)
		}
		driver := driverOf(done)
		if done.State != dispatch.Completed || !w.see(op.id, dispatch.Matched, done.Version-1, driver, offers) {
			return false
		}
		w.drivers[driver] = modelDriver{}
		w.rides[op.id] = modelRide{state: dispatch.Completed, version: done.Version, driver: driver}
		return true
	case "accept":
		if r.state == dispatch.Matched || r.state == dispatch.Completed {
			return r.driver == op.driver && (out.retried || w.seeRide(done, offers))
		}
		if !w.see(op.id, dispatch.Offered, offeredBefore(done), op.driver, offers) {
			return false
		}
		w.drivers[op.driver] = modelDriver{ride: op.id, busy: true}
		w.rides[op.id] = modelRide{state: dispatch.Matched, version: offeredBefore(done) + 1, driver: op.driver}
		return out.retried || w.seeRide(done, offers)
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

// offeredBefore is the version at which a ride that was just accepted was offered.
// A repeated accept may show the ride completed since.
func offeredBefore(r *dispatch.Ride) int64 {
	if r.State == dispatch.Completed {
		return r.Version - 2
	}
	return r.Version - 1
}

// refused reports whether an operation may be refused in that state.
func (w world) refused(op operation, r *dispatch.Ride) bool {
	switch op.kind {
	case "cancel":
		return r.State == dispatch.Matched || r.State == dispatch.Completed || r.State == dispatch.Expired
	case "complete":
		return r.State != dispatch.Matched && r.State != dispatch.Completed
	}
	return true
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

// model returns the porcupine model, with or without offers.
func model(offers bool) porcupine.Model {
	return porcupine.Model{
		Init: func() any {
			return world{make(map[string]modelRide), make(map[string]modelDriver)}
		},
		Step: func(state, input, output any) (bool, any) {
			next := state.(world).clone()
			ok := next.step(input.(operation), output.(outcome), offers)
			return ok, next
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
}
