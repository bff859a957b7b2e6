package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestTrustedProxies observes through the rate limit of five requests whom
// geogate takes for one client.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	const limit = 5
	// Each value of forwarded is one X-Forwarded-For line; %d counts requests.
	tests := []struct {
		name      string
		trusted   int
		forwarded []string
		one       bool // all requests are one client's
	}{
		{"none trusted: no header", 0, nil, true},
		{"none trusted: header is ignored", 0, []string{"198.51.100.%d"}, true},
		{"one trusted: no header", 1, nil, true},
		{"one trusted: clients differ", 1, []string{"198.51.100.%d"}, false},
		{"one trusted: same client", 1, []string{"203.0.113.1"}, true},
		{"one trusted: what the client claims is ignored", 1, []string{"198.51.100.%d, 203.0.113.2"}, true},
		{"one trusted: claimed in a line of its own", 1, []string{"198.51.100.%d", "203.0.113.3"}, true},
		{"one trusted: client behind a claim", 1, []string{"203.0.113.4, 198.51.101.%d"}, false},
		{"one trusted: one IPv6 network", 1, []string{"2001:db8::%d"}, true},
		{"one trusted: IPv6 networks", 1, []string{"2001:db8:0:%d::1"}, false},
		{"one trusted: IPv4 in IPv6 is the same", 1, []string{"::ffff:203.0.113.5"}, true},
		{"two trusted: clients differ", 2, []string{"198.51.100.%d, 10.0.0.1"}, false},
		{"two trusted: same client, two inner proxies", 2, []string{"203.0.113.6, 10.0.0.%d"}, true},
		{"two trusted: claim", 2, []string{"198.51.100.%d, 203.0.113.7, 10.0.0.1"}, true},
		{"two trusted: over two lines", 2, []string{"198.51.100.%d, 203.0.113.8", "10.0.0.1"}, true},
		{"two trusted: came around one proxy", 2, []string{"198.51.100.%d"}, true},
		{"two trusted: no addresses", 2, []string{"unknown-%d, nonsense"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := start(t, settings("RATE_LIMIT", fmt.Sprintf("%d/1m", limit), "TRUSTED_PROXIES", fmt.Sprint(tt.trusted)))
			for i := 1; i <= limit+2; i++ {
				var header []string
				for _, line := range tt.forwarded {
					header = append(header, "X-Forwarded-For", strings.ReplaceAll(line, "%d", fmt.Sprint(i)))
				}
				want := http.StatusNotFound
				if tt.one && i > limit {
					want = http.StatusTooManyRequests
				}
				a := g.get(t, "/nope", header...)
				if a.Status != want {
					t.Fatalf("request %d: %s, want status %d", i, a, want)
				}
				if want == http.StatusTooManyRequests {
					if err := checkRetryAfter(a); err != nil {
						t.Error(err)
					}
				}
			}
			if a := g.get(t, "/healthz"); a.Status != http.StatusOK {
				t.Errorf("a probe counts: %s", a)
			}
		})
	}
}

// TestRateLimitShapes checks the error of the limit at either kind of endpoint.
func TestRateLimitShapes(t *testing.T) {
	t.Parallel()
	g := start(t, settings("RATE_LIMIT", "2/1m"))
	for range 2 {
		g.get(t, "/nope")
	}
	wantProblem(t, g.get(t, "/api?q=a"), http.StatusTooManyRequests)
	wantProblem(t, g.post(t, "/tracking", "{}"), http.StatusTooManyRequests)
	a := g.get(t, "/search?q=a&format=json")
	got := decode[struct{ Error struct{ Code int } }](t, a, http.StatusTooManyRequests)
	if got.Error.Code != http.StatusTooManyRequests {
		t.Errorf("drop-in endpoint over the limit: %s, want Nominatim's shape", a)
	}
	if err := checkRetryAfter(a); err != nil {
		t.Error(err)
	}
}
