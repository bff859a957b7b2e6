package gateway

import (
	"net/http"

	"geogate/gateway/exchange"
	"geogate/gateway/geocoding"
	"geogate/gateway/jobs"
	"geogate/gateway/reference"
	"geogate/gateway/widget"
	"geogate/internal/identity"
)

// A route is one line of the table: who may call what, and how it is answered.
type route struct {
	method  string
	pattern string
	scope   scope
	policy  policy
	handler exchange.Handler
}

// A scope is what a caller must have; a route that names several takes any of
// them. Whose rides and jobs a caller may touch is checked where those are.
type scope = identity.Scope

const (
	scopeGeocode  = identity.Geocode
	scopeNearby   = identity.Nearby
	scopeRide     = identity.Ride
	scopeDrive    = identity.Drive
	scopeBulk     = identity.Bulk
	scopeDispatch = identity.Dispatch
	scopeEvents   = identity.Events
	scopeAdmin    = identity.Administer
	scopePublic   = identity.Scope(1 << 15) // nobody needs anything
)

const (
	get     = http.MethodGet // and HEAD, wherever GET is
	post    = http.MethodPost
	put     = http.MethodPut
	remove  = http.MethodDelete
	options = http.MethodOptions
)

// routes is the whole of the HTTP interface on one screen.
func (g *Gateway) routes() []route {
	var table []route
	for path, endpoint := range geocoding.Paths() { // /search, /reverse … and each with .php
		table = append(table,
			route{get, path, scopeGeocode, dropIn, g.geocoding.DropIn(endpoint)},
			route{options, path, scopeGeocode, dropIn, g.options})
	}
	table = append(table, []route{
		{get, "/", scopePublic, page, g.root},
		{get, "/docs", scopePublic, page, reference.Page},
		{get, "/docs/{file}", scopePublic, page, reference.Page},
		{get, "/openapi.json", scopePublic, open, reference.JSON},
		{get, "/openapi.yaml", scopePublic, open, reference.YAML},

		{get, "/healthz", scopePublic, probe, g.healthz},
		{get, "/readyz", scopePublic, probe, g.readyz},
		{get, "/version", scopePublic, probe, g.getVersion},
		{get, "/metrics", scopeAdmin, probe, g.getMetrics},

		{get, "/console", scopePublic, page, g.console.Page},
		{get, "/console/*", scopePublic, page, g.console.Page},
		{get, "/console/session", scopePublic, private, g.console.Session},
		{get, "/console/history", scopeAdmin, private, g.console.History},
		{get, "/console/labels/{z}/{x}/{y}", scopePublic, page, g.console.Labels},
		{get, "/console/basemap", scopeGeocode | scopeDispatch | scopeBulk, private, g.console.Basemap},
		{get, "/console/tiles.pmtiles", scopeGeocode | scopeDispatch | scopeBulk, page, g.console.Tiles},

		{get, "/api", scopeGeocode, open, g.geocoding.Get},
		{post, "/api", scopeGeocode, open, g.geocoding.Post},

		{get, "/suggest", scopeGeocode, open, g.geocoding.Suggest},
		{get, "/console/suggest.js", scopePublic, open, widget.Suggest}, // for pages of others, too

		{post, "/search", scopeNearby, private, g.rides.Nearest},
		{get, "/v2/nearby", scopeNearby, private, g.rides.Nearby},
		{post, "/v2/eta", scopeNearby, private, g.roads.ETA},
		{post, "/v2/search", scopeRide, private, g.rides.Request},
		{get, "/v2/requests/{id}", scopeRide | scopeDrive, private, g.rides.Get},
		{get, "/v2/requests/{id}/events", scopeRide | scopeDrive, stream, g.rides.Follow},
		{get, "/v2/requests/{id}/driver", scopeRide | scopeDrive, private, g.rides.RideDriver},
		{post, "/v2/requests/{id}/cancel", scopeRide, private, g.rides.Cancel},
		{post, "/v2/requests/{id}/arrive", scopeDrive, private, g.rides.Arrive},
		{post, "/v2/requests/{id}/start", scopeDrive, private, g.rides.Start},
		{post, "/v2/requests/{id}/complete", scopeDrive, private, g.rides.Complete},
		{post, "/v2/requests/{id}/release", scopeDrive, private, g.rides.Release},
		{get, "/v2/regions", scopeNearby | scopeRide | scopeDrive | scopeDispatch, page, g.rides.Regions},
		{post, "/v2/cancel", scopeRide, private, g.rides.CancelNamed},
		{post, "/v2/complete", scopeDrive, private, g.rides.CompleteNamed},
		{post, "/tracking", scopeDrive, private, g.rides.Track},
		{get, "/v2/drivers/{id}", scopeRide | scopeDrive, private, g.rides.Driver},
		{remove, "/v2/drivers/{id}", scopeDrive, private, g.rides.ForgetDriver},
		{post, "/v2/drivers/{id}/online", scopeDrive, private, g.rides.Online},
		{post, "/v2/drivers/{id}/offline", scopeDrive, private, g.rides.Offline},
		{get, "/v2/drivers/{id}/events", scopeDrive, stream, g.rides.FollowDriver},
		{get, "/v2/drivers/{id}/offers", scopeDrive, private, g.rides.Offers},
		{post, "/v2/offers/{offer_id}/accept", scopeDrive, private, g.rides.Accept},
		{post, "/v2/offers/{offer_id}/decline", scopeDrive, private, g.rides.Decline},

		{get, "/v2/requests", scopeDispatch, private, g.rides.List},
		{get, "/v2/drivers", scopeDispatch, private, g.rides.ListDrivers},
		{get, "/v2/map/events", scopeDispatch, stream, g.livemap.Follow},

		{post, "/events", scopeEvents, private, g.events.Publish},
		{get, "/events/stream", scopeEvents, stream, g.events.Stream},
		{get, "/events/subscribers", scopeEvents, private, g.events.Subscribers},
		{post, "/events/subscribers", scopeEvents, private, g.events.Subscribe},
		{get, "/events/subscribers/{id}", scopeEvents, private, g.events.Subscriber},
		{remove, "/events/subscribers/{id}", scopeEvents, private, g.events.Unsubscribe},
		{post, "/events/subscribers/{id}/keepalive", scopeEvents, private, g.events.KeepAlive},
		{post, "/events/subscribers/{id}/rotate", scopeEvents, private, g.events.RotateSecret},
		{post, "/events/subscribers/{id}/test", scopeEvents, private, g.events.Test},
		{get, "/events/subscribers/{id}/deliveries", scopeEvents, private, g.events.Deliveries},
		{post, "/events/subscribers/{id}/deliveries/{delivery}/redeliver", scopeEvents, private, g.events.Redeliver},

		{get, "/admin/keys", scopeAdmin, private, g.admin.ListKeys},
		{post, "/admin/keys", scopeAdmin, private, g.admin.CreateKey},
		{remove, "/admin/keys/{id}", scopeAdmin, private, g.admin.RevokeKey},
		{post, "/admin/tokens", scopeAdmin, private, g.admin.MintToken},
		{get, "/admin/mode", scopeAdmin, private, g.admin.Mode},
		{get, "/admin/fleet", scopeAdmin, private, g.admin.Fleet},
		{put, "/admin/mode", scopeAdmin, private, g.admin.SetMode},
		{get, "/admin/explain", scopeAdmin, private, g.admin.Explain},
		{get, "/admin/stats", scopeAdmin, private, g.admin.Stats},
		{post, "/admin/purge", scopeAdmin, private, g.admin.Purge},
		{get, "/admin/export", scopeAdmin, private, g.admin.Export},
		{post, "/admin/import", scopeAdmin, private, g.admin.Import},
	}...)
	if g.jobs == nil {
		return table
	}
	return append(table, []route{
		{get, "/jobs", scopePublic, page, jobs.Page},
		{post, "/v2/jobs", scopeBulk, private, g.jobs.Create},
		{get, "/v2/jobs/{id}", scopeBulk, private, g.jobs.Get},
		{get, "/v2/jobs/{id}/events", scopeBulk, stream, g.jobs.Follow},
		{get, "/v2/jobs/{id}/result", scopeBulk, private, g.jobs.Result},
		{remove, "/v2/jobs/{id}", scopeBulk, private, g.jobs.Delete},
	}...)
}
