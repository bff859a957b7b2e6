package gateway_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
)

// A program on this machine may use what ADMIN_TOKEN opens, until there is a trace
// of anybody else.
func TestLocalTrustEndsAtTheFirstTraceOfSomebodyElse(t *testing.T) {
	f := gatewaytest.New(t)
	addr := strings.TrimPrefix(f.URL, "http://")
	_, port, _ := net.SplitHostPort(addr)
	tests := []struct {
		name, proto string
		headers     []string
		status      int
	}{
		{"a program", "HTTP/1.1", []string{"Host: localhost:" + port}, 200},
		{"a program by address", "HTTP/1.1", []string{"Host: " + addr}, 200},
		{"the console", "HTTP/1.1", []string{"Host: " + addr, "Origin: http://" + addr, "Sec-Fetch-Site: same-origin"}, 200},
		{"a bare nginx", "HTTP/1.0", []string{"Host: " + addr}, 401},
		{"HAProxy behind an empty header of the client's", "HTTP/1.1", []string{"Host: " + addr, "X-Forwarded-For:", "X-Forwarded-For: 192.0.2.1"}, 401},
		{"an empty header", "HTTP/1.1", []string{"Host: " + addr, "Forwarded:"}, 401},
		{"X-Forwarded-Proto", "HTTP/1.1", []string{"Host: " + addr, "X-Forwarded-Proto: https"}, 401},
		{"X-Real-IP", "HTTP/1.1", []string{"Host: " + addr, "X-Real-IP: 192.0.2.1"}, 401},
		{"Cloudflare", "HTTP/1.1", []string{"Host: " + addr, "CF-Ray: 1"}, 401},
		{"Envoy", "HTTP/1.1", []string{"Host: " + addr, "X-Envoy-Expected-Rq-Timeout-Ms: 15000"}, 401},
		{"Via", "HTTP/1.1", []string{"Host: " + addr, "Via: 1.1 x"}, 401},
		{"a page of another site", "HTTP/1.1", []string{"Host: " + addr, "Origin: http://evil.example"}, 401},
		{"the second of two origins", "HTTP/1.1", []string{"Host: " + addr, "Origin: http://" + addr, "Origin: http://evil.example"}, 401},
		{"a navigation from another site", "HTTP/1.1", []string{"Host: " + addr, "Sec-Fetch-Site: cross-site"}, 401},
		{"a rebound name", "HTTP/1.1", []string{"Host: evil.example:" + port}, 403},
	}
	for _, path := range []string{"/events/subscribers", "/admin/stats", "/metrics"} {
		for _, tt := range tests {
			t.Run(path+" "+tt.name, func(t *testing.T) {
				got := rawStatus(t, addr, "GET "+path+" "+tt.proto+"\r\n"+strings.Join(tt.headers, "\r\n")+"\r\n")
				if got != tt.status {
					t.Errorf("status %d, want %d", got, tt.status)
				}
			})
		}
	}
}

// Where a Redis was set up, nobody is trying anything out.
func TestNoLocalTrustWithRedisOrToken(t *testing.T) {
	deployed := gatewaytest.New(t, func(c *gateway.Config) { c.TryingOut = false })
	guarded := deployed.Sibling(t, gatewaytest.WithAdmin)
	for _, path := range []string{"/events/subscribers", "/events/stream", "/admin/stats", "/metrics"} {
		if got := deployed.Do(t, "GET "+path, ""); got.StatusCode != 401 {
			t.Errorf("with a Redis of its own, GET %s = %d, want 401", path, got.StatusCode)
		}
		if got := guarded.Do(t, "GET "+path, ""); got.StatusCode != 401 {
			t.Errorf("with ADMIN_TOKEN, GET %s = %d, want 401", path, got.StatusCode)
		}
	}
}

// A page can post to any address without asking first. What it posts must not
// move drivers, unless CORS_ORIGINS names it.
func TestWebPagesDoNotWrite(t *testing.T) {
	const page = "https://app.example.org"
	f := gatewaytest.New(t, func(c *gateway.Config) { c.CORSOrigins = []string{page} })
	for _, tt := range []struct {
		name, line, body string
		headers          []string
		status           int
	}{
		{"a program", "POST /tracking", gatewaytest.DriverInSantiago, nil, 200},
		{"a listed page", "POST /tracking", gatewaytest.DriverInSantiago, []string{"Origin: " + page, "Sec-Fetch-Site: cross-site"}, 200},
		{"another page", "POST /tracking", gatewaytest.DriverInSantiago, []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, 403},
		{"an old browser", "POST /tracking", gatewaytest.DriverInSantiago, []string{"Origin: https://evil.example"}, 403},
		{"a sandboxed page", "POST /v2/search", gatewaytest.RiderInSantiago, []string{"Origin: null", "Sec-Fetch-Site: cross-site"}, 403},
		{"a page that deletes", "DELETE /v2/drivers/1", "", []string{"Origin: https://evil.example"}, 403},
		{"a page that geocodes", "POST /api", `{"q":"Vaduz"}`, []string{"Origin: https://maps.example", "Sec-Fetch-Site: cross-site"}, 200},
		{"a rebound name", "GET /v2/drivers/1", "", []string{"Host: evil.example"}, 403},
		{"a rebound name that searches", "POST /search", gatewaytest.RiderInSantiago, []string{"Host: evil.example"}, 403},
		{"a name of the house", "GET /v2/drivers/1", "", []string{"Host: geogate:8080"}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := f.Do(t, tt.line, tt.body, tt.headers...); got.StatusCode != tt.status {
				t.Errorf("%s = %d %s, want %d", tt.line, got.StatusCode, got.Text, tt.status)
			}
		})
	}
}

// Guesses count by address, and stop being answered.
func TestTokensCannotBeGuessed(t *testing.T) {
	f := gatewaytest.New(t, gatewaytest.WithAdmin)
	answers := map[int]int{}
	for i := range 100 {
		path := []string{"/metrics", "/admin/stats", "/events/subscribers"}[i%3]
		answers[f.Do(t, "GET "+path, "", fmt.Sprintf("Authorization: Bearer guess%d", i)).StatusCode]++
	}
	if answers[401] > 20 || answers[401]+answers[429] != 100 {
		t.Errorf("100 guesses were answered %v, want at most 20 times 401, else 429", answers)
	}
	got := f.Do(t, "GET /metrics", "", gatewaytest.AsAdmin)
	if got.StatusCode != 429 || got.Header.Get("Retry-After") == "" {
		t.Errorf("the right one after them: %d, want 429 with Retry-After", got.StatusCode)
	}
	if got := f.Do(t, "GET /healthz", ""); got.StatusCode != 200 {
		t.Errorf("healthz: %d, want 200", got.StatusCode)
	}
}

func TestPreflightsCount(t *testing.T) {
	f := gatewaytest.New(t, func(c *gateway.Config) { c.RateLimit = gateway.RateLimit{Requests: 2, Per: time.Hour} })
	ask := []string{"Origin: https://a.example", "Access-Control-Request-Method: GET"}
	for n, want := range []int{204, 204, 429} {
		if got := f.Do(t, "OPTIONS /api", "", ask...); got.StatusCode != want {
			t.Errorf("preflight %d: %d, want %d", n+1, got.StatusCode, want)
		}
	}
}

// Answers that shared caches keep for all say the same to all.
func TestGeocodingIsOpenToEveryPage(t *testing.T) {
	f := gatewaytest.New(t)
	for _, line := range []string{"GET " + gatewaytest.Vaduz, "GET " + gatewaytest.Vaduz, "GET /api?q=Vaduz", "GET /search?format=nonsense", "GET /api"} {
		for _, headers := range [][]string{nil, {"Origin: https://a.example"}} {
			got := f.Do(t, line, "", headers...)
			if origin := got.Header.Values("Access-Control-Allow-Origin"); len(origin) != 1 || origin[0] != "*" {
				t.Errorf("%s %v: Access-Control-Allow-Origin %q, want *", line, headers, origin)
			}
			if vary := got.Header.Values("Vary"); strings.Contains(strings.Join(vary, ","), "Origin") {
				t.Errorf("%s: Vary %q, want nothing about the origin", line, vary)
			}
		}
	}
}

// A path keeps the policy of the route that it matches, however it is spelled.
func TestDotSegmentsBorrowNoPolicy(t *testing.T) {
	addr := strings.TrimPrefix(gatewaytest.New(t).URL, "http://")
	for _, target := range []string{"/admin/../search?q=Vaduz", "/admin/%2e%2e/search?q=Vaduz", "/events/./../search?q=Vaduz"} {
		got := rawAnswer(t, addr, "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://a.example\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 404 ") || strings.Contains(got, "Access-Control-Allow-Origin") ||
			!strings.Contains(got, "application/problem+json") {
			t.Errorf("GET %s:\n%s\nwant geogate's own 404, not open to pages", target, got)
		}
	}
}

func rawStatus(t *testing.T, addr, head string) (status int) {
	t.Helper()
	answer := rawAnswer(t, addr, head+"Connection: close\r\n")
	if _, err := fmt.Sscanf(answer[strings.Index(answer, " "):], "%d", &status); err != nil {
		t.Fatalf("answer %q: %v", answer, err)
	}
	return status
}

// rawAnswer sends lines as they are and returns what comes back.
func rawAnswer(t *testing.T, addr, head string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, head+"\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}
