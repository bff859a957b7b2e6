package gateway

import (
	"fmt"
	"math"
	"net/http"

	"geogate/cache"
	"geogate/dispatch"
	"geogate/internal/geo"
	"geogate/upstream"
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

// foundPlace is where an address was found.
type foundPlace struct {
	DisplayName string  `json:"display_name"`
	Lat         float64 `json:"lat"`
	Lng         float64 `json:"lng"`
}

// searchDrivers finds the nearest available drivers to a position or address.
func (g *Gateway) searchDrivers(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Q string `json:"q"`
		coordinates
		Limit    *int     `json:"limit"`
		RadiusKM *float64 `json:"radius_km"`
		Vehicle  string   `json:"vehicle"`
		Tags     []string `json:"tags"`
		Region   string   `json:"region"`
	}
	if err := decode(w, r, &body); err != nil {
		return err
	}
	query := dispatch.NearestQuery{
		Limit: defaultDrivers, RadiusM: defaultRadiusKM * 1000,
		Vehicle: body.Vehicle, Tags: body.Tags, Region: body.Region,
	}
	if body.Limit != nil {
		if query.Limit = *body.Limit; query.Limit < 1 || query.Limit > maxDrivers {
			return badRequest("invalid_limit", fmt.Sprintf("limit must be from 1 to %d", maxDrivers))
		}
	}
	if body.RadiusKM != nil {
		if !(*body.RadiusKM > 0 && *body.RadiusKM <= maxRadiusKM) {
			return badRequest("invalid_radius", fmt.Sprintf("radius_km must be above 0 and at most %d", maxRadiusKM))
		}
		query.RadiusM = *body.RadiusKM * 1000
	}
	from, err := g.pickup(r, body.Q, body.coordinates)
	if err != nil {
		return err
	}
	query.Point = from.point
	candidates, err := g.engine.Nearest(r.Context(), query)
	if err != nil {
		return fmt.Errorf("search drivers: %w", err)
	}
	answer := struct {
		Cache   bool          `json:"cache"`
		Place   *foundPlace   `json:"place,omitempty"`
		Drivers []foundDriver `json:"drivers"`
	}{Cache: from.cached, Place: from.place, Drivers: make([]foundDriver, len(candidates))}
	for i, c := range candidates {
		answer.Drivers[i] = foundDriver{c.ID, c.Point.Lat, c.Point.Lon, centimetres(c.DistanceM), wireTime(c.SeenAt)}
	}
	return g.respond(w, http.StatusOK, answer)
}

// centimetres rounds for the wire: a GPS does not tell more.
func centimetres(metres float64) float64 { return math.Round(metres*100) / 100 }

// origin is where a search starts.
type origin struct {
	point  geo.Point
	place  *foundPlace // set when an address was given
	cached bool        // whether its place came from the cache
}

// pickup resolves what a client gave, coordinates or an address, to a point.
func (g *Gateway) pickup(r *http.Request, q string, c coordinates) (origin, error) {
	if q == "" {
		point, err := c.point(true)
		return origin{point: point}, err
	}
	if c.given() {
		return origin{}, errAddressAndPoint
	}
	req, err := addressRequest(q, r.Header.Get("Accept-Language"))
	if err != nil {
		return origin{}, err
	}
	res, err := g.lookup(r, req)
	if err != nil {
		return origin{}, err
	}
	if res.Outcome != string(upstream.Found) {
		return origin{}, errAddressNotFound
	}
	place, err := firstPlace(res.Body)
	if err != nil {
		return origin{}, err
	}
	return origin{
		point:  geo.Point{Lat: place.Lat, Lon: place.Lng},
		place:  &place,
		cached: res.Class == cache.Hit || res.Class == cache.Stale,
	}, nil
}
