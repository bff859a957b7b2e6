package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
)

// logged returns the lines of the log that contain the words.
func logged(f *gatewaytest.Fixture, words string) []string {
	var found []string
	for line := range strings.Lines(f.Log.String()) {
		if strings.Contains(line, words) {
			found = append(found, line)
		}
	}
	return found
}

// from sends a request as if it came from peer.
func from(f *gatewaytest.Fixture, peer, target string, header ...string) int {
	r := httptest.NewRequest(http.MethodGet, target, http.NoBody)
	r.RemoteAddr = peer
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	f.Gateway.ServeHTTP(w, r)
	return w.Code
}

func prefixes(t *testing.T, names ...string) []netip.Prefix {
	t.Helper()
	var list []netip.Prefix
	for _, name := range names {
		p, err := netip.ParsePrefix(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// Whoever reaches the port past the proxies can forge the header that limits count
// by. The log says so, once a minute at most.
func TestWarnsOfRequestsPastTheProxies(t *testing.T) {
	const warning = "request came past the trusted proxies"
	for _, tt := range []struct {
		name   string
		cidrs  []netip.Prefix
		peer   string
		header []string
		target string
		warns  bool
	}{
		{"from elsewhere, without the header", nil, "203.0.113.9:1234", nil, gatewaytest.Vaduz, true},
		{"a proxy's", nil, "203.0.113.9:1234", []string{"X-Forwarded-For: 192.0.2.1"}, gatewaytest.Vaduz, false},
		{"from this machine", nil, "127.0.0.1:1234", nil, gatewaytest.Vaduz, false},
		{"over a Unix socket", nil, "@", nil, gatewaytest.Vaduz, false},
		{"a probe of the platform", nil, "203.0.113.9:1234", nil, "/healthz", false},
		{"proxies are named, so nothing can be forged", prefixes(t, "10.0.0.0/8"), "203.0.113.9:1234", nil, gatewaytest.Vaduz, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := gatewaytest.New(t, func(c *gateway.Config) {
				if c.ProxyNetworks = tt.cidrs; tt.cidrs == nil {
					c.TrustedProxies = 1
				}
			})
			for range 3 {
				from(f, tt.peer, tt.target, tt.header...)
			}
			if got := len(logged(f, warning)); got != map[bool]int{true: 1}[tt.warns] {
				t.Errorf("%d warnings for three requests, want %t:\n%s", got, tt.warns, logged(f, ""))
			}
		})
	}
}

// TestTrustedProxyNetworks checks whose header is believed, through a limit of two
// requests for each client.
func TestTrustedProxyNetworks(t *testing.T) {
	for _, tt := range []struct {
		name, peer, forwarded string
		differ                bool // each request counts as another client's
	}{
		{"a proxy's header is believed", "10.1.2.3:80", "198.51.100.%", true},
		{"what the client claims behind a proxy is not", "10.1.2.3:80", "198.51.100.%, 192.0.2.7", false},
		{"a chain of proxies is walked", "10.1.2.3:80", "198.51.100.%, 10.9.9.9", true},
		{"a stranger's is not", "203.0.113.9:80", "198.51.100.%", false},
		{"a stranger's who claims a proxy's address is not", "203.0.113.9:80", "198.51.100.%, 10.9.9.9", false},
		{"rubbish counts as the proxy", "10.1.2.3:80", "198.51.100.%, what", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := gatewaytest.New(t, func(c *gateway.Config) {
				c.ProxyNetworks = prefixes(t, "10.0.0.0/8")
				c.RateLimit = gateway.RateLimit{Requests: 2, Per: time.Hour}
			})
			var last int
			for _, n := range []string{"1", "2", "3"} {
				last = from(f, tt.peer, gatewaytest.Vaduz, "X-Forwarded-For: "+strings.ReplaceAll(tt.forwarded, "%", n))
			}
			if want := map[bool]int{true: http.StatusOK, false: http.StatusTooManyRequests}[tt.differ]; last != want {
				t.Errorf("third request: %d, want %d", last, want)
			}
		})
	}
}

// TestRateExempt checks that the limit does not hold for the operator's own networks.
func TestRateExempt(t *testing.T) {
	f := gatewaytest.New(t, func(c *gateway.Config) {
		c.RateLimit = gateway.RateLimit{Requests: 1, Per: time.Hour}
		c.RateExempt = prefixes(t, "192.0.2.0/24", "2001:db8::/32")
	})
	for peer, want := range map[string]int{
		"192.0.2.9:80": http.StatusOK, "[2001:db8::1]:80": http.StatusOK, "198.51.100.1:80": http.StatusTooManyRequests,
	} {
		from(f, peer, gatewaytest.Vaduz)
		if got := from(f, peer, gatewaytest.Vaduz); got != want {
			t.Errorf("second request from %s: %d, want %d", peer, got, want)
		}
	}
}

// A line about a refused request says what was asked for and by whom, so that an
// operator can do something about it.
func TestRefusedRequestsAreLoggedWithRouteAndClient(t *testing.T) {
	f := gatewaytest.New(t, func(c *gateway.Config) {
		c.RateLimit = gateway.RateLimit{Requests: 1, Per: time.Hour}
	})
	for peer, client := range map[string]string{"198.51.100.1:80": "198.51.100.1", "[2001:db8::1]:80": "2001:db8::"} {
		from(f, peer, gatewaytest.Vaduz)
		from(f, peer, gatewaytest.Vaduz)
		refused := logged(f, `"client":"`+client+`"`)
		var line struct {
			Route  string
			Status int
		}
		if len(refused) != 1 || json.Unmarshal([]byte(refused[0]), &line) != nil || line.Route != "/search" || line.Status != http.StatusTooManyRequests {
			t.Errorf("lines with client %s: %q, want one of /search with 429", client, refused)
		}
	}
	preflight := httptest.NewRequest(http.MethodOptions, "/api", http.NoBody)
	preflight.RemoteAddr = "198.51.100.1:80"
	preflight.Header.Set("Origin", "https://app.example.org")
	preflight.Header.Set("Access-Control-Request-Method", http.MethodPost)
	f.Gateway.ServeHTTP(httptest.NewRecorder(), preflight)
	if got := logged(f, `"method":"OPTIONS"`); len(got) != 1 || !strings.Contains(got[0], `"route":"/api"`) {
		t.Errorf("a refused preflight is logged as %q, want its route", got)
	}
	for _, line := range logged(f, `"status":200`) {
		if strings.Contains(line, "client") {
			t.Errorf("an answered request is logged with its client: %s", line)
		}
	}
}
