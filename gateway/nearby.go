package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"geogate/dispatch"
	"geogate/internal/geo"
	"geogate/upstream"
)

// nearbyPlaceTimeout bounds the wait for the name of a position: whoever asks
// for drivers must not wait for a geocoder that hangs.
const nearbyPlaceTimeout = 5 * time.Second

// nearbyAnswer is a place and the drivers around it. Each half is null when it
// could not be had, with the reason beside it.
type nearbyAnswer struct {
	Cache        bool          `json:"cache"`
	Place        *foundPlace   `json:"place"`
	PlaceError   *missingHalf  `json:"place_error,omitempty"`
	Drivers      []foundDriver `json:"drivers"`
	DriversError *missingHalf  `json:"drivers_error,omitempty"`
}

// missingHalf is a problem in another problem's place.
type missingHalf struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

func newMissingHalf(err error) *missingHalf {
	p := problemOf(err)
	return &missingHalf{p.Status, p.Code, p.Detail, p.Hint}
}

var nearbyParameters = []string{"q", "lat", "lng", "lon", "limit", "radius_km", "vehicle", "tags", "region"}

// nearby answers with the place of an address, or of a position, and with the
// nearest available drivers. One half is given where the other cannot be.
func (g *Gateway) nearby(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r.URL, nearbyParameters...)
	if err != nil {
		return err
	}
	filter, err := filterOf(query)
	if err != nil {
		return err
	}
	if query.Has("lat") || query.Has("lng") || query.Has("lon") {
		if query.Has("q") {
			return errAddressAndPoint
		}
		return g.nearbyPoint(w, r, query, filter)
	}
	if err := checkAddress(query.Get("q")); err != nil {
		return err
	}
	from, err := g.pickup(w, r, query.Get("q"), coordinates{})
	if err != nil {
		return err // without a position there are no drivers either
	}
	filter.Point = from.point
	answer := nearbyAnswer{Cache: from.cached, Place: from.place}
	if answer.Drivers, err = g.nearest(r.Context(), filter); errors.Is(err, dispatch.ErrInvalid) {
		return err
	} else if err != nil {
		exchangeOf(r).err = err
		answer.DriversError = newMissingHalf(err)
	}
	return g.respond(w, http.StatusOK, answer)
}

// nearbyPoint finds the drivers first, which takes a millisecond.
func (g *Gateway) nearbyPoint(w http.ResponseWriter, r *http.Request, query url.Values, filter dispatch.NearestQuery) error {
	point, err := pointOfQuery(query, true)
	if err != nil {
		return err
	}
	filter.Point = point
	var answer nearbyAnswer
	var noDrivers error
	if answer.Drivers, noDrivers = g.nearest(r.Context(), filter); errors.Is(noDrivers, dispatch.ErrInvalid) {
		return noDrivers
	}
	place, cached, noPlace := g.placeAt(w, r, point)
	switch {
	case noPlace == nil:
		answer.Place, answer.Cache = &place, cached
	case noDrivers != nil:
		return noDrivers
	default:
		exchangeOf(r).err = noPlace
		answer.PlaceError = newMissingHalf(noPlace)
	}
	if noDrivers != nil {
		exchangeOf(r).err = noDrivers
		answer.DriversError = newMissingHalf(noDrivers)
	}
	return g.respond(w, http.StatusOK, answer)
}

func (g *Gateway) placeAt(w http.ResponseWriter, r *http.Request, p geo.Point) (place foundPlace, cached bool, err error) {
	req, cell, err := g.canonical(upstream.Reverse, url.Values{
		"lat":    {strconv.FormatFloat(p.Lat, 'f', -1, 64)},
		"lon":    {strconv.FormatFloat(p.Lon, 'f', -1, 64)},
		"format": {"json"},
	}, r.Header.Get("Accept-Language"))
	if err != nil {
		return foundPlace{}, false, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), nearbyPlaceTimeout)
	defer cancel()
	setCell(w.Header(), cell)
	place, cached, err = g.findPlace(w, r.WithContext(ctx), req)
	if errors.Is(err, errAddressNotFound) {
		err = errNoPlaceHere
	}
	return place, cached, err
}

// filterOf reads what POST /search takes in its body.
func filterOf(query url.Values) (dispatch.NearestQuery, error) {
	filter := driverFilter{Vehicle: query.Get("vehicle"), Tags: listOf(query.Get("tags")), Region: query.Get("region")}
	if query.Has("limit") {
		n, err := strconv.Atoi(query.Get("limit"))
		if err != nil {
			n = 0 // out of range
		}
		filter.Limit = &n
	}
	if query.Has("radius_km") {
		km, err := strconv.ParseFloat(query.Get("radius_km"), 64)
		if err != nil {
			km = 0 // out of range
		}
		filter.RadiusKM = &km
	}
	return filter.query()
}
