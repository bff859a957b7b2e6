// Package gateway is everything HTTP: the route table, decoding and encoding,
// status codes, limits, the access log and the drain. What a request means is
// decided in the packages below it (upstream, cache, dispatch); what its answer
// looks like on the wire is decided here and only here.
package gateway

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httprate"
	"github.com/rs/zerolog"

	"geogate/dispatch"
	"geogate/internal/bulk"
)

// Config is what may be chosen about a Gateway. The zero value answers without
// limits, trusts no proxy, and keeps everything closed that can be closed.
type Config struct {
	Log            zerolog.Logger
	Version        string
	RateLimit      RateLimit
	TrustedProxies int      // hops whose X-Forwarded-For entries are believed
	AdminToken     string   // bearer token of /admin and /metrics; empty: closed
	CORSOrigins    []string // web pages that may use the dispatch endpoints
	Metrics        *Metrics // shared with the packages below; nil: of its own
	ReverseCells   []Cell   // by growing MinZoom; none: positions stay exact
	MaxStreams     int      // event streams open at a time; 0: 4096
	FastLane       bool     // Serve answers plain hits ahead of net/http

	Jobs *bulk.Master // bulk geocoding; nil: there is none
}

// Gateway is the HTTP handler of geogate. It is safe for concurrent use.
type Gateway struct {
	geocoder *Geocoder
	engine   *dispatch.Engine
	events   Events
	ping     func(context.Context) error

	log            zerolog.Logger
	version        string
	trustedProxies int
	adminToken     string
	corsOrigins    []string
	cells          []Cell
	typing         typing
	queryHash      queryHasher
	metrics        *Metrics
	limiter        *httprate.RateLimiter // nil: no limit
	fastLane       bool
	jobs           *bulk.Master
	uploads        chan struct{} // a place for each upload under way

	streams   streams
	heartbeat time.Duration // longest silence of a stream

	ready    atomic.Bool
	underWay atomic.Int64    // requests that a drain waits for
	draining context.Context //nolint:containedctx // ends when streams and waits have to
	drain    context.CancelFunc
	router   chi.Router
}

// New returns a gateway to geocoder, engine and events. ping asks whether Redis
// answers; it is called with a short deadline.
func New(geocoder *Geocoder, engine *dispatch.Engine, events Events, ping func(context.Context) error, cfg Config) *Gateway {
	origins := cfg.CORSOrigins
	if origins == nil {
		origins = []string{} // none, which is not the same as every one
	}
	g := &Gateway{
		geocoder: geocoder, engine: engine, events: events, ping: ping,
		log: cfg.Log, version: cfg.Version, adminToken: cfg.AdminToken,
		trustedProxies: cfg.TrustedProxies, corsOrigins: origins, cells: cfg.ReverseCells,
		queryHash: newQueryHasher(), jobs: cfg.Jobs,
		limiter: newLimiter(cfg.RateLimit), fastLane: cfg.FastLane,
		uploads:   make(chan struct{}, maxUploads),
		streams:   streams{most: defaultMaxStreams},
		heartbeat: heartbeat,
	}
	if cfg.MaxStreams > 0 {
		g.streams.most = int64(cfg.MaxStreams)
	}
	g.draining, g.drain = context.WithCancel(context.Background())
	g.metrics = cfg.Metrics
	if g.metrics == nil {
		g.metrics = NewMetrics()
	}
	g.metrics.registry.MustRegister(geocodeCollector{geocoder.cache, geocoder.chain},
		dispatchCollector{engine, &g.streams}, eventCollector{events})
	g.router = g.routes(cfg)
	return g
}

// routes is the whole of the HTTP interface on one screen.
func (g *Gateway) routes(cfg Config) chi.Router {
	r := chi.NewRouter()
	r.Use(routeEscaped)
	r.Use(middleware.GetHead)
	if cfg.TrustedProxies > 0 {
		r.Use(middleware.ClientIPFromXFFTrustedProxies(cfg.TrustedProxies))
	}
	r.Use(g.observe, g.cors, g.limitRate)
	r.NotFound(g.notFound)
	r.MethodNotAllowed(g.methodNotAllowed)

	r.Get("/healthz", g.problems(g.healthz))
	r.Get("/readyz", g.problems(g.readyz))
	r.Get("/version", g.problems(g.getVersion))
	r.With(g.requireAdmin).Handle("/metrics", g.metrics.handler())

	r.Route("/admin", func(r chi.Router) {
		r.Use(g.requireAdmin, noStore)
		r.Get("/explain", g.problems(g.explain))
		r.Get("/stats", g.problems(g.cacheStats))
		r.Post("/purge", g.problems(g.purge))
		r.Get("/export", g.problems(g.export))
		r.Post("/import", g.problems(g.importCache))
	})

	for _, path := range dropInPaths { // the same with .php
		endpoint, _ := dropInEndpoint(path)
		r.Get(path, g.nominatim(endpoint))
		r.Options(path, g.nominatimOptions)
	}
	r.Get("/api", g.problems(g.getAPI))
	r.Post("/api", g.problems(g.postAPI))

	r.With(noStore).Group(func(r chi.Router) {
		r.Post("/tracking", g.problems(g.track))
		r.Post("/search", g.problems(g.searchDrivers))
		r.Post("/v2/search", g.problems(g.requestRide))
		r.Get("/v2/requests/{id}", g.problems(g.getRide))
		r.Get("/v2/requests/{id}/events", g.problems(g.rideEvents))
		r.Post("/v2/cancel", g.problems(g.cancelRide))
		r.Post("/v2/complete", g.problems(g.completeRide))
		r.Get("/v2/nearby", g.problems(g.nearby))
		r.Get("/v2/drivers/{id}", g.problems(g.getDriver))
		r.Delete("/v2/drivers/{id}", g.problems(g.deleteDriver))
		r.Get("/v2/drivers/{id}/offers", g.problems(g.getOffers))
		r.Post("/v2/offers/{offer_id}/accept", g.problems(g.acceptOffer))
		r.Post("/v2/offers/{offer_id}/decline", g.problems(g.declineOffer))
	})

	r.Route("/events", func(r chi.Router) {
		r.Use(g.requireOperator, noStore)
		r.Post("/", g.problems(g.publishEvent))
		r.Get("/stream", g.problems(g.streamEvents))
		r.Get("/subscribers", g.problems(g.listSubscribers))
		r.Post("/subscribers", g.problems(g.subscribe))
		r.Get("/subscribers/{id}", g.problems(g.getSubscriber))
		r.Delete("/subscribers/{id}", g.problems(g.unsubscribe))
		r.Post("/subscribers/{id}/keepalive", g.problems(g.keepAlive))
		r.Post("/subscribers/{id}/rotate", g.problems(g.rotateSecret))
		r.Post("/subscribers/{id}/test", g.problems(g.testSubscriber))
		r.Get("/subscribers/{id}/deliveries", g.problems(g.listDeliveries))
		r.Post("/subscribers/{id}/deliveries/{delivery}/redeliver", g.problems(g.redeliver))
	})
	if g.jobs == nil {
		return r
	}
	r.Get("/jobs", g.jobsPage("jobs.html"))
	r.Get("/jobs/jobs.js", g.jobsPage("jobs.js"))
	r.Get("/jobs/jobs.css", g.jobsPage("jobs.css"))
	r.With(noStore).Group(func(r chi.Router) {
		r.Post("/v2/jobs", g.problems(g.createJob))
		r.Get("/v2/jobs/{id}", g.problems(g.getJob))
		r.Get("/v2/jobs/{id}/events", g.problems(g.jobEvents))
		r.Get("/v2/jobs/{id}/result", g.problems(g.jobResult))
		r.Delete("/v2/jobs/{id}", g.problems(g.deleteJob))
	})
	return r
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ex := newExchange(w, r, g.router)
	g.router.ServeHTTP(&ex.recorder, r.WithContext(ex))
}

// setReady lets /readyz say so.
func (g *Gateway) setReady() { g.ready.Store(true) }

// startDraining ends readiness, streams and waits.
func (g *Gateway) startDraining() {
	g.ready.Store(false)
	g.drain()
}

// awaiting returns a context that also ends when the gateway drains.
func (g *Gateway) awaiting(ctx context.Context, atMost time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	stop := context.AfterFunc(g.draining, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// problems turns a handler that returns its error into one that answers it as
// problem+json.
func (g *Gateway) problems(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			exchangeOf(r).err = err
			writeProblem(w, r, problemOf(err))
		}
	}
}

// refuse answers with p in the error shape of the endpoint that was asked.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, p *problem) {
	exchangeOf(r).err = p
	if _, dropIn := dropInEndpoint(r.URL.Path); dropIn && isRead(r.Method) {
		g.writeNominatimError(w, r, p)
		return
	}
	writeProblem(w, r, p)
}

// notFound answers a path that has no route. Outside geogate's own name space
// it does so in Nominatim's words: a drop-in is probed with Nominatim's paths.
func (g *Gateway) notFound(w http.ResponseWriter, r *http.Request) {
	p := newProblem(http.StatusNotFound, "not_found", "there is nothing at this path")
	if isOwnPath(r.URL.Path) || !isRead(r.Method) {
		writeProblem(w, r, p)
		return
	}
	p.setHeaders(w.Header())
	writeBareTitle(w, http.StatusNotFound)
}

func (g *Gateway) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	p := newProblem(http.StatusMethodNotAllowed, "method_not_allowed", "this path does not take "+knownMethod(r.Method))
	p.allow = allowed(r)
	if _, dropIn := dropInEndpoint(r.URL.Path); dropIn {
		p.setHeaders(w.Header())
		writeBareTitle(w, http.StatusMethodNotAllowed)
		return
	}
	writeProblem(w, r, p)
}

// allowed lists the methods that the path of r takes.
func allowed(r *http.Request) string {
	routes := chi.RouteContext(r.Context()).Routes
	path := routePath(r.URL)
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodOptions} {
		if !routes.Match(chi.NewRouteContext(), method, path) {
			continue
		}
		methods = append(methods, method)
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	return strings.Join(methods, ", ")
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

func isProbe(path string) bool {
	return slices.Contains([]string{"/healthz", "/readyz", "/version", "/metrics"}, path)
}

// isOwnPath tells geogate's own name space from Nominatim's.
func isOwnPath(path string) bool {
	for _, prefix := range []string{"/api", "/v2", "/tracking", "/admin", "/events", "/jobs"} {
		if rest, found := strings.CutPrefix(path, prefix); found && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

func noStore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
