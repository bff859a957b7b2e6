// Package rides is the room of dispatch: positions of drivers, searches for
// drivers, rides and the offers that lead to them.
package rides

import (
	"context"
	"encoding/json"
	"net/http"

	"geogate/dispatch"
	"geogate/gateway/exchange"
	"geogate/internal/geo"
	"geogate/internal/region"
	"geogate/internal/routing"
)

// Config is what the API needs besides dispatch. It is required but for Places.
type Config struct {
	Streams *exchange.Streams
	// FindAddress and FindPlaceAt geocode on the way to drivers. They tell in the
	// headers of the answer what the cache did.
	FindAddress func(w http.ResponseWriter, r *http.Request, q string) (place exchange.Place, cached bool, err error)
	FindPlaceAt func(w http.ResponseWriter, r *http.Request, p geo.Point) (place exchange.Place, cached bool, err error)
	// Table tells how long ways are, at the expense of who sent r; nil: of the operator.
	Table func(ctx context.Context, r *http.Request, from, to []geo.Point) (routing.Table, error)
	// Places are the regions that have one; nil: there are none.
	Places *region.Map
	// MayRequest returns an error while no new rides are taken.
	MayRequest func() error
	// Problem is what a client is told of an error.
	Problem func(error) *exchange.Problem
}

// API answers requests about rides and drivers over HTTP. It is safe for
// concurrent use.
type API struct {
	engine *dispatch.Engine
	Config
	bodies  *exchange.LargeBodies
	regions *exchange.File
}

// New returns the API of engine.
func New(engine *dispatch.Engine, cfg Config) *API {
	return &API{engine, cfg, exchange.NewLargeBodies(), regionList(engine.Regions(), cfg.Places)}
}

// point is a position on the wire.
type point struct {
	Lat float64 `json:"lat"`
	Lng float64 `json:"lng"`
}

// origin is where a search starts.
type origin struct {
	point  geo.Point
	place  *exchange.Place // set when an address was given
	cached bool            // whether its place came from the cache
}

// json is the place as rides keep it, nil without one.
func (o origin) json() json.RawMessage {
	if o.place == nil {
		return nil
	}
	text, err := json.Marshal(o.place)
	if err != nil { // strings and numbers always encode
		panic(err)
	}
	return text
}

// pickup resolves what a client gave, coordinates or an address, to a point.
func (a *API) pickup(w http.ResponseWriter, r *http.Request, q string, c exchange.Coordinates) (origin, error) {
	if q == "" {
		point, err := c.Point(true)
		return origin{point: point}, err
	}
	if c.Given() {
		return origin{}, exchange.ErrAddressAndPoint
	}
	return a.address(w, r, q)
}

func (a *API) address(w http.ResponseWriter, r *http.Request, q string) (origin, error) {
	place, cached, err := a.FindAddress(w, r, q)
	if err != nil {
		return origin{}, err
	}
	return origin{geo.Point{Lat: place.Lat, Lon: place.Lng}, &place, cached}, nil
}
