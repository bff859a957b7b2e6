package geocoding

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"geogate/cache"
	"geogate/gateway/exchange"
	"geogate/internal/geo"
	"geogate/upstream"
)

var (
	errAddressNotFound = exchange.NewProblem(http.StatusUnprocessableEntity, "address_not_found",
		"the geocoder knows no place of this name").WithHint("check it with GET /api?q=…")
	errNoPlaceHere = exchange.NewProblem(http.StatusNotFound, "place_not_found", "the geocoder knows no place at this position")
)

// FindAddress geocodes an address as a step on the way to something else. It
// tells in the headers what the cache did; cached is whether the place came from
// there.
func (a *API) FindAddress(w http.ResponseWriter, r *http.Request, q string) (place exchange.Place, cached bool, err error) {
	if err := checkAddress(q); err != nil {
		return place, false, err
	}
	query := url.Values{"q": {q}, "format": {"json"}, "limit": {"1"}}
	req, err := upstream.Canonical(upstream.Search, query, r.Header.Get("Accept-Language"))
	if err != nil {
		return place, false, err
	}
	return a.findPlace(w, r, req)
}

// FindPlaceAt is FindAddress for what lies at p.
func (a *API) FindPlaceAt(w http.ResponseWriter, r *http.Request, p geo.Point) (place exchange.Place, cached bool, err error) {
	req, cell, err := a.Canonical(upstream.Reverse, url.Values{
		"lat":    {strconv.FormatFloat(p.Lat, 'f', -1, 64)},
		"lon":    {strconv.FormatFloat(p.Lon, 'f', -1, 64)},
		"format": {"json"},
	}, r.Header.Get("Accept-Language"))
	if err != nil {
		return place, false, err
	}
	setCell(w.Header(), cell)
	place, cached, err = a.findPlace(w, r, req)
	if errors.Is(err, errAddressNotFound) {
		err = errNoPlaceHere
	}
	return place, cached, err
}

func (a *API) findPlace(w http.ResponseWriter, r *http.Request, req upstream.Request) (place exchange.Place, cached bool, err error) {
	res, err := a.lookup(r, req)
	if err != nil {
		return exchange.Place{}, false, err
	}
	exchange.SetCacheStatus(w.Header(), res)
	cached = res.Class == cache.Hit || res.Class == cache.Stale
	switch {
	case res.Outcome == string(upstream.Refused):
		return exchange.Place{}, cached, refusedByUpstream(res)
	case res.Outcome != string(upstream.Found):
		return exchange.Place{}, cached, errAddressNotFound
	}
	place, err = firstPlace(res.Body)
	if err != nil {
		return exchange.Place{}, cached, fmt.Errorf("%w: %w", upstream.ErrInvalidAnswer, err)
	}
	return place, cached, nil
}

// firstPlace reads the place of an answer in json: the first of the list that
// a search gives, or the one of a reverse geocode.
func firstPlace(body []byte) (exchange.Place, error) {
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
		return exchange.Place{}, fmt.Errorf("read place: %w", err)
	}
	p := places[0]
	return exchange.Place{DisplayName: p.DisplayName, Lat: p.Lat, Lng: p.Lon, Licence: p.Licence}, nil
}
