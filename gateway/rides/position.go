package rides

import (
	"context"
	"encoding/json"
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
	ETA       *eta          `json:"eta,omitempty"`
}

func (a *API) livePosition(ctx context.Context, way *wayAhead, ride dispatch.Ride, p dispatch.LivePosition) livePosition {
	wire := livePosition{
		point: point{p.Point.Lat, p.Point.Lon}, motion: motion(p.Motion), SeenAt: exchange.Time(p.SeenAt),
	}
	to := &ride.Pickup
	if ride.State == dispatch.Started {
		to = ride.Dropoff
	}
	if to != nil {
		distance := centimetres(geo.Distance(p.Point, *to))
		wire.DistanceM, wire.ETA = &distance, a.follow(ctx, way, p.Point, *to)
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
	return exchange.Respond(w, http.StatusOK, a.livePosition(r.Context(), new(wayAhead), ride, p))
}

// positionEvent has no id: it is not sent again to a client that comes back.
func (a *API) positionEvent(ctx context.Context, way *wayAhead, ride dispatch.Ride, p dispatch.LivePosition) string {
	data, err := json.Marshal(a.livePosition(ctx, way, ride, p))
	if err != nil { // numbers and times always encode
		panic(err)
	}
	return "event: position\ndata: " + string(data) + "\n\n"
}
