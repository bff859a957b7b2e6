package livemap

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"geogate/dispatch"
	"geogate/gateway/exchange"
	"geogate/internal/geo"
	"geogate/internal/pause"
)

// interval is the pause between two looks at what moves, and so between two events of a
// map.
const interval = 500 * time.Millisecond

// A kind is what a thing on the map is.
type kind int

const (
	driver kind = iota
	ride
	kinds
)

// names are the events and the lists of each kind.
var names = [kinds]string{"drivers", "rides"}

// thing is a driver or a ride on the map. It never changes: a new one takes its place.
type thing struct {
	point  geo.Point
	region string
	text   json.RawMessage
}

// change is what became of the thing of an id. thing is nil when there is none any more.
type change struct {
	kind  kind
	id    string
	thing *thing
}

// mirror holds what is on all maps. There is no goroutine: whichever map needs the next
// state first reads it, for all of them.
type mirror struct {
	follow func() *dispatch.Follower
	cfg    Config

	turn     chan struct{}      // holds one token: whoever has it may touch what follows
	follower *dispatch.Follower // nil while no map is open
	things   [kinds]map[string]*thing
	views    map[exchange.Box]*view
	readAt   time.Time // when Redis was read last; zero: never
}

func newMirror(follow func() *dispatch.Follower, cfg Config) *mirror {
	m := &mirror{follow: follow, cfg: cfg, turn: make(chan struct{}, 1), views: map[exchange.Box]*view{}}
	m.turn <- struct{}{}
	return m
}

// join returns the view of a box, which is shared by all maps of that box.
func (m *mirror) join(area exchange.Box) (v *view, leave func()) {
	<-m.turn
	defer m.release()
	v = m.views[area]
	if v == nil {
		v = newView(m, area)
		m.views[area] = v
		for k := range m.things {
			for id, t := range m.things[k] {
				v.apply(change{kind(k), id, t})
			}
		}
		v.flush()
	}
	v.maps++
	return v, func() {
		<-m.turn
		defer m.release()
		if v.maps--; v.maps == 0 {
			delete(m.views, area)
		}
		if len(m.views) == 0 {
			m.follower, m.things, m.readAt = nil, [kinds]map[string]*thing{}, time.Time{}
		}
	}
}

func (m *mirror) release() { m.turn <- struct{}{} }

// acquire waits for the turn.
func (m *mirror) acquire(ctx context.Context) error {
	select {
	case <-m.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the caller knows its own context
	}
}

// await waits until the next read is due.
func (m *mirror) await(ctx context.Context) error {
	if err := m.acquire(ctx); err != nil {
		return err
	}
	due := time.Until(m.readAt.Add(interval))
	m.release()
	if due <= 0 {
		return nil
	}
	return pause.For(ctx, due) //nolint:wrapcheck // the caller knows its own context
}

// read brings the mirror and all views up to date, if that is due. The caller has the
// turn.
func (m *mirror) read(ctx context.Context) error {
	if time.Since(m.readAt) < interval {
		return nil // another map was faster
	}
	if m.follower == nil {
		m.follower = m.follow()
	}
	// A client that goes away must not take the others' turn with it.
	moves, err := m.follower.Next(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("read what moves: %w", err)
	}
	changes, err := m.changes(moves)
	if err != nil {
		m.follower = nil // what it has read is lost: begin with everything
		return err
	}
	for _, c := range changes {
		if c.thing == nil {
			delete(m.things[c.kind], c.id)
		} else {
			m.things[c.kind][c.id] = c.thing
		}
	}
	for _, v := range m.views {
		for _, c := range changes {
			v.apply(c)
		}
		v.flush()
	}
	m.readAt = time.Now()
	return nil
}

// changes encodes what moved, once for all maps.
func (m *mirror) changes(moves dispatch.Moves) ([]change, error) {
	for k := range m.things {
		if m.things[k] == nil {
			m.things[k] = map[string]*thing{}
		}
	}
	changes := make([]change, 0, len(moves.Drivers)+len(moves.Rides))
	for _, d := range moves.Drivers {
		if d.State == dispatch.Offline {
			// Who went home to another region is not gone.
			if known := m.things[driver][d.ID]; known != nil && known.region == d.Region {
				changes = append(changes, change{driver, d.ID, nil})
			}
			continue
		}
		text, err := m.cfg.DriverJSON(d)
		if err != nil {
			return nil, fmt.Errorf("encode driver: %w", err)
		}
		changes = append(changes, change{driver, d.ID, &thing{d.Point, d.Region, text}})
	}
	for _, r := range moves.Rides {
		if r.State.Ended() {
			changes = append(changes, change{ride, r.ID, nil})
			continue
		}
		text, err := m.cfg.RideJSON(r)
		if err != nil {
			return nil, fmt.Errorf("encode ride: %w", err)
		}
		changes = append(changes, change{ride, r.ID, &thing{r.Pickup, r.Region, text}})
	}
	if moves.All {
		changes = append(changes, m.missing(changes)...)
	}
	return slices.DeleteFunc(changes, m.changesNothing), nil
}

// changesNothing is true of most of a read of everything.
func (m *mirror) changesNothing(c change) bool {
	known := m.things[c.kind][c.id]
	if known == nil || c.thing == nil {
		return known == nil && c.thing == nil
	}
	return string(known.text) == string(c.thing.text)
}

// missing are the ends of all that is not among everything.
func (m *mirror) missing(all []change) []change {
	there := map[kind]map[string]bool{driver: {}, ride: {}}
	for _, c := range all {
		there[c.kind][c.id] = true
	}
	var gone []change
	for k := range m.things {
		for id := range m.things[k] {
			if !there[kind(k)][id] {
				gone = append(gone, change{kind(k), id, nil})
			}
		}
	}
	return gone
}
