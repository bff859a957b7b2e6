package rides_test

import (
	"strings"
	"testing"

	"geogate/gateway/gatewaytest"
	"geogate/upstream/upstreamtest"
)

// When the geocoder cannot tell where an address is, nothing comes of the
// request and nothing of it stays: the client may repeat it.
func TestAddressWithoutGeocoder(t *testing.T) {
	tests := []struct {
		name  string
		fault upstreamtest.Fault
		code  string
		retry string // Retry-After
	}{
		{"quota", upstreamtest.Throttled(17), "upstream_throttled", "17"},
		{"server error", upstreamtest.Failing(500), "upstream_unavailable", ""},
		{"refused by a proxy", upstreamtest.Failing(403), "upstream_throttled", ""},
		{"cut off", upstreamtest.Truncated, "upstream_invalid", ""},
		{"HTML with status 200", upstreamtest.HTML, "upstream_invalid", ""},
		{"redirect", upstreamtest.Redirect, "upstream_invalid", ""},
		{"connection dropped", upstreamtest.Reset, "upstream_unavailable", ""},
		{"hanging", upstreamtest.Hang, "upstream_timeout", ""},
	}
	first := gatewaytest.New(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if first.UpstreamOptions = ""; tt.fault == upstreamtest.Hang {
				first.UpstreamOptions = "&timeout=200ms"
			}
			f := first.Sibling(t)
			f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago)
			before := f.Keys(t)
			f.Upstream.SetFault(tt.fault)
			defer f.Upstream.SetFault(upstreamtest.Fault{})
			for _, request := range []string{"POST /search", "POST /v2/search", "GET /v2/nearby?q=santiago"} {
				body := `{"q":"santiago"}`
				if strings.HasPrefix(request, "GET") {
					body = ""
				}
				got := f.Do(t, request, body, "Idempotency-Key: "+tt.name)
				var p gatewaytest.Problem
				got.JSON(t, &p)
				retry := got.Header.Get("Retry-After")
				// A breaker that has opened meanwhile says so too.
				known := p.Code == tt.code || p.Code == "upstream_unavailable" || p.Code == "upstream_throttled"
				if got.StatusCode != 503 || p.Status != 503 || p.Title != "Service Unavailable" || !known || retry == "" || tt.retry != "" && retry != tt.retry {
					t.Errorf("%s: %d %s, Retry-After %q, want 503 %s", request, got.StatusCode, got.Text, retry, tt.code)
				}
			}
			for _, key := range f.Keys(t) {
				for _, kind := range []string{":ride:", ":due", ":waiting", ":idem:", ":rider:", ":asked:"} {
					if strings.Contains(key, kind) {
						t.Errorf("left %q behind, there were %q before", key, before)
					}
				}
			}
		})
	}
}

// What is cached does not need the geocoder.
func TestCachedAddressWithoutGeocoder(t *testing.T) {
	f := gatewaytest.New(t)
	f.Upstream.SetAnswer(&upstreamtest.Fixed{
		ContentType: "application/json; charset=utf-8",
		Body:        `[{"place_id":1,"licence":"Data © its makers","lat":"47.1392862","lon":"9.5227962","class":"boundary","type":"administrative","display_name":"Vaduz, Liechtenstein"}]`,
	})
	f.Do(t, "POST /search", `{"q":"Vaduz"}`)
	f.Upstream.SetFault(upstreamtest.Failing(500))
	for _, request := range []string{"POST /search", "POST /v2/search"} {
		got := f.Do(t, request, `{"q":"Vaduz"}`)
		if got.StatusCode != 200 || !strings.Contains(got.Text, `"cache":true`) || got.Header.Get("X-Cache") != "HIT" ||
			got.Header.Get("Cache-Control") != "no-store" || !strings.Contains(got.Text, `"licence":"Data © its makers"`) {
			t.Errorf("%s: %d %s %v, want a hit", request, got.StatusCode, got.Text, got.Header)
		}
	}
}
