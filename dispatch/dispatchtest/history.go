// Package dispatchtest checks what dispatch promises, from the outside: the history
// that the event stream tells, the final state in Redis, and both against each other.
package dispatchtest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/geo"
	"geogate/internal/lua"
)

// History is everything that happened in a region, and the state that it led to. The
// state is read without asking the engine, which would settle what is overdue.
type History struct {
	Now     time.Time // of the server, when it was read
	Events  []dispatch.Event
	Rides   map[string]map[string]string // id → fields
	Drivers map[string]map[string]string // id → fields
	// Members of the indexes.
	Due, Waiting, Available, Watched, Engaged map[string]bool

	indexes *indexes // nil in a history that was not read
}

// Read returns the history of a region: the events that Emit was given, if there is one,
// and those that the stream kept (Config.StreamLen). Nothing may change meanwhile.
func Read(ctx context.Context, rdb redis.UniversalClient, region string, emitted ...dispatch.Event) (History, error) {
	p := "geogate:{" + region + "}:"
	h := History{Events: emitted, Rides: make(map[string]map[string]string), Drivers: make(map[string]map[string]string)}
	now, err := lua.TimeOf(lua.Time(ctx, rdb, p+"events"))
	if err != nil {
		return h, fmt.Errorf("read history: %w", err)
	}
	h.Now = now
	entries, err := rdb.XRange(ctx, p+"events", "-", "+").Result()
	if err != nil {
		return h, fmt.Errorf("read history: %w", err)
	}
	for _, entry := range entries {
		fields := make(map[string]string, len(entry.Values))
		for name, v := range entry.Values {
			fields[name] = fmt.Sprint(v)
		}
		ev, err := dispatch.EventOf(region, entry.ID, fields)
		if err != nil {
			return h, fmt.Errorf("read history: %w", err)
		}
		h.Events = append(h.Events, ev)
	}
	for _, ev := range h.Events {
		if err := h.readHash(ctx, rdb, h.Rides, p+"ride:", ev.RideID); err != nil {
			return h, err
		}
		if err := h.readHash(ctx, rdb, h.Drivers, p+"driver:", ev.DriverID); err != nil {
			return h, err
		}
	}
	for name, set := range map[string]*map[string]bool{
		"due": &h.Due, "waiting": &h.Waiting, "avail": &h.Available, "watch": &h.Watched, "engaged": &h.Engaged,
	} {
		members, err := rdb.ZRange(ctx, p+name, 0, -1).Result()
		if err != nil {
			return h, fmt.Errorf("read history: %w", err)
		}
		*set = make(map[string]bool, len(members))
		for _, m := range members {
			(*set)[m] = true
		}
	}
	return h, h.readIndexes(ctx, rdb, p)
}

func (h *History) readHash(ctx context.Context, rdb redis.UniversalClient, into map[string]map[string]string, prefix, id string) error {
	if id == "" || into[id] != nil {
		return nil
	}
	fields, err := rdb.HGetAll(ctx, prefix+id).Result()
	if err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	into[id] = fields
	return nil
}

// Rules are what Check needs to know that the history does not say.
type Rules struct {
	DriverTTL time.Duration
	// Slack is how late a deadline or a ride's end may be carried out.
	Slack time.Duration
	// Positions, of drivers that never moved nor went silent, lets Check verify that
	// each offer and match went to the nearest who was free.
	Positions map[string]geo.Point
}

// Check returns every violation of the invariants that it finds.
func Check(h History, rules Rules) []error {
	c := &checker{h: h, rules: rules, rides: make(map[string]*ride), drivers: make(map[string]*driver)}
	for _, ev := range h.Events {
		kind, state, _ := strings.Cut(ev.Type, ".")
		if kind == "ride" {
			c.rideEvent(ev, dispatch.State(state))
		} else {
			c.driverEvent(ev, state)
		}
	}
	c.finalRides()
	c.finalDrivers()
	c.checkIndexes()
	return c.found
}

type ride struct {
	state   dispatch.State
	version int64
	driver  string
	asked   map[string]bool
}

type driver struct {
	state dispatch.DriverState
	ride  string
}

type checker struct {
	h       History
	rules   Rules
	rides   map[string]*ride
	drivers map[string]*driver
	found   []error
}

func (c *checker) violation(ev dispatch.Event, format string, args ...any) {
	c.found = append(c.found, fmt.Errorf("event %s (%s, ride %s version %d, driver %q): %s",
		ev.ID, ev.Type, ev.RideID, ev.Version, ev.DriverID, fmt.Sprintf(format, args...)))
}

// steps are the transitions that exist.
var steps = map[dispatch.State]map[dispatch.State]bool{
	"":                 {dispatch.Searching: true, dispatch.Scheduled: true},
	dispatch.Scheduled: {dispatch.Searching: true, dispatch.Cancelled: true},
	dispatch.Searching: {dispatch.Offered: true, dispatch.Matched: true, dispatch.Cancelled: true, dispatch.Expired: true},
	dispatch.Offered:   {dispatch.Searching: true, dispatch.Matched: true, dispatch.Cancelled: true},
	dispatch.Matched: {
		dispatch.Arrived: true, dispatch.Started: true, dispatch.Completed: true,
		dispatch.Cancelled: true, dispatch.Searching: true,
	},
	dispatch.Arrived: {dispatch.Started: true, dispatch.Completed: true, dispatch.Cancelled: true, dispatch.Searching: true},
	dispatch.Started: {dispatch.Completed: true},
}

func (c *checker) rideEvent(ev dispatch.Event, state dispatch.State) {
	r := c.rides[ev.RideID]
	if r == nil {
		r = &ride{asked: make(map[string]bool)}
		c.rides[ev.RideID] = r
	}
	if !steps[r.state][state] {
		c.violation(ev, "no way from %q to %q", r.state, state)
	}
	if ev.Version != r.version+1 {
		c.violation(ev, "version follows %d", r.version)
	}
	if ev.WasDriver != r.driver {
		c.violation(ev, "says its driver was %q, not %q", ev.WasDriver, r.driver)
	}
	if r.driver != "" && r.driver != ev.DriverID || state == dispatch.Completed {
		c.free(ev, r.driver)
	}
	switch state {
	case dispatch.Offered, dispatch.Matched:
		c.take(ev, r, state)
	case dispatch.Arrived, dispatch.Started:
		if ev.DriverID != r.driver {
			c.violation(ev, "is the step of a driver who does not have the ride")
		}
	case dispatch.Searching:
		if r.driver != "" {
			r.asked[r.driver] = true // nobody who let a ride go gets it again
		}
	}
	if state == dispatch.Expired {
		c.deadline(ev)
	}
	r.state, r.version, r.driver = state, ev.Version, ev.DriverID
	if state == dispatch.Completed {
		r.driver = ""
	}
}

func (c *checker) free(ev dispatch.Event, id string) {
	d := c.drivers[id]
	if d == nil || d.ride != ev.RideID {
		c.violation(ev, "frees driver %q, who was not with the ride", id)
		return
	}
	// An event of going offline follows at once if they were not heard of.
	d.state, d.ride = dispatch.Available, ""
}

func (c *checker) take(ev dispatch.Event, r *ride, state dispatch.State) {
	d := c.drivers[ev.DriverID]
	if d == nil {
		c.violation(ev, "nobody has heard of the driver")
		return
	}
	accepted := state == dispatch.Matched && r.state == dispatch.Offered
	switch {
	case accepted && (d.state != dispatch.Reserved || d.ride != ev.RideID || r.driver != ev.DriverID):
		c.violation(ev, "accepted by a driver who is %s with ride %q", d.state, d.ride)
	case !accepted && d.state != dispatch.Available:
		c.violation(ev, "driver is %s with ride %q", d.state, d.ride)
	case !accepted && ev.At.Sub(ev.SeenAt) >= c.rules.DriverTTL:
		c.violation(ev, "driver was not heard of for %s", ev.At.Sub(ev.SeenAt))
	case !accepted && r.asked[ev.DriverID]:
		c.violation(ev, "driver was asked before")
	}
	if !accepted {
		c.nearest(ev, r)
	}
	d.state, d.ride = dispatch.Busy, ev.RideID
	if state == dispatch.Offered {
		d.state = dispatch.Reserved
		r.asked[ev.DriverID] = true
	}
}

// roundingM is how far, in metres, a geo index of Redis may be off at both ends.
const roundingM = 1.5

// nearest verifies that no other free driver was nearer than the one chosen.
func (c *checker) nearest(ev dispatch.Event, r *ride) {
	pickup, err := pointOf(c.h.Rides[ev.RideID])
	if c.rules.Positions == nil || err != nil {
		return
	}
	for id, d := range c.drivers {
		p, known := c.rules.Positions[id]
		if !known || d.state != dispatch.Available || r.asked[id] {
			continue
		}
		if m := geo.Distance(p, pickup); m < ev.DistanceM-roundingM {
			c.violation(ev, "took a driver at %.1f m, %q was free at %.1f m", ev.DistanceM, id, m)
		}
	}
}

func (c *checker) deadline(ev dispatch.Event) {
	at, err := strconv.ParseInt(c.h.Rides[ev.RideID]["deadline"], 10, 64)
	if err != nil {
		return // no longer kept
	}
	if late := ev.At.Sub(time.UnixMilli(at)); late < 0 || late > c.rules.Slack {
		c.violation(ev, "expired %s after its deadline", late)
	}
}

func (c *checker) driverEvent(ev dispatch.Event, state string) {
	d := c.drivers[ev.DriverID]
	if d == nil {
		d = &driver{state: dispatch.Offline}
		c.drivers[ev.DriverID] = d
	}
	switch {
	case state == "available" && d.state == dispatch.Offline:
		d.state = dispatch.Available
	case state == "offline" && d.state == dispatch.Available:
		d.state = dispatch.Offline
	case state == "released":
		c.violation(ev, "a driver had leaked")
	default:
		c.violation(ev, "driver was %s", d.state)
	}
}

// finalRides compares the rides' fields and indexes with what the events told.
func (c *checker) finalRides() {
	for id, fields := range c.h.Rides {
		r := c.rides[id]
		if len(fields) == 0 {
			if r != nil && !r.state.Ended() {
				c.found = append(c.found, fmt.Errorf("ride %s: a live ride is gone", id))
			}
			continue
		}
		if r == nil {
			c.found = append(c.found, fmt.Errorf("ride %s: no event tells of it", id))
			continue
		}
		if fields["state"] != string(r.state) || fields["version"] != strconv.FormatInt(r.version, 10) {
			c.found = append(c.found, fmt.Errorf("ride %s: is %s at version %s, events say %s at %d", id, fields["state"], fields["version"], r.state, r.version))
		}
		if live := !r.state.Ended(); c.h.Due[id] != live {
			c.found = append(c.found, fmt.Errorf("ride %s: is %s, in the due set: %t", id, r.state, !live))
		}
		if searching := r.state == dispatch.Searching; c.h.Waiting[id] != searching {
			c.found = append(c.found, fmt.Errorf("ride %s: is %s, in the waiting index: %t", id, r.state, !searching))
		}
		deadline, err := strconv.ParseInt(fields["deadline"], 10, 64)
		if err != nil {
			c.found = append(c.found, fmt.Errorf("ride %s: has no deadline", id))
		} else if late := c.h.Now.Sub(time.UnixMilli(deadline)); r.state == dispatch.Searching && late > c.rules.Slack {
			c.found = append(c.found, fmt.Errorf("ride %s: searches on %s after its deadline", id, late))
		}
	}
}

// finalDrivers does the same for drivers, and compares both sides of each ride.
func (c *checker) finalDrivers() {
	for id, fields := range c.h.Drivers {
		d := c.drivers[id]
		if d == nil || len(fields) == 0 || fields["state"] == "gone" {
			if c.h.Engaged[id] || c.h.Available[id] || c.h.Watched[id] && len(fields) == 0 {
				c.found = append(c.found, fmt.Errorf("driver %q: is in an index and unknown", id))
			}
			continue // deleted or moved, and the event of that says so
		}
		if fields["state"] != string(d.state) || fields["ride"] != d.ride {
			c.found = append(c.found, fmt.Errorf("driver %q: is %s with ride %q, events say %s with %q", id, fields["state"], fields["ride"], d.state, d.ride))
		}
		engaged := d.state == dispatch.Reserved || d.state == dispatch.Busy
		if engaged {
			r := c.rides[d.ride]
			if r == nil || r.driver != id || r.state.Ended() {
				c.found = append(c.found, fmt.Errorf("driver %q: is %s without a live ride", id, d.state))
			}
		}
		available := d.state == dispatch.Available
		if available && fields["off"] != "" {
			c.found = append(c.found, fmt.Errorf("driver %q: is available off shift", id))
		}
		if c.h.Engaged[id] != engaged || c.h.Available[id] != available || c.h.Watched[id] == engaged {
			c.found = append(c.found, fmt.Errorf("driver %q: is %s, indexes say engaged %t, available %t, watched %t",
				id, d.state, c.h.Engaged[id], c.h.Available[id], c.h.Watched[id]))
		}
	}
}

func pointOf(fields map[string]string) (geo.Point, error) {
	lat, err := strconv.ParseFloat(fields["lat"], 64)
	if err != nil {
		return geo.Point{}, fmt.Errorf("decode position: %w", err)
	}
	lon, err := strconv.ParseFloat(fields["lng"], 64)
	if err != nil {
		return geo.Point{}, fmt.Errorf("decode position: %w", err)
	}
	return geo.Point{Lat: lat, Lon: lon}, nil
}
