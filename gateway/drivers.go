package gateway

import (
	"context"
	"fmt"
	"math"
	"net/http"

	"geogate/dispatch"
)

const (
	defaultDrivers  = 10
	maxDrivers      = 100
	defaultRadiusKM = 15
	maxRadiusKM     = 100
)

// foundDriver is an available driver and how far away.
type foundDriver struct {
	ID        string   `json:"id"`
	Lat       float64  `json:"lat"`
	Lng       float64  `json:"lng"`
	DistanceM float64  `json:"distance_m"`
	SeenAt    wireTime `json:"seen_at"`
}

// driverFilter says which drivers are looked for around a point.
type driverFilter struct {
	Limit    *int     `json:"limit"`
	RadiusKM *float64 `json:"radius_km"`
	Vehicle  string   `json:"vehicle"`
	Tags     []string `json:"tags"`
	Region   string   `json:"region"`
}

func (f driverFilter) query() (dispatch.NearestQuery, error) {
	query := dispatch.NearestQuery{
		Limit: defaultDrivers, RadiusM: defaultRadiusKM * 1000,
		Vehicle: f.Vehicle, Tags: f.Tags, Region: f.Region,
	}
	if f.Limit != nil {
		if query.Limit = *f.Limit; query.Limit < 1 || query.Limit > maxDrivers {
			return query, badRequest("invalid_limit", fmt.Sprintf("limit must be from 1 to %d", maxDrivers))
		}
	}
	if f.RadiusKM != nil {
		if !(*f.RadiusKM > 0 && *f.RadiusKM <= maxRadiusKM) { // the negation also refuses NaN
			return query, badRequest("invalid_radius", fmt.Sprintf("radius_km must be above 0 and at most %d", maxRadiusKM))
		}
		query.RadiusM = *f.RadiusKM * 1000
	}
	return query, nil
}

// searchDrivers finds the nearest available drivers to a position or address.
func (g *Gateway) searchDrivers(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Q string `json:"q"`
		coordinates
		driverFilter
	}
	if err := decode(w, r, &body); err != nil {
		return err
	}
	query, err := body.query()
	if err != nil {
		return err
	}
	from, err := g.pickup(w, r, body.Q, body.coordinates)
	if err != nil {
		return err
	}
	query.Point = from.point
	drivers, err := g.nearest(r.Context(), query)
	if err != nil {
		return err
	}
	return g.respond(w, http.StatusOK, struct {
		Cache   bool          `json:"cache"`
		Place   *foundPlace   `json:"place,omitempty"`
		Drivers []foundDriver `json:"drivers"`
	}{from.cached, from.place, drivers})
}

func (g *Gateway) nearest(ctx context.Context, query dispatch.NearestQuery) ([]foundDriver, error) {
	candidates, err := g.engine.Nearest(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("search drivers: %w", err)
	}
	drivers := make([]foundDriver, len(candidates))
	for i, c := range candidates {
		drivers[i] = foundDriver{c.ID, c.Point.Lat, c.Point.Lon, centimetres(c.DistanceM), wireTime(c.SeenAt)}
	}
	return drivers, nil
}

// centimetres rounds for the wire: a GPS does not tell more.
func centimetres(metres float64) float64 { return math.Round(metres*100) / 100 }
