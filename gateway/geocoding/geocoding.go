// Package geocoding is the room of the geocoder: geogate's own /api, the drop-in
// endpoints for clients of Nominatim, and the places that other rooms need on
// the way to something else.
package geocoding

import (
	"context"
	"errors"
	"hash/maphash"
	"net/http"
	"net/url"
	"time"

	"geogate/cache"
	"geogate/gateway/exchange"
	"geogate/upstream"
)

// geocodeTimeout bounds one geocode, the wait for a budget included. Heroku's
// router gives up after 30 s.
const geocodeTimeout = 25 * time.Second

// API answers geocodes over HTTP. It is safe for concurrent use.
type API struct {
	geocoder *Geocoder
	cells    Cells
	typing   typing
	charge   func(*http.Request) *upstream.Charge
	seed     maphash.Seed // keys the hash by which logs tell queries apart without revealing them
}

// New returns the API of geocoder, with reverse geocodes moved to cells. charge
// says who pays for the calls to upstreams that a request causes; nil: nobody.
func New(geocoder *Geocoder, cells Cells, charge func(*http.Request) *upstream.Charge) *API {
	if charge == nil {
		charge = func(*http.Request) *upstream.Charge { return nil }
	}
	return &API{geocoder: geocoder, cells: cells, charge: charge, seed: maphash.MakeSeed()}
}

// Canonical makes the canonical request for what a client asked; see
// Cells.Canonical.
func (a *API) Canonical(endpoint upstream.Endpoint, query url.Values, acceptLanguage string) (req upstream.Request, cell string, err error) {
	return a.cells.Canonical(endpoint, query, acceptLanguage)
}

// lookup geocodes for the person who waits for r.
func (a *API) lookup(r *http.Request, req upstream.Request) (cache.Result, error) {
	ex := exchange.Of(r)
	ex.Query = maphash.String(a.seed, req.Key())
	d := exchange.Directives(r.Header)
	d.Spent = ex.Spent
	ctx, cancel := context.WithTimeout(upstream.WithCharge(r.Context(), a.charge(r)), geocodeTimeout)
	defer cancel()
	res, err := a.look(ctx, req, d, a.isTyping(req, ex.Client))
	if err != nil {
		return cache.Result{}, err
	}
	ex.Cache, ex.Upstream = string(res.Class), res.Provider
	return res, nil
}

// look answers req. What is typed is answered from the cache before anybody is
// asked, and then only by those whose terms allow it.
func (a *API) look(ctx context.Context, req upstream.Request, d cache.Directives, typed bool) (cache.Result, error) {
	ask := d
	if typed {
		d.OnlyIfCached = true
	}
	if res, held := a.geocoder.Held(req, d, nil); held {
		return res, nil
	}
	res, err := a.geocoder.Lookup(ctx, req, upstream.People, d)
	if !typed || !errors.Is(err, cache.ErrNotCached) {
		return res, err
	}
	if _, some := a.geocoder.chain.Autocomplete(); !some || ask.OnlyIfCached {
		return cache.Result{}, errTyping
	}
	res, err = a.geocoder.Lookup(ctx, req.AsTyped(), upstream.People, ask)
	if errors.Is(err, upstream.ErrForbidden) {
		return cache.Result{}, errTyping
	}
	return res, err
}

// HeldDropIn answers as DropIn does what is in memory or in Redis.
func (a *API) HeldDropIn(endpoint upstream.Endpoint) exchange.Source {
	return func(ex *exchange.Exchange, query, acceptLanguage string, wait func() bool, take func(cache.Result) bool) (hit exchange.Hit, held bool) {
		req, cell, err := a.Canonical(endpoint, upstream.ParseQuery(query), acceptLanguage)
		if err != nil || req.Callback() != "" {
			return exchange.Hit{}, false
		}
		hit.Cell = cell
		hit.Result, held = a.held(ex, req, wait, take)
		return hit, held
	}
}

// Held answers as Get does what is in memory or in Redis.
func (a *API) Held(ex *exchange.Exchange, query, acceptLanguage string, wait func() bool, take func(cache.Result) bool) (hit exchange.Hit, held bool) {
	values, err := exchange.Parameters(&url.URL{RawQuery: query}, apiParameters...)
	if err != nil {
		return exchange.Hit{}, false
	}
	req, cell, err := a.request(values, acceptLanguage)
	if err != nil {
		return exchange.Hit{}, false
	}
	if hit.Result, held = a.held(ex, req, wait, take); !held {
		return exchange.Hit{}, false
	}
	hit.Cell, hit.Envelope = cell, a.wrap(req.Endpoint(), &hit.Result)
	return hit, true
}

// held is lookup for what is in memory, or in Redis if there may be a wait for it.
func (a *API) held(ex *exchange.Exchange, req upstream.Request, wait func() bool, take func(cache.Result) bool) (res cache.Result, held bool) {
	if res, held = a.geocoder.Held(req, cache.Directives{}, take); !held && wait != nil {
		res, ex.Spent, held = a.geocoder.Reached(req, func() context.Context {
			if !wait() {
				return nil
			}
			return ex.Turn()
		}, take)
	}
	if !held {
		return cache.Result{}, false
	}
	a.isTyping(req, ex.Client) // a series goes on with what is cached
	ex.Cache, ex.Upstream = string(res.Class), res.Provider
	ex.Query = maphash.String(a.seed, req.Key())
	return res, true
}
