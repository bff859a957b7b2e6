package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"geogate/cache"
	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/event"
	"geogate/internal/redistest"
	"geogate/internal/webhook"
	"geogate/upstream"
	"geogate/upstream/upstreamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a gateway over real HTTP, on a real Redis, in front of a stand-in
// Nominatim.
type fixture struct {
	*httptest.Server
	redis    *redistest.Server
	upstream *upstreamtest.Server
	log      *bytes.Buffer // read it after the request that wrote to it was answered
	gateway  *Gateway
	dispatch dispatch.Config

	upstreamOptions string // for the siblings, such as "&timeout=1s"
}

func newFixture(t testing.TB, options ...func(*Config)) *fixture {
	t.Helper()
	f := &fixture{redis: redistest.Start(t), upstream: upstreamtest.New(t)}
	return f.sibling(t, options...)
}

// newOfferFixture is newFixture where drivers are offered rides.
func newOfferFixture(t *testing.T, ttl time.Duration) *fixture {
	t.Helper()
	f := &fixture{redis: redistest.Start(t), upstream: upstreamtest.New(t), dispatch: dispatch.Config{OfferTTL: ttl}}
	return f.sibling(t)
}

// sibling is another gateway on the same Redis and upstream, as another process
// would be.
func (f *fixture) sibling(t testing.TB, options ...func(*Config)) *fixture {
	t.Helper()
	s := &fixture{redis: f.redis, upstream: f.upstream, log: &bytes.Buffer{}, dispatch: f.dispatch, upstreamOptions: f.upstreamOptions}
	rdb := s.redis.Client(t)
	specs, err := upstream.ParseSpecs("nominatim+" + s.upstream.URL + "#name=recorded" + s.upstreamOptions)
	if err != nil {
		t.Fatal(err)
	}
	metrics := NewMetrics()
	chain, err := upstream.New(specs, upstream.Config{
		Contact: "test@example.org", Version: "test", Observe: metrics.ObserveUpstream,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(chain.Close)
	// A machine busy with other tests must not pass for a slow Redis.
	store := cache.New(rdb, cache.Config{Memory: 8 << 20, RedisBudget: 2 * time.Second, ObserveRedis: metrics.ObserveRedis})
	engine := dispatch.New(rdb, s.dispatch)
	events, guard := event.New(rdb, event.Config{}), webhook.NewGuard(webhook.GuardConfig{Open: loopback})
	t.Cleanup(guard.Close)
	asynctest.Background(t, events.Run)
	asynctest.Background(t, webhook.NewSender(rdb, events, guard, hooks).Run)
	asynctest.Background(t, store.Run)
	asynctest.Background(t, engine.Run)

	cfg := Config{Log: zerolog.New(zerolog.SyncWriter(s.log)), Version: "test", Metrics: metrics, FastLane: true}
	for _, option := range options {
		option(&cfg)
	}
	s.gateway = New(
		NewGeocoder(chain, store, Lifetimes{Fresh: testTTL, Empty: time.Minute, Stale: time.Hour}),
		engine, Events{Log: events, Subscribers: webhook.NewRegistry(rdb, guard, hooks)}, func(ctx context.Context) error { return rdb.Ping(ctx).Err() }, cfg)
	s.gateway.setReady()
	s.Server = httptest.NewUnstartedServer(s.gateway)
	if cfg.FastLane {
		s.Listener, s.Config.ConnState = laneListener{s.Listener, s.gateway}, noteState
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// testTTL is what CACHE_TTL is unless set: jobs keep what the cache forgets sooner.
const testTTL = 24 * time.Hour

// loopback opens what tests listen on; hooks retry as fast as a test can wait.
var (
	loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	hooks    = webhook.Config{Retries: webhook.Schedule{20 * time.Millisecond}, Timeout: time.Second}
)

// flush empties Redis.
func (f *fixture) flush(t *testing.T) {
	t.Helper()
	if err := f.redis.Client(t).FlushAll(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
}

// answer is a whole answer.
type answer struct {
	*http.Response
	body string
}

// do sends a request whose target and headers are given as lines, as they would
// be written by hand: "POST /search", "Accept-Language: de".
func (f *fixture) do(t testing.TB, line, body string, headers ...string) answer {
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
	return answer{res, string(got)}
}

// json decodes the body into v.
func (a answer) json(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("body %q: %v", a.body, err)
	}
}

// keys lists every key in Redis, but for the cache's record of purges, which it
// makes when it likes.
func (f *fixture) keys(t *testing.T) []string {
	t.Helper()
	client := f.redis.Client(t)
	keys, err := client.Keys(context.Background(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(keys, func(key string) bool { return key == "geogate:cache:generation" })
}
