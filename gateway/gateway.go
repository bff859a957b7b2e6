// Package gateway is everything HTTP: the route table, the server, and the order
// in which a request passes what is the same for every route. Below it is a room
// for each noun of the API (geocoding, rides, events, jobs, admin), and exchange,
// which all of them use. What a request means is decided in the packages below
// (upstream, cache, dispatch); what its answer looks like on the wire is decided
// here and nowhere else.
package gateway

import (
	"context"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"geogate/dispatch"
	"geogate/gateway/admin"
	"geogate/gateway/console"
	"geogate/gateway/events"
	"geogate/gateway/exchange"
	"geogate/gateway/geocoding"
	"geogate/gateway/jobs"
	"geogate/gateway/livemap"
	"geogate/gateway/metrics"
	"geogate/gateway/rides"
	"geogate/gateway/roads"
	"geogate/internal/basemap"
	"geogate/internal/bulk"
	"geogate/internal/fleet"
	"geogate/internal/gazetteer"
	"geogate/internal/geo"
	"geogate/internal/headroom"
	"geogate/internal/identity"
	"geogate/internal/region"
	"geogate/internal/routing"
	"geogate/internal/trace"
	"geogate/upstream"
)

type (
	// Geocoder is the cache and the upstreams as one.
	Geocoder = geocoding.Geocoder
	// Lifetimes are those of its answers.
	Lifetimes = geocoding.Lifetimes
	// Cell lets reverse geocodes of near positions share one answer.
	Cell = geocoding.Cell
	// Events are the log of events and its subscribers.
	Events = events.Engine
	// Metrics are what /metrics tells.
	Metrics = metrics.Metrics
	// RateLimit is that of one client.
	RateLimit = exchange.RateLimit
	// Credentials issue keys and mint tokens.
	Credentials = admin.Credentials
)

// NewGeocoder and NewMetrics are the constructors of the types above.
var (
	NewGeocoder = geocoding.NewGeocoder
	NewMetrics  = metrics.New
)

// RoadCells keeps the cells of a router in the cache.
var RoadCells = roads.Cells

// RideJSON and DriverJSON are a ride and a driver as the API shows them.
var (
	RideJSON   = rides.JSON
	DriverJSON = rides.DriverJSON
)

// Config is what may be chosen about a Gateway. The zero value answers without
// limits, trusts no proxy, and keeps closed what can be closed.
type Config struct {
	Log            zerolog.Logger
	Version        string
	RateLimit      RateLimit
	RateExempt     []netip.Prefix // clients without a credential that have no RateLimit
	TrustedProxies int            // hops whose X-Forwarded-For entries are believed
	ProxyNetworks  []netip.Prefix // addresses of the proxies that are believed, in place of TrustedProxies
	Identity       Identity       // who may do what
	TryingOut      bool           // the built-in Redis is in use: without an ADMIN_TOKEN, programs on this machine are trusted
	CORSOrigins    []string       // web pages that may use the dispatch endpoints
	Metrics        *Metrics       // shared with the packages below; nil: of its own
	ReverseCells   []Cell         // by growing MinZoom; none: positions stay exact
	MaxStreams     int            // event streams open at a time; 0: DefaultMaxStreams
	StreamsEach    int            // of them by one client; 0: 256
	MaxConnections int            // open at a time; 0: 8192; never more than the descriptors allow
	ConnsEach      int            // of them from one address, unless a proxy is trusted; 0: 1024
	Heartbeat      time.Duration  // longest silence of an event stream; 0: 15 s
	FastLane       bool           // Serve answers plain hits ahead of net/http

	Regions *region.Map     // regions by place; nil: there are none
	Router  *routing.Router // times by road; nil: they are estimated

	Jobs *bulk.Master // bulk geocoding; nil: there is none

	Tracer *trace.Tracer // takes spans of requests; nil: nobody wants them

	Fleet *fleet.Fleet // tells the mode, which others may set; nil: always normal

	Places   *gazetteer.Gazetteer // the built-in places, for the map of the console; nil: it names none
	MapStyle *basemap.Styles      // what that map looks like; nil: built in
	MapTiles *basemap.Archive     // what lies under that map; nil: what is built in

	// RedisMemory tells how much room Redis has left, and whether what is optional
	// is still written; nil: not known. It must not block.
	RedisMemory func() headroom.State

	// Disagreements tells of settings that other processes on the same Redis
	// have otherwise, one sentence each; nil: not known. It must not block.
	Disagreements func() []string
}

// Identity says who calls, and what callers without a credential may do. The zero
// value knows nobody and lets nobody do anything.
type Identity struct {
	Authority   *identity.Authority // nil: every credential is wrong
	Anonymous   identity.Scope      // what callers without a credential may do
	BusKey      string              // the key that requests over the bus act with; empty: as without a credential
	Ledger      *identity.Ledger    // counts what keys are used for; nil: nobody counts
	Credentials Credentials         // for /admin/keys and /admin/tokens
	HasAdmin    bool                // there is an ADMIN_TOKEN
}

// Gateway is the HTTP handler of geogate. It is safe for concurrent use.
type Gateway struct {
	geocoder *Geocoder
	routing  *routing.Router
	ping     func(context.Context) error

	disagreements func() []string       // nil: not known
	redisMemory   func() headroom.State // nil: not known

	geocoding *geocoding.API
	rides     *rides.API
	livemap   *livemap.API
	events    *events.API
	jobs      *jobs.API // nil: there are none
	roads     *roads.API
	admin     *admin.API
	console   *console.API

	fleet     *fleet.Fleet
	log       zerolog.Logger
	version   string
	proxies   exchange.Proxies
	authority *identity.Authority
	ledger    *identity.Ledger // nil: nobody counts
	anonymous *identity.Caller // whoever has no credential
	busKey    string           // what requests over the bus act with; empty: without a credential
	trust     localTrust
	failures  *exchange.Limiter // of credentials, by address
	pages     exchange.Pages    // that may use what is not open to all
	sites     *http.CrossOriginProtection
	conns     connectionLimits
	metrics   *Metrics
	tracer    *trace.Tracer // nil: nobody wants spans
	limits    *exchange.Limits
	fastLane  bool
	bypasses  rate.Sometimes // tells of requests past the proxies

	ready    atomic.Bool
	underWay atomic.Int64    // requests that a drain waits for
	draining context.Context //nolint:containedctx // ends when streams and waits have to
	drain    context.CancelFunc
	router   chi.Router
	table    map[string]route // by method and pattern, "GET /api"
	ownWords map[string]bool  // first words of paths that are all geogate's own
}

// New returns a gateway to geocoder, engine and events. ping asks whether Redis
// answers; it is called with a short deadline.
func New(geocoder *Geocoder, engine *dispatch.Engine, happenings Events, ping func(context.Context) error, cfg Config) *Gateway {
	pages := exchange.Pages(cfg.CORSOrigins)
	if pages == nil {
		pages = exchange.Pages{} // none, which is not the same as every one
	}
	g := &Gateway{
		geocoder: geocoder, routing: cfg.Router, ping: ping, disagreements: cfg.Disagreements, redisMemory: cfg.RedisMemory, log: cfg.Log, version: cfg.Version,
		proxies: proxiesOf(cfg), pages: pages,
		authority: cfg.Identity.Authority, ledger: cfg.Identity.Ledger,
		anonymous: &identity.Caller{Scopes: cfg.Identity.Anonymous}, busKey: cfg.Identity.BusKey,
		trust: localTrust(cfg.TryingOut && !cfg.Identity.HasAdmin), failures: exchange.NewLimiter(failureLimit),
		sites: http.NewCrossOriginProtection(), conns: limitsOf(cfg),
		metrics: cfg.Metrics, limits: exchange.NewLimits(cfg.RateLimit, cfg.RateExempt...), fastLane: cfg.FastLane,
		tracer: cfg.Tracer,
	}
	if g.metrics == nil {
		g.metrics = NewMetrics()
	}
	if g.fleet = cfg.Fleet; g.fleet == nil {
		g.fleet = fleet.New(nil, cfg.Version, cfg.Log)
	}
	if g.authority == nil {
		g.authority = identity.New(nil, identity.Config{})
	}
	for _, origin := range pages {
		if err := g.sites.AddTrustedOrigin(origin); err != nil {
			panic("gateway: " + err.Error()) // the configuration takes origins only
		}
	}
	g.bypasses.Interval = bypassesEvery
	g.draining, g.drain = context.WithCancel(context.Background())
	streams := exchange.NewStreams(g.draining, cfg.MaxStreams, cfg.StreamsEach, cfg.Heartbeat, g.authority.Valid)
	g.geocoding = geocoding.New(geocoder, cfg.ReverseCells, g.charge)
	if g.routing == nil {
		g.routing = routing.New(nil, routing.Config{})
	}
	g.rides = rides.New(engine, rides.Config{
		Streams:     streams,
		FindAddress: onTheWay(g.geocoding.FindAddress),
		FindPlaceAt: onTheWay(g.geocoding.FindPlaceAt),
		Places:      cfg.Regions,
		Table:       g.ways,
		Problem:     problemOf,
		MayRequest:  func() error { return g.fleet.Mode().AllowsRides() },
	})
	g.livemap = livemap.New(engine, livemap.Config{Streams: streams, DriverJSON: rides.DriverJSON, RideJSON: rides.JSON})
	g.roads = roads.New(g.routing, g.charge)
	g.events = events.New(happenings, streams)
	if cfg.Jobs != nil {
		g.jobs = jobs.New(cfg.Jobs, streams, writeTimeout)
	}
	lives := geocoder.Lives()
	g.admin = admin.New(admin.Geocoder{
		Cache: geocoder.Cache(), Chain: geocoder.Chain(),
		Canonical: g.geocoding.Canonical, Key: geocoder.Key, EndpointOf: geocoding.EndpointOf,
		Fresh: lives.Fresh, Empty: lives.Empty, Stale: lives.Stale,
	}, cfg.Identity.Credentials, g.fleet)
	g.console = console.New(console.Config{Version: cfg.Version, Places: cfg.Places, Style: cfg.MapStyle, Tiles: cfg.MapTiles, Counters: g.counters})
	g.metrics.Collect(metrics.Sources{
		Cache: geocoder.Cache(), Chain: geocoder.Chain(), Engine: engine, Router: g.routing, Streams: streams.Open,
		Log: happenings.Log, Subscribers: happenings.Subscribers, RedisMemory: cfg.RedisMemory, Mode: g.fleet.Value,
		Jobs: cfg.Jobs, Disagreements: cfg.Disagreements, Tracer: cfg.Tracer,
	})
	g.router = g.route()
	return g
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.serve(exchange.New(w, r, g.router), r)
}

func (g *Gateway) serve(ex *exchange.Exchange, r *http.Request) {
	if mode := g.fleet.Mode(); mode != fleet.Normal {
		ex.Recorder.Header().Set("X-Geogate-Mode", string(mode))
	}
	g.router.ServeHTTP(&ex.Recorder, r.WithContext(ex))
	exchange.PassBody(ex, r)
}

// ways asks the router at the expense of who sent r; nil: of the operator.
func (g *Gateway) ways(ctx context.Context, r *http.Request, from, to []geo.Point) (routing.Table, error) {
	if r != nil {
		ctx = upstream.WithCharge(ctx, g.charge(r))
	}
	return g.routing.Table(ctx, from, to) //nolint:wrapcheck // the caller says what for
}
