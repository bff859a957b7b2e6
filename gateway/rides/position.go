package rides

import (
	"context"
	"encoding/json"
	"math"
	"net/http"

	"geogate/dispatch"
	"geogate/gateway/exchange"
	"geogate/internal/geo"
)

// motion is how a driver moves, as far as they said.
type motion struct {
	Heading  *float64 `json:"heading,omitempty"`
	Speed    *float64 `json:"speed,omitempty"`
	Accuracy *float64 `json:"accuracy,omitempty"`
}

// livePosition is where the driver of a ride is, and how far from where they go: the
// pickup or, once the ride has started, the drop-off.
type livePosition struct {
	point
	motion
	SeenAt    exchange.Time `json:"seen_at"`
	DistanceM *float64      `json:"distance_m,omitempty"`
	ETA       *ETA          `json:"eta,omitempty"`
}

// ETA is how long a way takes and how far it is by road.
type ETA struct {
	Seconds float64 `json:"seconds"`
	Metres  float64 `json:"metres"`
	Source  string  `json:"source"` // the routing engine, or "estimate"
	Cache   bool    `json:"cache"`
}

// ETAFunc finds the way from one point to another. It always has an answer.
type ETAFunc func(ctx context.Context, from, to geo.Point) ETA

// The estimate: roads are longer than the straight line, and towns slow.
const (
	detour       = 1.3
	metresASec   = 30 / 3.6
	fromEstimate = "estimate"
)

// Estimate is the ETA without a routing engine.
func Estimate(_ context.Context, from, to geo.Point) ETA {
	metres := geo.Distance(from, to) * detour
	return ETA{Seconds: math.Round(metres / metresASec), Metres: math.Round(metres), Source: fromEstimate}
}

func (a *API) livePosition(ctx context.Context, ride dispatch.Ride, p dispatch.LivePosition) livePosition {
	wire := livePosition{
		point: point{p.Point.Lat, p.Point.Lon}, motion: motion(p.Motion), SeenAt: exchange.Time(p.SeenAt),
	}
	to := &ride.Pickup
	if ride.State == dispatch.Started {
		to = ride.Dropoff
	}
	if to != nil {
		distance, eta := centimetres(geo.Distance(p.Point, *to)), a.ETA(ctx, p.Point, *to)
		wire.DistanceM, wire.ETA = &distance, &eta
	}
	return wire
}

// RideDriver tells where the driver of a ride is now.
func (a *API) RideDriver(w http.ResponseWriter, r *http.Request) error {
	id, err := exchange.IDAlone(r)
	if err != nil {
		return err
	}
	ride, p, err := a.engine.RideDriver(as(r), id)
	if err != nil {
		return err
	}
	exchange.Of(r).RideID = ride.ID
	return exchange.Respond(w, http.StatusOK, a.livePosition(r.Context(), ride, p))
}

// positionEvent has no id: it is not sent again to a client that comes back.
func (a *API) positionEvent(ctx context.Context, ride dispatch.Ride, p dispatch.LivePosition) string {
	data, err := json.Marshal(a.livePosition(ctx, ride, p))
	if err != nil { // numbers and times always encode
		panic(err)
	}
	return "event: position\ndata: " + string(data) + "\n\n"
}
