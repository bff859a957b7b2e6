package gateway_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
)

// Every route says who may call it.
func TestEveryRouteHasAScope(t *testing.T) {
	table := gatewaytest.New(t).Gateway.Table()
	if len(table) < 30 {
		t.Fatalf("%d routes, want the whole table", len(table))
	}
	for _, rt := range table {
		if !rt.Scoped {
			t.Errorf("%s %s has no scope", rt.Method, rt.Pattern)
		}
	}
}

// A path answers 405 to the methods that it does not take, and names all that it
// does take.
func TestAllowListsWhatThePathTakes(t *testing.T) {
	f := gatewaytest.New(t)
	takes := map[string][]string{}
	for _, rt := range f.Gateway.Table() {
		takes[rt.Pattern] = append(takes[rt.Pattern], rt.Method)
		if rt.Method == "GET" {
			takes[rt.Pattern] = append(takes[rt.Pattern], "HEAD")
		}
	}
	placeholders := strings.NewReplacer("{id}", "x", "{offer_id}", "x", "{delivery}", "x")
	for pattern, methods := range takes {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
			if slices.Contains(methods, method) {
				continue
			}
			got := f.Do(t, method+" "+placeholders.Replace(pattern), "")
			allow := strings.Split(got.Header.Get("Allow"), ", ")
			slices.Sort(allow)
			slices.Sort(methods)
			if got.StatusCode != 405 || !slices.Equal(allow, methods) {
				t.Errorf("%s %s = %d, Allow %q, want 405 and %q", method, pattern, got.StatusCode, allow, methods)
			}
		}
	}
}

// What has no route is answered by whoever owns its first word.
func TestUnknownPaths(t *testing.T) {
	f := gatewaytest.New(t)
	const title = `{"title": "404 Not Found"}`
	for line, nominatims := range map[string]bool{
		"GET /v2/nothing": false, "GET /api/x": false, "GET /admin/x": false, "GET /events/x/y/z": false, "POST /nothing": false,
		"GET /nothing": true, "HEAD /nothing": true, "GET /search/x": true, "GET /apis": true,
	} {
		got := f.Do(t, line, "")
		if got.StatusCode != 404 || (got.Header.Get("Content-Type") == "application/json") != nominatims ||
			nominatims && got.Text != title && !strings.HasPrefix(line, "HEAD") {
			t.Errorf("%s = %d %s %s, want Nominatim's words: %t", line, got.StatusCode, got.Header.Get("Content-Type"), got.Text, nominatims)
		}
	}
}

// Only a probe's own route is exempt from the limit, however its path is spelled.
func TestOnlyProbesAreExempt(t *testing.T) {
	f := gatewaytest.New(t, func(c *gateway.Config) { c.RateLimit = gateway.RateLimit{Requests: 1, Per: time.Hour} })
	f.Do(t, "GET /v2/nothing", "")
	for line, status := range map[string]int{
		"GET /healthz": 200, "GET //healthz": 200, "GET /version": 200, "GET /%68ealthz": 429, "GET /healthz/x": 429, "POST /healthz": 429,
	} {
		if got := f.Do(t, line, ""); got.StatusCode != status {
			t.Errorf("%s above the limit = %d, want %d", line, got.StatusCode, status)
		}
	}
}
