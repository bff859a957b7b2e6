package rides

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"geogate/gateway/exchange"
	"geogate/internal/geo"
	"geogate/internal/routing"
)

const (
	// rankMost is how many drivers are ordered by time at least, however few are
	// wanted: the quickest need not be among the nearest few.
	rankMost = 16
	// rankWithin is how long a search may wait for a router.
	rankWithin = 2 * time.Second
	// etaWithin is how long the position of a driver may wait for it. What comes later is
	// in the cache for the next one.
	etaWithin = 50 * time.Millisecond
	// etaHold is how long a stream goes by one way of its driver, who reports every few
	// seconds, unless more than strayed of it is left.
	etaHold = 20 * time.Second
	strayed = 1.2
)

// eta is how long a way takes and how far it is by road.
type eta struct {
	Seconds float64 `json:"seconds"`
	Metres  float64 `json:"metres"`
	Source  string  `json:"source"` // the routing engine, or "estimate"
	Cache   bool    `json:"cache"`
}

// newETA returns nil where there is no way.
func newETA(c routing.Cell, source string) *eta {
	if c.Unreachable {
		return nil
	}
	if c.OffRoad {
		source = routing.SourceEstimate
	}
	return &eta{math.Round(c.Seconds), math.Round(c.Metres), source, c.Hit}
}

// eta is the way of a driver to where they go; nil: there is none. Positions are sent
// every second: the cache has most of the ways, and what the others cost is the operator's.
func (a *API) eta(ctx context.Context, from, to geo.Point) *eta {
	ctx, cancel := context.WithTimeout(ctx, etaWithin)
	defer cancel()
	table, err := a.Table(ctx, nil, []geo.Point{from}, []geo.Point{to})
	if err != nil { // the rider has left
		return nil
	}
	return newETA(table.Cells[0][0], table.Source)
}

// wayAhead is what one stream knows of the way of its driver. It is for one goroutine.
type wayAhead struct {
	from, to geo.Point
	eta      *eta
	asked    time.Time
}

// left is the way from a point on it: as much of it as is left of the straight line. nil:
// the router must be asked.
func (w *wayAhead) left(from, to geo.Point) *eta {
	if w.eta == nil || w.to != to || time.Since(w.asked) >= etaHold {
		return nil
	}
	share := geo.Distance(from, to) / geo.Distance(w.from, to)
	if !(share <= strayed) { // or there was none to share
		return nil
	}
	return &eta{math.Round(w.eta.Seconds * share), math.Round(w.eta.Metres * share), w.eta.Source, w.eta.Source != routing.SourceEstimate}
}

// follow is eta for a stream.
func (a *API) follow(ctx context.Context, w *wayAhead, from, to geo.Point) *eta {
	if known := w.left(from, to); known != nil {
		return known
	}
	*w = wayAhead{from, to, a.eta(ctx, from, to), time.Now()}
	return w.eta
}

// secondsOf is what a driver needs; without a way they take for ever.
func secondsOf(d foundDriver) float64 {
	if d.ETA == nil {
		return math.Inf(1)
	}
	return d.ETA.Seconds
}

// byETA reports whether a rank is that of time.
func byETA(rank string) (bool, error) {
	switch rank {
	case "":
		return false, nil
	case "eta":
		return true, nil
	}
	return false, exchange.BadRequest("invalid_rank", `rank must be "eta", or absent: by distance`)
}

// rank orders drivers by the time that they need to a point; those without a way come
// last. Drivers who take as long stay in their order.
func (a *API) rank(r *http.Request, to geo.Point, drivers []foundDriver) error {
	if len(drivers) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), rankWithin)
	defer cancel()
	from := make([]geo.Point, len(drivers))
	for i, d := range drivers {
		from[i] = geo.Point{Lat: d.Lat, Lon: d.Lng}
	}
	table, err := a.Table(ctx, r, from, []geo.Point{to})
	if err != nil {
		return fmt.Errorf("rank drivers: %w", err)
	}
	for i := range drivers {
		drivers[i].ETA = newETA(table.Cells[i][0], table.Source)
	}
	slices.SortStableFunc(drivers, func(a, b foundDriver) int { return cmp.Compare(secondsOf(a), secondsOf(b)) })
	return nil
}
