package gateway

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
)

func TestRequestID(t *testing.T) {
	f := newFixture(t)
	tests := []struct {
		name, sent string
		kept       bool
	}{
		{"none", "", false},
		{"of a proxy", "0c5a3d54-9b7a-4c7e-b0a5-2f9d0c6b1a11", true},
		{"with a space", "a b", false},
		{"with a quote", `a"b`, false},
		{"too long", strings.Repeat("a", maxRequestID+1), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := f.do(t, "GET /healthz", "", "X-Request-Id: "+tt.sent).Header.Get("X-Request-Id")
			if (got == tt.sent) != tt.kept || got == "" {
				t.Errorf("X-Request-Id %q came back as %q", tt.sent, got)
			}
		})
	}
}

func TestRateLimit(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.RateLimit = RateLimit{Requests: 3, Per: time.Hour}
		c.TrustedProxies = 1
	})
	const someone, another = "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"
	for range 3 {
		if got := f.do(t, "GET "+vaduz, "", someone); got.StatusCode != 200 {
			t.Fatalf("within the limit: %d", got.StatusCode)
		}
	}
	dropIn := f.do(t, "GET "+vaduz, "", someone)
	if dropIn.StatusCode != 429 || !strings.HasPrefix(dropIn.body, `{"error":{"code":429,`) || dropIn.Header.Get("Retry-After") == "" {
		t.Errorf("drop-in over the limit: %d %s", dropIn.StatusCode, dropIn.body)
	}
	own := f.do(t, "POST /tracking", driverInSantiago, someone)
	if own.StatusCode != 429 || own.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("own endpoint over the limit: %d %s", own.StatusCode, own.body)
	}
	if got := f.do(t, "GET /healthz", "", someone); got.StatusCode != 200 {
		t.Errorf("a probe over the limit: %d, want 200", got.StatusCode)
	}
	if got := f.do(t, "GET "+vaduz, "", another); got.StatusCode != 200 {
		t.Errorf("another client: %d, want 200", got.StatusCode)
	}
	// What stands left of the trusted hop is the client's own invention.
	if got := f.do(t, "GET "+vaduz, "", "X-Forwarded-For: 203.0.113.9, 192.0.2.1"); got.StatusCode != 429 {
		t.Errorf("with an invented hop: %d, want 429", got.StatusCode)
	}
	if got := f.do(t, "GET "+vaduz, "", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 192.0.2.1"); got.StatusCode != 429 {
		t.Errorf("with an invented line: %d, want 429", got.StatusCode)
	}
}

func TestForwardedForIsIgnoredWithoutProxies(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.RateLimit = RateLimit{Requests: 1, Per: time.Hour} })
	f.do(t, "GET "+vaduz, "", "X-Forwarded-For: 192.0.2.1")
	if got := f.do(t, "GET "+vaduz, "", "X-Forwarded-For: 192.0.2.2"); got.StatusCode != 429 {
		t.Errorf("a client that changes X-Forwarded-For: %d, want 429", got.StatusCode)
	}
}

func TestClientKey(t *testing.T) {
	tests := []struct{ name, a, b string }{
		{"one /64", "2001:db8:1:2:aaaa::1", "2001:db8:1:2:bbbb::2"},
		{"one address", "192.0.2.1", "192.0.2.1"},
	}
	for _, tt := range tests {
		if a, b := clientKey(netip.MustParseAddr(tt.a)), clientKey(netip.MustParseAddr(tt.b)); a != b {
			t.Errorf("%s: keys %q and %q differ", tt.name, a, b)
		}
	}
	if a, b := clientKey(netip.MustParseAddr("2001:db8:1:2::1")), clientKey(netip.MustParseAddr("2001:db8:1:3::1")); a == b {
		t.Errorf("two /64 share the key %q", a)
	}
}

func TestCORS(t *testing.T) {
	const page = "https://app.example.org"
	f := newFixture(t, func(c *Config) { c.CORSOrigins = []string{page} })
	tests := []struct {
		name, request, origin, asked string
		allowed                      string
	}{
		{"geocode from anywhere", "GET " + vaduz, "https://evil.example", "", "*"},
		{"api from anywhere", "GET /api?q=vaduz", "https://evil.example", "", "*"},
		{"preflight of a geocode", "OPTIONS /search", "https://evil.example", "GET", "*"},
		{"drivers from the app", "POST /search", page, "", page},
		{"drivers from elsewhere", "POST /search", "https://evil.example", "", ""},
		{"preflight from the app", "OPTIONS /search", page, "POST", page},
		{"preflight from elsewhere", "OPTIONS /search", "https://evil.example", "POST", ""},
		{"preflight of a ride", "OPTIONS /v2/search", page, "POST", page},
		{"nearby from elsewhere", "GET /v2/nearby?lat=1&lng=1", "https://evil.example", "", ""},
		{"nearby from the app", "GET /v2/nearby?lat=1&lng=1", page, "", page},
		{"a stream from elsewhere", "GET /v2/requests/x/events", "https://evil.example", "", ""},
		{"a stream from the app", "GET /v2/requests/x/events", page, "", page},
		{"a driver from elsewhere", "GET /v2/drivers/x", "https://evil.example", "", ""},
		{"offers from the app", "GET /v2/drivers/x/offers", page, "", page},
		{"preflight of a deletion", "OPTIONS /v2/drivers/x", page, "DELETE", page},
		{"preflight of a deletion from elsewhere", "OPTIONS /v2/drivers/x", "https://evil.example", "DELETE", ""},
		{"preflight of an answer", "OPTIONS /v2/offers/x/accept", page, "POST", page},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			headers := []string{"Origin: " + tt.origin}
			if tt.asked != "" {
				headers = append(headers, "Access-Control-Request-Method: "+tt.asked)
			}
			got := f.do(t, tt.request, riderInSantiago, headers...)
			if allowed := got.Header.Get("Access-Control-Allow-Origin"); allowed != tt.allowed {
				t.Errorf("Access-Control-Allow-Origin %q, want %q", allowed, tt.allowed)
			}
			if got.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials allowed")
			}
			if tt.asked != "" && got.StatusCode != 204 {
				t.Errorf("preflight: %d, want 204", got.StatusCode)
			}
			if tt.asked == "" && !strings.Contains(got.Header.Get("Access-Control-Expose-Headers"), "X-Cache") {
				t.Error("X-Cache is not exposed")
			}
		})
	}
}

// The log has one line for each request, whatever the request contains, and
// nothing in it that tells where people are.
func TestAccessLog(t *testing.T) {
	f := newFixture(t)
	requests := []string{
		"GET " + vaduz,
		"GET /api?q=Zollstrasse%2082",
		"GET /search?q=a%0Ab%0D%0Ac",
		"GET /%0A%22%7B%7D",
		"GET /v2/requests/%0Ax",
		"POST /tracking",
	}
	for _, request := range requests {
		f.do(t, request, driverInSantiago)
	}
	lines := strings.Split(strings.TrimSuffix(f.log.String(), "\n"), "\n")
	if len(lines) != len(requests) {
		t.Fatalf("%d lines for %d requests:\n%s", len(lines), len(requests), f.log)
	}
	for i, line := range lines {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("line %q: %v", line, err)
		}
		for _, field := range []string{"request_id", "route", "method", "status", "bytes", "dur_ms"} {
			if _, found := entry[field]; !found {
				t.Errorf("the line of %s has no %s", requests[i], field)
			}
		}
	}
	for _, private := range []string{"aduz", "Zollstrasse", "33.44", "127.0.0.1"} {
		if strings.Contains(f.log.String(), private) {
			t.Errorf("the log tells %q:\n%s", private, f.log)
		}
	}
}

func TestPanicIsAnswered(t *testing.T) {
	f := newFixture(t)
	f.gateway.router = chi.NewRouter()
	f.gateway.router.With(f.gateway.observe).Get("/x", func(http.ResponseWriter, *http.Request) { panic("boom") })
	got := f.do(t, "GET /x", "")
	var p problemBody
	got.json(t, &p)
	if got.StatusCode != 500 || p.Code != "internal" || strings.Contains(got.body, "boom") {
		t.Errorf("%d %s, want a problem without details", got.StatusCode, got.body)
	}
	if n := strings.Count(f.log.String(), `"message":"request"`); n != 1 {
		t.Errorf("%d access-log lines, want 1", n)
	}
}

func TestAdminNeedsToken(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.AdminToken = "s3cret" })
	tests := []struct {
		name, request, header string
		status                int
	}{
		{"none", "GET /metrics", "", 401},
		{"wrong", "GET /metrics", "Authorization: Bearer wrong", 401},
		{"wrong scheme", "GET /metrics", "Authorization: Basic s3cret", 401},
		{"in the query", "GET /metrics?token=s3cret&access_token=s3cret", "", 401},
		{"right", "GET /metrics", "Authorization: Bearer s3cret", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := f.do(t, tt.request, "", tt.header)
			if got.StatusCode != tt.status {
				t.Errorf("%d, want %d", got.StatusCode, tt.status)
			}
			if tt.status == 401 && got.Header.Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
			if tt.status == 200 && !strings.Contains(got.body, `geogate_http_request_duration_seconds_count{method="GET",route="/metrics"`) {
				t.Errorf("no request counted in %.200s…", got.body)
			}
		})
	}
}

// A running request is finished, a waiting one is told to come back, readiness
// goes first.
func TestDrain(t *testing.T) {
	f := newFixture(t)
	f.upstream.SetDelay(400 * time.Millisecond)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.gateway.ready.Store(false)
	f.URL = "http://" + l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- f.gateway.Serve(ctx, l) }()
	var ride rideBody
	f.do(t, "POST /v2/search", riderInSantiago).json(t, &ride)

	slow, waiting := make(chan answer, 1), make(chan answer, 1)
	go func() { slow <- f.do(t, "GET "+vaduz, "") }()
	go func() { waiting <- f.do(t, "GET /v2/requests/"+ride.RequestID+"?wait=25s", "") }()
	for f.upstream.Calls() == 0 {
		<-time.After(time.Millisecond)
	}
	stop()
	if got := <-slow; got.StatusCode != 200 {
		t.Errorf("the running request: %d, want 200", got.StatusCode)
	}
	if got := <-waiting; got.StatusCode != 200 || !strings.Contains(got.body, `"state":"searching"`) {
		t.Errorf("the waiting request: %d %s, want the present state", got.StatusCode, got.body)
	}
	select {
	case err := <-served:
		if err != nil {
			t.Errorf("Serve: %v, want a clean drain", err)
		}
	case <-time.After(drainTimeout):
		t.Fatal("Serve did not return")
	}
	if f.gateway.ready.Load() {
		t.Error("ready after the drain")
	}
}
