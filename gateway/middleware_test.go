package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/asynctest"
)

func TestRequestID(t *testing.T) {
	f := gatewaytest.New(t)
	tests := []struct {
		name, sent string
		kept       bool
	}{
		{"none", "", false},
		{"of a proxy", "0c5a3d54-9b7a-4c7e-b0a5-2f9d0c6b1a11", true},
		{"with a space", "a b", false},
		{"with a quote", `a"b`, false},
		{"too long", strings.Repeat("a", 200+1), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := f.Do(t, "GET /healthz", "", "X-Request-Id: "+tt.sent).Header.Get("X-Request-Id")
			if (got == tt.sent) != tt.kept || got == "" {
				t.Errorf("X-Request-Id %q came back as %q", tt.sent, got)
			}
		})
	}
}

func TestRateLimit(t *testing.T) {
	f := gatewaytest.New(t, func(c *gateway.Config) {
		c.RateLimit = gateway.RateLimit{Requests: 3, Per: time.Hour}
		c.TrustedProxies = 1
	})
	const someone, another = "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"
	for range 3 {
		if got := f.Do(t, "GET "+gatewaytest.Vaduz, "", someone); got.StatusCode != 200 {
			t.Fatalf("within the limit: %d", got.StatusCode)
		}
	}
	dropIn := f.Do(t, "GET "+gatewaytest.Vaduz, "", someone)
	if dropIn.StatusCode != 429 || !strings.HasPrefix(dropIn.Text, `{"error":{"code":429,`) || dropIn.Header.Get("Retry-After") == "" {
		t.Errorf("drop-in over the limit: %d %s", dropIn.StatusCode, dropIn.Text)
	}
	own := f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago, someone)
	if own.StatusCode != 429 || own.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("own endpoint over the limit: %d %s", own.StatusCode, own.Text)
	}
	if got := f.Do(t, "GET /healthz", "", someone); got.StatusCode != 200 {
		t.Errorf("a probe over the limit: %d, want 200", got.StatusCode)
	}
	if got := f.Do(t, "GET "+gatewaytest.Vaduz, "", another); got.StatusCode != 200 {
		t.Errorf("another client: %d, want 200", got.StatusCode)
	}
	// What stands left of the trusted hop is the client's own invention.
	if got := f.Do(t, "GET "+gatewaytest.Vaduz, "", "X-Forwarded-For: 203.0.113.9, 192.0.2.1"); got.StatusCode != 429 {
		t.Errorf("with an invented hop: %d, want 429", got.StatusCode)
	}
	if got := f.Do(t, "GET "+gatewaytest.Vaduz, "", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 192.0.2.1"); got.StatusCode != 429 {
		t.Errorf("with an invented line: %d, want 429", got.StatusCode)
	}
}

func TestForwardedForIsIgnoredWithoutProxies(t *testing.T) {
	f := gatewaytest.New(t, func(c *gateway.Config) { c.RateLimit = gateway.RateLimit{Requests: 1, Per: time.Hour} })
	f.Do(t, "GET "+gatewaytest.Vaduz, "", "X-Forwarded-For: 192.0.2.1")
	if got := f.Do(t, "GET "+gatewaytest.Vaduz, "", "X-Forwarded-For: 192.0.2.2"); got.StatusCode != 429 {
		t.Errorf("a client that changes X-Forwarded-For: %d, want 429", got.StatusCode)
	}
}

func TestCORS(t *testing.T) {
	const page = "https://app.example.org"
	f := gatewaytest.New(t, func(c *gateway.Config) { c.CORSOrigins = []string{page} })
	tests := []struct {
		name, request, origin, asked string
		allowed                      string
	}{
		{"geocode from anywhere", "GET " + gatewaytest.Vaduz, "https://evil.example", "", "*"},
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
			got := f.Do(t, tt.request, gatewaytest.RiderInSantiago, headers...)
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
	f := gatewaytest.New(t)
	requests := []string{
		"GET " + gatewaytest.Vaduz,
		"GET /api?q=Zollstrasse%2082",
		"GET /search?q=a%0Ab%0D%0Ac",
		"GET /%0A%22%7B%7D",
		"GET /v2/requests/%0Ax",
		"POST /tracking",
	}
	for _, request := range requests {
		f.Do(t, request, gatewaytest.DriverInSantiago)
	}
	lines := strings.Split(strings.TrimSuffix(f.Log.String(), "\n"), "\n")
	if len(lines) != len(requests) {
		t.Fatalf("%d lines for %d requests:\n%s", len(lines), len(requests), f.Log)
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
		if strings.Contains(f.Log.String(), private) {
			t.Errorf("the log tells %q:\n%s", private, f.Log)
		}
	}
}

func TestPanicIsAnswered(t *testing.T) {
	f := gatewaytest.New(t)
	f.Gateway.Add("/x", func(http.ResponseWriter, *http.Request) error { panic("boom") })
	got := f.Do(t, "GET /x", "")
	var p gatewaytest.Problem
	got.JSON(t, &p)
	if got.StatusCode != 500 || p.Code != "internal" || strings.Contains(got.Text, "boom") {
		t.Errorf("%d %s, want a problem without details", got.StatusCode, got.Text)
	}
	if n := strings.Count(f.Log.String(), `"message":"request"`); n != 1 {
		t.Errorf("%d access-log lines, want 1", n)
	}
}

func TestAdminNeedsToken(t *testing.T) {
	f := gatewaytest.New(t, gatewaytest.WithAdmin)
	tests := []struct {
		name, request, header string
		status                int
	}{
		{"none", "GET /metrics", "", 401},
		{"wrong", "GET /metrics", "Authorization: Bearer wrong", 401},
		{"wrong scheme", "GET /metrics", "Authorization: Basic s3cret", 401},
		{"in the query", "GET /metrics?token=s3cret", "", 401},
		{"in the query, as streams take it", "GET /metrics?access_token=s3cret", "", 400},
		{"right", "GET /metrics", "Authorization: Bearer s3cret", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := f.Do(t, tt.request, "", tt.header)
			if got.StatusCode != tt.status {
				t.Errorf("%d, want %d", got.StatusCode, tt.status)
			}
			if tt.status == 401 && got.Header.Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
			if tt.status == 200 && !strings.Contains(got.Text, `geogate_http_request_duration_seconds_count{method="GET",route="/metrics"`) {
				t.Errorf("no request counted in %.200s…", got.Text)
			}
		})
	}
}

// A running request is finished, a waiting one is told to come back, readiness
// goes first.
func TestDrain(t *testing.T) {
	f := gatewaytest.New(t)
	f.Upstream.SetDelay(400 * time.Millisecond)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.URL = "http://" + l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- f.Gateway.Serve(ctx, l) }()
	var ride gatewaytest.Ride
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)

	slow := make(chan gatewaytest.Answer, 1)
	go func() { slow <- f.Do(t, "GET "+gatewaytest.Vaduz, "") }()
	waiting := dialFrom(t, "127.0.0.1", l.Addr().String())
	if _, err := io.WriteString(waiting, "GET /v2/requests/"+ride.RequestID+"?wait=25s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	f.Do(t, "GET /healthz", "") // connections are taken up in their order: that of the wait has been
	asynctest.Eventually(t, "the upstream is asked", func() bool { return f.Upstream.Calls() > 0 })
	stop()
	if got := <-slow; got.StatusCode != 200 {
		t.Errorf("the running request: %d, want 200", got.StatusCode)
	}
	if got, err := io.ReadAll(waiting); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200 ") || !strings.Contains(string(got), `"state":"searching"`) {
		t.Errorf("the waiting request: %s, %v, want the present state", got, err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v, want a clean drain", err)
	}
	if f.Gateway.Ready() {
		t.Error("ready after the drain")
	}
}
