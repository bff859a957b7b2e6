package simulate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// maxViolations are told one by one; more than that say no more.
const maxViolations = 50

// checker looks at what clients saw for what must never happen:
//
//   - a version of a ride that is told in two ways;
//   - a ride that goes back: a version below one that was known before the
//     question was sent, a state that cannot follow, anything after an end;
//   - a driver with two matched rides at a time;
//   - two rides for one idempotency key;
//   - a ride that was acknowledged and has not ended when the simulation has.
//
// It only claims what the client's clock proves: an answer was true at some time
// between the question being sent and the answer arriving.
type checker struct {
	rides      map[string]*seenRide
	keys       map[string]string
	ended      bool // the simulation came to its end
	violations []string
	more       int
}

type seenRide struct {
	versions  map[int64]seenVersion
	known     []milestone // growing in both
	matched   int64       // when a client first knew of the match; 0: never
	driver    string
	lastMatch int64 // when the last question was sent that was answered "matched"
	reached   int64 // the last version
}

type seenVersion struct{ state, driver string }

// milestone: from this time on, everybody who asks must see this version.
type milestone struct{ at, version int64 }

func newChecker() *checker {
	return &checker{rides: map[string]*seenRide{}, keys: map[string]string{}}
}

func (c *checker) violation(format string, args ...any) {
	if len(c.violations) >= maxViolations {
		c.more++
		return
	}
	c.violations = append(c.violations, fmt.Sprintf(format, args...))
}

// add takes the records in the order of their Done.
func (c *checker) add(r Record) {
	if r.Op == OpEnd {
		c.ended = true
		return
	}
	if r.Ride == "" {
		return
	}
	ride := c.rides[r.Ride]
	if ride == nil {
		ride = &seenRide{versions: map[int64]seenVersion{}}
		c.rides[r.Ride] = ride
	}
	if r.Op == OpAsk && r.Key != "" {
		if other, known := c.keys[r.Key]; known && other != r.Ride {
			c.violation("key %s led to the rides %s and %s", r.Key, other, r.Ride)
		}
		c.keys[r.Key] = r.Ride
	}
	if r.Version > 0 && r.Status == 200 {
		c.see(ride, r)
	}
}

func (c *checker) see(ride *seenRide, r Record) {
	is := seenVersion{r.State, r.Driver}
	if was, known := ride.versions[r.Version]; known && was != is {
		c.violation("ride %s: version %d is %s with driver %q, and %s with driver %q", r.Ride, r.Version, was.state, was.driver, is.state, is.driver)
	}
	ride.versions[r.Version] = is
	for _, m := range slices.Backward(ride.known) {
		if m.at < r.Sent {
			if r.Version < m.version {
				c.violation("ride %s: answered version %d to a question sent %d µs after version %d was known", r.Ride, r.Version, r.Sent-m.at, m.version)
			}
			break
		}
	}
	if r.Version > ride.reached {
		ride.reached = r.Version
		ride.known = append(ride.known, milestone{r.Done, r.Version})
	}
	if r.State == "matched" {
		if r.Driver == "" {
			c.violation("ride %s: matched without a driver", r.Ride)
		}
		if ride.matched == 0 {
			ride.matched, ride.driver = r.Done, r.Driver
		}
		if r.Driver == ride.driver { // a ride may be given back, and get another one
			ride.lastMatch = max(ride.lastMatch, r.Sent)
		}
	}
}

// follow says which states may come later than a state, by one step or more.
var follow = map[string][]string{
	"searching": {"searching", "offered", "matched", "completed", "cancelled", "expired"},
	"offered":   {"searching", "offered", "matched", "completed", "cancelled", "expired"},
	"matched":   {"searching", "offered", "matched", "completed", "cancelled", "expired"},
}

func isEnd(state string) bool {
	return state == "completed" || state == "cancelled" || state == "expired"
}

// finish returns everything that was found.
func (c *checker) finish() []string {
	busy := map[string][]span{}
	for _, id := range slices.Sorted(maps.Keys(c.rides)) {
		ride := c.rides[id]
		var last seenVersion
		for _, version := range slices.Sorted(maps.Keys(ride.versions)) {
			is := ride.versions[version]
			if last.state != "" && !slices.Contains(follow[last.state], is.state) {
				c.violation("ride %s: %s came after %s", id, is.state, last.state)
			}
			if last.state == "matched" && is.state == "completed" && is.driver != last.driver {
				c.violation("ride %s: matched with %q, completed with %q", id, last.driver, is.driver)
			}
			last = is
		}
		if c.ended && last.state != "" && !isEnd(last.state) {
			c.violation("ride %s: is %s when all is over", id, last.state)
		}
		if ride.matched > 0 && ride.lastMatch > ride.matched {
			busy[ride.driver] = append(busy[ride.driver], span{id, ride.matched, ride.lastMatch})
		}
	}
	for _, driver := range slices.Sorted(maps.Keys(busy)) {
		c.overlaps(driver, busy[driver])
	}
	if c.more > 0 {
		c.violations = append(c.violations, fmt.Sprintf("and %d more", c.more))
	}
	return c.violations
}

// span is a time in which a driver certainly had a ride.
type span struct {
	ride        string
	from, until int64
}

func (c *checker) overlaps(driver string, spans []span) {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	longest := spans[0]
	for _, s := range spans[1:] {
		if s.from < longest.until {
			c.violation("driver %s: has the rides %s and %s at a time", driver, longest.ride, s.ride)
		}
		if s.until > longest.until {
			longest = s
		}
	}
}
