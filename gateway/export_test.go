package gateway

import (
	"geogate/gateway/exchange"
	"geogate/internal/identity"
)

// A RouteView is what tests may know of a route.
type RouteView struct {
	Method, Pattern string
	Scoped, Public  bool
	Exempt, Streams bool
	Scope           identity.Scope
}

// Table lists the routes.
func (g *Gateway) Table() []RouteView {
	var views []RouteView
	for _, rt := range g.routes() {
		views = append(views, RouteView{
			rt.method, rt.pattern, rt.scope != 0, rt.scope == scopePublic, rt.policy.limit == exempt, rt.policy.streams, rt.scope,
		})
	}
	return views
}

// Add routes GET pattern to h.
func (g *Gateway) Add(pattern string, h exchange.Handler) {
	g.router.Get(pattern, g.enforce(route{get, pattern, scopePublic, private, h}))
}

// Ready reports what /readyz says.
func (g *Gateway) Ready() bool { return g.ready.Load() }

// ReadHeaderTimeout is for how long the head of a request is waited for.
const ReadHeaderTimeout = readHeaderTimeout

// UnderWay is how many requests are being answered.
func (g *Gateway) UnderWay() int64 { return g.underWay.Load() }
