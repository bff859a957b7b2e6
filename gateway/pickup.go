package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"geogate/cache"
	"geogate/internal/geo"
	"geogate/upstream"
)

// foundPlace is where an address was found, or what lies at a position.
type foundPlace struct {
	DisplayName string  `json:"display_name"`
	Lat         float64 `json:"lat"`
	Lng         float64 `json:"lng"`
	Licence     string  `json:"licence,omitempty"` // to be shown with the place
}

// origin is where a search starts.
type origin struct {
	point  geo.Point
	place  *foundPlace // set when an address was given
	cached bool        // whether its place came from the cache
}

// pickup resolves what a client gave, coordinates or an address, to a point.
func (g *Gateway) pickup(w http.ResponseWriter, r *http.Request, q string, c coordinates) (origin, error) {
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
	place, cached, err := g.findPlace(w, r, req)
	if err != nil {
		return origin{}, err
	}
	return origin{geo.Point{Lat: place.Lat, Lon: place.Lng}, &place, cached}, nil
}

// findPlace geocodes req, which asks for one place, as a step on the way to
// drivers.
func (g *Gateway) findPlace(w http.ResponseWriter, r *http.Request, req upstream.Request) (place foundPlace, cached bool, err error) {
	res, err := g.lookup(r, req)
	if err != nil {
		return foundPlace{}, false, withoutGeocoder(err)
	}
	setCacheStatus(w.Header(), res)
	cached = res.Class == cache.Hit || res.Class == cache.Stale
	switch {
	case res.Outcome == string(upstream.Refused):
		return foundPlace{}, cached, refusedByUpstream(res)
	case res.Outcome != string(upstream.Found):
		return foundPlace{}, cached, errAddressNotFound
	}
	place, err = firstPlace(res.Body)
	if err != nil {
		return foundPlace{}, cached, withoutGeocoder(fmt.Errorf("%w: %w", upstream.ErrInvalidAnswer, err))
	}
	return place, cached, nil
}

// withoutGeocoder tells of a failed geocode where it was a step on the way to
// something else: whatever the geocoder did, nothing has come of the request,
// and the same one may succeed later.
func withoutGeocoder(err error) error {
	kinds := []error{upstream.ErrTimeout, upstream.ErrInvalidAnswer, context.DeadlineExceeded}
	if !slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) }) {
		return err
	}
	told := *problemOf(err)
	told.Status, told.Title = http.StatusServiceUnavailable, http.StatusText(http.StatusServiceUnavailable)
	return fmt.Errorf("%w: %w", &told, err)
}

// firstPlace reads the place of an answer in json: the first of the list that
// a search gives, or the one of a reverse geocode.
func firstPlace(body []byte) (foundPlace, error) {
	type wirePlace struct {
		DisplayName string  `json:"display_name"`
		Lat         float64 `json:"lat,string"`
		Lon         float64 `json:"lon,string"`
		Licence     string  `json:"licence"`
	}
	var places [1]wirePlace
	target := any(&places)
	if len(body) > 0 && body[0] == '{' {
		target = &places[0]
	}
	if err := json.Unmarshal(body, target); err != nil {
		return foundPlace{}, fmt.Errorf("read place: %w", err)
	}
	p := places[0]
	return foundPlace{p.DisplayName, p.Lat, p.Lon, p.Licence}, nil
}
