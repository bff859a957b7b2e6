// Package gatewaytest runs a whole gateway for tests of its rooms: over real HTTP,
// on a real Redis, in front of a stand-in Nominatim.
package gatewaytest

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/cache"
	"geogate/dispatch"
	"geogate/gateway"
	"geogate/internal/asynctest"
	"geogate/internal/event"
	"geogate/internal/gazetteer"
	"geogate/internal/identity"
	"geogate/internal/redistest"
	"geogate/internal/region"
	"geogate/internal/routing"
	"geogate/internal/webhook"
	"geogate/upstream"
	"geogate/upstream/upstreamtest"
)

// Fixture is a gateway and what it stands on.
type Fixture struct {
	*httptest.Server
	Redis    *redistest.Server
	Upstream *upstreamtest.Server
	Log      *Log
	Gateway  *gateway.Gateway
	Geocoder *gateway.Geocoder
	Metrics  *gateway.Metrics

	UpstreamOptions string          // for the siblings, such as "&timeout=1s"
	Upstreams       string          // for the siblings, instead of the stand-in
	Routers         string          // for the siblings; empty: times are estimated
	Dispatch        dispatch.Config // for the siblings

	adjust func(*cache.Config) // for the siblings; nil: nothing
}

// New starts a gateway that ends with the test.
func New(t testing.TB, options ...func(*gateway.Config)) *Fixture {
	t.Helper()
	f := &Fixture{Redis: redistest.Start(t), Upstream: upstreamtest.New(t)}
	return f.Sibling(t, options...)
}

// NewWithRegions is New where dispatch has these regions.
func NewWithRegions(t testing.TB, regions []string, options ...func(*gateway.Config)) *Fixture {
	t.Helper()
	f := &Fixture{Redis: redistest.Start(t), Upstream: upstreamtest.New(t), Dispatch: dispatch.Config{Regions: regions}}
	return f.Sibling(t, options...)
}

// NewWithRouters is New with this ROUTER.
func NewWithRouters(t testing.TB, routers string, options ...func(*gateway.Config)) *Fixture {
	t.Helper()
	f := &Fixture{Redis: redistest.Start(t), Upstream: upstreamtest.New(t), Routers: routers}
	return f.Sibling(t, options...)
}

// NewWithPlaces is New where these are the regions.
func NewWithPlaces(t testing.TB, places *region.Map) *Fixture {
	t.Helper()
	f := &Fixture{
		Redis: redistest.Start(t), Upstream: upstreamtest.New(t),
		Dispatch: dispatch.Config{Regions: places.Names(), RegionAt: places.At},
	}
	return f.Sibling(t, func(c *gateway.Config) { c.Regions = places })
}

// NewWithCache is New with a cache that adjust has changed.
func NewWithCache(t testing.TB, adjust func(*cache.Config), options ...func(*gateway.Config)) *Fixture {
	t.Helper()
	f := &Fixture{Redis: redistest.Start(t), Upstream: upstreamtest.New(t), adjust: adjust}
	return f.Sibling(t, options...)
}

// NewWithOffers is New where drivers are offered rides.
func NewWithOffers(t testing.TB, ttl time.Duration) *Fixture {
	t.Helper()
	f := &Fixture{Redis: redistest.Start(t), Upstream: upstreamtest.New(t), Dispatch: dispatch.Config{OfferTTL: ttl}}
	return f.Sibling(t)
}

// Sibling is another gateway on the same Redis and upstream, as another process
// would be.
func (f *Fixture) Sibling(t testing.TB, options ...func(*gateway.Config)) *Fixture {
	t.Helper()
	s := &Fixture{
		Redis: f.Redis, Upstream: f.Upstream, Log: &Log{}, Metrics: gateway.NewMetrics(),
		Dispatch: f.Dispatch, UpstreamOptions: f.UpstreamOptions, Routers: f.Routers, adjust: f.adjust,
	}
	rdb := s.Redis.Client(t, redistest.DialOnce)
	specs, err := upstream.ParseSpecs(cmp.Or(f.Upstreams, "nominatim+"+s.Upstream.URL+"#name=recorded"+s.UpstreamOptions))
	if err != nil {
		t.Fatal(err)
	}
	places, err := gazetteer.Load()
	if err != nil {
		t.Fatal(err)
	}
	cfg := gateway.Config{Log: zerolog.New(s.Log), Version: "test", Metrics: s.Metrics, FastLane: true, TryingOut: true,
		Identity: gateway.Identity{Anonymous: everything}}
	for _, option := range options {
		option(&cfg)
	}
	var mayAsk func() error
	if cfg.Fleet != nil {
		mayAsk = func() error { return cfg.Fleet.Mode().AllowsUpstream() }
	}
	chain, err := upstream.New(specs, upstream.Config{
		May:       mayAsk,
		Gazetteer: upstream.NewGazetteer(places, "test"),
		Contact:   "test@example.org", Version: "test", Observe: s.Metrics.ObserveUpstream,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(chain.Close)
	kept := cache.Config{Memory: 8 << 20, RedisBudget: patience, ObserveRedis: s.Metrics.ObserveRedis}
	if f.adjust != nil {
		f.adjust(&kept)
	}
	store := cache.New(rdb, kept)
	orders := s.Dispatch
	orders.RedisTimeout = patience
	engine := dispatch.New(rdb, orders)
	events, guard := event.New(rdb, event.Config{}), webhook.NewGuard(webhook.GuardConfig{Open: loopback})
	t.Cleanup(guard.Close)
	asynctest.Background(t, events.Run)
	hooks := hooks
	hooks.Observe = s.Metrics.ObserveDelivery
	asynctest.Background(t, webhook.NewSender(rdb, events, guard, hooks).Run)
	asynctest.Background(t, store.Run)
	asynctest.Background(t, engine.Run)

	routers, err := routing.ParseSpecs(s.Routers)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Router = routing.New(routers, routing.Config{Cache: gateway.RoadCells(store), Observe: s.Metrics.ObserveRouter})
	t.Cleanup(cfg.Router.Close)
	s.Geocoder = gateway.NewGeocoder(chain, store, gateway.Lifetimes{Fresh: TTL, Empty: time.Minute, Stale: time.Hour})
	s.Gateway = gateway.New(s.Geocoder, engine, gateway.Events{Log: events, Subscribers: webhook.NewRegistry(rdb, guard, hooks)},
		func(ctx context.Context) error { return rdb.Ping(ctx).Err() }, cfg)
	s.Gateway.Open()
	s.Server = httptest.NewServer(s.Gateway)
	t.Cleanup(s.Close)
	return s
}

// Serve serves the gateway as main does, fast lane included, until the test ends, and
// returns its address.
func (f *Fixture) Serve(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asynctest.Background(t, func(ctx context.Context) error { return f.Gateway.Serve(ctx, l) })
	return l.Addr().String()
}

// LaneAnswers is how many answers the fast lane has given.
func (f *Fixture) LaneAnswers(t testing.TB) int {
	t.Helper()
	if m := laneAnswers.FindStringSubmatch(f.Figures(t)); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return n
		}
	}
	t.Fatal("the lane is not counted")
	return 0
}

var laneAnswers = regexp.MustCompile(`(?m)^geogate_fast_lane_answers_total (\d+)$`)

// TTL is what CACHE_TTL is unless set: jobs keep what the cache forgets sooner.
const TTL = 24 * time.Hour

// patience is what anything may take: a machine that is busy with other tests, or stands
// still, must not pass for a Redis or a client that is slow.
const patience = time.Minute

// loopback opens what tests listen on; hooks retry as fast as a test can wait.
var (
	loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	hooks    = webhook.Config{Retries: webhook.Schedule{20 * time.Millisecond}, Timeout: patience}
)

// WithAdmin sets the token that AsAdmin sends.
func WithAdmin(c *gateway.Config) { WithToken("s3cret")(c) }

// WithToken sets an ADMIN_TOKEN, unless it is empty.
func WithToken(token string) func(*gateway.Config) {
	return func(c *gateway.Config) {
		c.Identity.Authority, c.Identity.HasAdmin = identity.New(nil, identity.Config{AdminToken: token}), token != ""
	}
}

// everything is what anybody may do unless a test says otherwise: most tests are
// not about who calls.
var everything, _ = identity.ParseAnonymous("all")

// AsAdmin is the header of an administrator.
const AsAdmin = "Authorization: Bearer s3cret"

// Flush empties Redis.
func (f *Fixture) Flush(t testing.TB) {
	t.Helper()
	if err := f.Redis.Client(t).FlushAll(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
}

// Answer is a whole answer.
type Answer struct {
	*http.Response
	Text string // the body
}

// Do sends a request whose target and headers are given as lines, as they would
// be written by hand: "POST /search", "Accept-Language: de".
func (f *Fixture) Do(t testing.TB, line, body string, headers ...string) Answer {
	t.Helper()
	method, target, _ := strings.Cut(line, " ")
	req, err := http.NewRequestWithContext(context.Background(), method, f.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		if name, value, found := strings.Cut(h, ": "); found {
			req.Header.Add(name, value)
			if name == "Host" { // net/http keeps it elsewhere
				req.Host = value
			}
		}
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return Answer{res, string(got)}
}

// JSON decodes the body into v.
func (a Answer) JSON(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.Text), v); err != nil {
		t.Fatalf("body %q: %v", a.Text, err)
	}
}

// Keys lists every key in Redis, but for the cache's record of purges, which it
// makes when it likes.
func (f *Fixture) Keys(t testing.TB) []string {
	t.Helper()
	client := f.Redis.Client(t)
	keys, err := client.Keys(context.Background(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(keys, func(key string) bool { return key == "geogate:cache:generation" })
}

// Figures is what /metrics tells.
func (f *Fixture) Figures(t testing.TB) string {
	t.Helper()
	rec := httptest.NewRecorder()
	f.Metrics.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", nil))
	return rec.Body.String()
}
