// Package admin is the room of whoever runs geogate: it explains, counts and
// purges what the cache holds, takes it along to another one, and issues keys.
package admin

import (
	"net/url"
	"time"

	"geogate/cache"
	"geogate/internal/fleet"
	"geogate/upstream"
)

// Geocoder is what the API needs to know of the geocoder. All of it is required.
type Geocoder struct {
	Cache *cache.Cache
	Chain *upstream.Chain
	// Canonical and Key lead from what a client asks to the key of its answer; cell
	// is the position asked in place of the client's.
	Canonical func(endpoint upstream.Endpoint, query url.Values, acceptLanguage string) (req upstream.Request, cell string, err error)
	Key       func(upstream.Request) string
	// EndpointOf tells which endpoint a path is.
	EndpointOf func(path string) (upstream.Endpoint, bool)
	// Fresh, Empty and Stale are how long answers live.
	Fresh, Empty, Stale time.Duration
}

// API answers requests of administrators over HTTP. It is safe for concurrent
// use.
type API struct {
	geocoder    Geocoder
	credentials Credentials
	fleet       *fleet.Fleet
}

// New returns the API of a geocoder, of the credentials that open it, and of the
// fleet's mode.
func New(geocoder Geocoder, credentials Credentials, processes *fleet.Fleet) *API {
	return &API{geocoder, credentials, processes}
}
