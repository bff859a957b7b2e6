package rides

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"geogate/dispatch"
	"geogate/gateway/exchange"
)

// nearbyPlaceTimeout bounds the wait for the name of a position: a client that
// asks for drivers must not wait for a geocoder that hangs.
const nearbyPlaceTimeout = 5 * time.Second

// nearbyAnswer is a place and the drivers around it. A half that is unavailable
// is null, with the reason beside it.
type nearbyAnswer struct {
	Cache      bool            `json:"cache"`
	Place      *exchange.Place `json:"place"`
	PlaceError *missingHalf    `json:"place_error,omitempty"`
	foundDrivers
	DriversError *missingHalf `json:"drivers_error,omitempty"`
}

// missingHalf is a problem in another problem's place.
type missingHalf struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

func (a *API) missing(err error) *missingHalf {
	p := a.Problem(err)
	return &missingHalf{p.Status, p.Code, p.Detail, p.Hint}
}

var nearbyParameters = []string{"q", "lat", "lng", "lon", "limit", "radius_km", "vehicle", "tags", "region", "rank"}

// Nearby answers with the place of an address, or of a position, and with the
// nearest available drivers. It gives one half where the other is unavailable.
func (a *API) Nearby(w http.ResponseWriter, r *http.Request) error {
	query, err := exchange.Parameters(r.URL, nearbyParameters...)
	if err != nil {
		return err
	}
	filter, err := filterOf(query)
	if err != nil {
		return err
	}
	if exchange.HasPoint(query) {
		if query.Has("q") {
			return exchange.ErrAddressAndPoint
		}
		return a.nearbyPoint(w, r, query, filter)
	}
	from, err := a.address(w, r, query.Get("q"))
	if err != nil {
		return err // without a position there are no drivers either
	}
	filter.Point = from.point
	answer := nearbyAnswer{Cache: from.cached, Place: from.place}
	if answer.foundDrivers, err = a.nearest(r, filter, query.Get("rank")); errors.Is(err, dispatch.ErrInvalid) {
		return err
	} else if err != nil {
		exchange.Of(r).Failure = err
		answer.DriversError = a.missing(err)
	}
	return exchange.Respond(w, http.StatusOK, answer)
}

// nearbyPoint finds the drivers first, which takes a millisecond.
func (a *API) nearbyPoint(w http.ResponseWriter, r *http.Request, query url.Values, filter dispatch.NearestQuery) error {
	point, err := exchange.PointOf(query, true)
	if err != nil {
		return err
	}
	filter.Point = point
	var answer nearbyAnswer
	var noDrivers error
	if answer.foundDrivers, noDrivers = a.nearest(r, filter, query.Get("rank")); errors.Is(noDrivers, dispatch.ErrInvalid) {
		return noDrivers
	}
	ctx, cancel := context.WithTimeout(r.Context(), nearbyPlaceTimeout)
	defer cancel()
	place, cached, noPlace := a.FindPlaceAt(w, r.WithContext(ctx), point)
	switch {
	case noPlace == nil:
		answer.Place, answer.Cache = &place, cached
	case noDrivers != nil:
		return noDrivers
	default:
		exchange.Of(r).Failure = noPlace
		answer.PlaceError = a.missing(noPlace)
	}
	if noDrivers != nil {
		exchange.Of(r).Failure = noDrivers
		answer.DriversError = a.missing(noDrivers)
	}
	return exchange.Respond(w, http.StatusOK, answer)
}

// filterOf reads from the query what POST /search takes in its body.
func filterOf(query url.Values) (dispatch.NearestQuery, error) {
	filter := driverFilter{Vehicle: query.Get("vehicle"), Tags: exchange.List(query.Get("tags")), Region: query.Get("region"), Rank: query.Get("rank")}
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
