package livemap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"geogate/gateway/exchange"
)

const (
	// maxShown bounds the drivers, and the rides, of one map: some 5 MB when a map opens.
	maxShown = 20_000
	// goneKept bounds how many of those that left a view remembers, for maps that skip
	// states. One that has skipped more has to come again.
	goneKept = 4096
)

// view is what is in a box. The turn of its mirror guards it.
type view struct {
	mirror *mirror
	area   exchange.Box
	maps   int // that share it

	state  uint64 // counts the states; the first is 1
	shown  [kinds]map[string]entry
	gone   []departure // by state, the oldest first
	forgot uint64      // the last state of which departures were forgotten
	latest string      // what leads from the last state to this one
	dirty  bool        // something has changed since the state
}

// entry is a thing in the box and the state in which it came or changed.
type entry struct {
	thing *thing
	state uint64
}

// departure is a thing that was in the box until a state.
type departure struct {
	kind  kind
	id    string
	state uint64
}

func newView(m *mirror, area exchange.Box) *view {
	v := &view{mirror: m, area: area}
	for k := range v.shown {
		v.shown[k] = map[string]entry{}
	}
	return v
}

// apply takes a change into the state that flush makes.
func (v *view) apply(c change) {
	_, shown := v.shown[c.kind][c.id]
	inside := c.thing != nil && v.area.Contains(c.thing.point)
	switch {
	case inside && (shown || len(v.shown[c.kind]) < maxShown):
		v.shown[c.kind][c.id] = entry{c.thing, v.state + 1}
	case shown && !inside:
		delete(v.shown[c.kind], c.id)
		v.gone = append(v.gone, departure{c.kind, c.id, v.state + 1})
	default:
		return
	}
	v.dirty = true
}

// flush makes what was applied the present state.
func (v *view) flush() {
	if !v.dirty {
		return
	}
	v.state++
	v.dirty = false
	v.latest = v.since(v.state - 1)
	if over := len(v.gone) - goneKept; over > 0 {
		v.forgot = v.gone[over-1].state
		v.gone = append([]departure(nil), v.gone[over:]...)
	}
}

// errBehind ends the stream of a client that has skipped so much that nobody knows any
// more what it shows.
var errBehind = errors.New("too far behind")

// next waits for a state after the one that a map shows, 0 for none yet, and returns what
// leads there. When ctx ends there is nothing.
func (v *view) next(ctx context.Context, shown uint64) (events string, state uint64, err error) {
	for {
		if shown > 0 {
			if v.mirror.await(ctx) != nil {
				return "", shown, nil //nolint:nilerr // ctx has ended
			}
		}
		if v.mirror.acquire(ctx) != nil {
			return "", shown, nil //nolint:nilerr // ctx has ended
		}
		events, state, err = v.look(ctx, shown)
		v.mirror.release()
		if events != "" || err != nil {
			return events, state, err
		}
	}
}

// look brings the view up to date and says what leads from the state shown to its own.
// The caller has the turn.
func (v *view) look(ctx context.Context, shown uint64) (events string, state uint64, err error) {
	if err := v.mirror.read(ctx); err != nil {
		return "", shown, err
	}
	if v.state == 0 { // nobody is in the box
		v.state = 1
	}
	switch {
	case shown == v.state:
		return "", shown, nil
	case shown == v.state-1 && shown > 0:
		return v.latest, v.state, nil
	case shown > 0 && shown < v.forgot:
		return "", shown, errBehind
	}
	return v.since(shown), v.state, nil
}

// since encodes what leads from a state to the present one; 0: all that is there.
func (v *view) since(state uint64) string {
	var text strings.Builder
	for k, name := range names {
		first := true
		for _, e := range v.shown[k] {
			if e.state <= state {
				continue
			}
			if first {
				fmt.Fprintf(&text, "event: %s\ndata: {%q:[", name, name)
			} else {
				text.WriteByte(',')
			}
			text.Write(e.thing.text)
			first = false
		}
		switch {
		case !first:
			text.WriteString("]}\n\n")
		case state == 0: // a map that opens hears that there is nobody
			fmt.Fprintf(&text, "event: %s\ndata: {%q:[]}\n\n", name, name)
		}
	}
	if state > 0 {
		text.WriteString(v.departed(state))
	}
	return text.String()
}

// departed encodes who left after a state and did not come back.
func (v *view) departed(state uint64) string {
	var gone [kinds][]string
	there := map[departure]bool{}
	for _, d := range v.gone {
		if _, back := v.shown[d.kind][d.id]; d.state <= state || back || there[departure{d.kind, d.id, 0}] {
			continue
		}
		there[departure{d.kind, d.id, 0}] = true
		gone[d.kind] = append(gone[d.kind], d.id)
	}
	if gone[driver] == nil && gone[ride] == nil {
		return ""
	}
	return fmt.Sprintf("event: gone\ndata: {%q:%s,%q:%s}\n\n", names[driver], idList(gone[driver]), names[ride], idList(gone[ride]))
}
