package rides

import (
	"fmt"
	"math"
	"net/http"

	"geogate/dispatch"
	"geogate/gateway/exchange"
)

const (
	defaultDrivers  = 10
	maxDrivers      = 100
	defaultRadiusKM = 15
	maxRadiusKM     = 100
)

// foundDriver is an available driver and how far away.
type foundDriver struct {
	ID        string        `json:"id"`
	Lat       float64       `json:"lat"`
	Lng       float64       `json:"lng"`
	DistanceM float64       `json:"distance_m"`
	SeenAt    exchange.Time `json:"seen_at"`
	ETA       *eta          `json:"eta,omitempty"` // with rank eta, where there is a way
}

// driverFilter says which drivers to look for around a point.
type driverFilter struct {
	Limit    *int     `json:"limit"`
	RadiusKM *float64 `json:"radius_km"`
	Vehicle  string   `json:"vehicle"`
	Tags     []string `json:"tags"`
	Region   string   `json:"region"`
	Rank     string   `json:"rank"`
}

func (f driverFilter) query() (dispatch.NearestQuery, error) {
	query := dispatch.NearestQuery{
		Limit: defaultDrivers, RadiusM: defaultRadiusKM * 1000,
		Vehicle: f.Vehicle, Tags: f.Tags, Region: f.Region,
	}
	if f.Limit != nil {
		if query.Limit = *f.Limit; query.Limit < 1 || query.Limit > maxDrivers {
			return query, exchange.BadRequest("invalid_limit", fmt.Sprintf("limit must be from 1 to %d", maxDrivers))
		}
	}
	if f.RadiusKM != nil {
		if !(*f.RadiusKM > 0 && *f.RadiusKM <= maxRadiusKM) { // the negation also refuses NaN
			return query, exchange.BadRequest("invalid_radius", fmt.Sprintf("radius_km must be above 0 and at most %d", maxRadiusKM))
		}
		query.RadiusM = *f.RadiusKM * 1000
	}
	_, err := byETA(f.Rank)
	return query, err
}

// Nearest finds the nearest available drivers to a position or address.
func (a *API) Nearest(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Q string `json:"q"`
		exchange.Coordinates
		driverFilter
	}
	if err := exchange.Decode(w, r, &body); err != nil {
		return err
	}
	query, err := body.query()
	if err != nil {
		return err
	}
	from, err := a.pickup(w, r, body.Q, body.Coordinates)
	if err != nil {
		return err
	}
	query.Point = from.point
	drivers, err := a.nearest(r, query, body.Rank)
	if err != nil {
		return err
	}
	return exchange.Respond(w, http.StatusOK, struct {
		Cache bool            `json:"cache"`
		Place *exchange.Place `json:"place,omitempty"`
		foundDrivers
	}{from.cached, from.place, drivers})
}

// foundDrivers are the drivers that were found. Incomplete tells that there were too many
// to look at them all.
type foundDrivers struct {
	Drivers    []foundDriver `json:"drivers"`
	Incomplete bool          `json:"incomplete,omitempty"`
}

// nearest finds drivers; by rank eta they are the quickest of the nearest.
func (a *API) nearest(r *http.Request, query dispatch.NearestQuery, rank string) (foundDrivers, error) {
	ranked, err := byETA(rank)
	if err != nil {
		return foundDrivers{}, err
	}
	limit := query.Limit
	if ranked {
		query.Limit = max(limit, rankMost)
	}
	candidates, complete, err := a.engine.Nearest(r.Context(), query)
	if err != nil {
		return foundDrivers{}, fmt.Errorf("search drivers: %w", err)
	}
	drivers := make([]foundDriver, len(candidates))
	for i, c := range candidates {
		drivers[i] = foundDriver{c.ID, c.Point.Lat, c.Point.Lon, centimetres(c.DistanceM), exchange.Time(c.SeenAt), nil}
	}
	blur(r, query.Point, drivers)
	if ranked { // by what the caller may know: times would tell the rest
		if err := a.rank(r, query.Point, drivers); err != nil {
			return foundDrivers{}, err
		}
		drivers = drivers[:min(limit, len(drivers))]
	}
	return foundDrivers{drivers, !complete}, nil
}

// centimetres rounds for the wire: GPS is no more exact.
func centimetres(metres float64) float64 { return math.Round(metres*100) / 100 }
