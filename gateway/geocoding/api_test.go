package geocoding_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"geogate/gateway/gatewaytest"
	"geogate/upstream/upstreamtest"
)

func TestAPI(t *testing.T) {
	f := gatewaytest.New(t)
	f.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json; charset=utf-8", Body: `[{"place_id":1}]`})
	tests := []struct {
		name, request, body, want string
	}{
		{"first", "GET /api?q=Ruggell", "", `{"cache":false,"source":"recorded","data":[{"place_id":1}]}`},
		{"again", "GET /api?q=Ruggell", "", `{"cache":true,"source":"recorded","data":[{"place_id":1}]}`},
		{"spelled otherwise", "GET /api?q=+RUGGELL+", "", `{"cache":true,"source":"recorded","data":[{"place_id":1}]}`},
		{"by POST", "POST /api", `{"q":"ruggell"}`, `{"cache":true,"source":"recorded","data":[{"place_id":1}]}`},
		{"another language", "GET /api?q=Ruggell&accept-language=de", "", `{"cache":false,"source":"recorded","data":[{"place_id":1}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := f.Do(t, tt.request, tt.body); got.Text != tt.want {
				t.Errorf("%d %s, want %s", got.StatusCode, got.Text, tt.want)
			}
		})
	}
}

func TestAPIByCoordinates(t *testing.T) {
	f := gatewaytest.New(t)
	tests := []struct {
		name, request, body string
		upstream            string
		want                string
	}{
		{"a place", "GET /api?lat=47.2&lon=9.5", "", `{"place_id":7}`, `{"cache":false,"source":"recorded","data":[{"place_id":7}]}`},
		{"lng for lon", "GET /api?lat=47.2&lng=9.5", "", "unused", `{"cache":true,"source":"recorded","data":[{"place_id":7}]}`},
		{"by POST", "POST /api", `{"lat":47.2,"lng":9.5}`, "unused", `{"cache":true,"source":"recorded","data":[{"place_id":7}]}`},
		{"at sea", "GET /api?lat=0&lon=-29", "", `{"error":"Unable to geocode"}`, `{"cache":false,"source":"recorded","data":[]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json; charset=utf-8", Body: tt.upstream})
			if got := f.Do(t, tt.request, tt.body); got.Text != tt.want {
				t.Errorf("%d %s, want %s", got.StatusCode, got.Text, tt.want)
			}
		})
	}
}

// TestEmptyAnswerOfTheGazetteerAloneHasAHint asks for what only a street-level
// geocoder could know.
func TestEmptyAnswerOfTheGazetteerAloneHasAHint(t *testing.T) {
	const street = "GET /api?q=82+Zollstrasse,+Vaduz"
	const hint = `,"hint":"only towns are known here: set UPSTREAMS, see docs/geocoders.md"}`
	f := gatewaytest.New(t)
	f.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json; charset=utf-8", Body: `[]`})
	tests := []struct {
		name, upstreams, request, want string
	}{
		{"an address", "gazetteer", street, `{"cache":false,"source":"gazetteer","data":[]` + hint},
		{"again", "gazetteer", street, `{"cache":true,"source":"gazetteer","data":[]` + hint},
		{"under another name", "gazetteer#name=towns", street, `"data":[]` + hint},
		{"a town", "gazetteer", "GET /api?q=Vaduz&limit=1", `"]}]}`},
		{"at sea", "gazetteer", "GET /api?lat=0&lon=-30", `{"cache":false,"source":"gazetteer","data":[]}`},
		{"with a geocoder for streets", "", street, `{"cache":false,"source":"recorded","data":[]}`},
		{"with one behind", "gazetteer#on_empty=next,nominatim+" + f.Upstream.URL, street, `"data":[]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.Upstreams = tt.upstreams
			if got := f.Sibling(t).Do(t, tt.request, ""); !strings.HasSuffix(got.Text, tt.want) {
				t.Errorf("%d %s, want it to end in %s", got.StatusCode, got.Text, tt.want)
			}
		})
	}
}

func TestFreshnessHeaders(t *testing.T) {
	f := gatewaytest.New(t)
	miss := f.Do(t, "GET "+gatewaytest.Vaduz, "")
	hit := f.Do(t, "GET "+gatewaytest.Vaduz, "")
	tests := []struct{ header, miss, hit string }{
		{"X-Cache", "MISS", "HIT"},
		{"Cache-Status", "geogate; fwd=uri-miss; stored", "geogate; hit; ttl=86399; detail=memory"},
		{"Cache-Control", "public, max-age=86400", "public, max-age=86399"},
		{"Age", "0", "0"},
		{"Vary", "Accept-Language, Accept-Encoding", "Accept-Language, Accept-Encoding"},
	}
	for _, tt := range tests {
		if got := miss.Header.Get(tt.header); !similar(got, tt.miss) {
			t.Errorf("miss: %s %q, want %q", tt.header, got, tt.miss)
		}
		if got := hit.Header.Get(tt.header); !similar(got, tt.hit) {
			t.Errorf("hit: %s %q, want %q", tt.header, got, tt.hit)
		}
	}

	etag := hit.Header.Get("ETag")
	if etag == "" || miss.Header.Get("ETag") != etag {
		t.Fatalf("ETag %q on the hit, %q on the miss", etag, miss.Header.Get("ETag"))
	}
	for _, field := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
		if got := f.Do(t, "GET "+gatewaytest.Vaduz, "", "If-None-Match: "+field); got.StatusCode != 304 || got.Text != "" || got.Header.Get("ETag") != etag {
			t.Errorf("If-None-Match %s: %d with %d bytes, want 304", field, got.StatusCode, len(got.Text))
		}
	}
	if got := f.Do(t, "GET "+gatewaytest.Vaduz, "", `If-None-Match: "other"`); got.StatusCode != 200 {
		t.Errorf("another ETag: %d, want 200", got.StatusCode)
	}
	head := f.Do(t, "HEAD "+gatewaytest.Vaduz, "")
	if head.StatusCode != 200 || head.Text != "" || head.ContentLength != int64(len(hit.Text)) || head.Header.Get("X-Cache") != "HIT" {
		t.Errorf("HEAD: %d, length %d, want the headers of GET", head.StatusCode, head.ContentLength)
	}
}

// similar takes any seconds of a life, or of an age, up to a minute from its beginning for
// the same: the machine may stand still between two requests.
func similar(got, want string) bool {
	return seconds.ReplaceAllString(got, "N") == seconds.ReplaceAllString(want, "N")
}

var seconds = regexp.MustCompile(`86400|863[4-9]\d|^[0-5]?\d$`)

func TestRequestDirectives(t *testing.T) {
	f := gatewaytest.New(t)
	tests := []struct {
		name, directive string
		status          int
		class           string
		calls           int
	}{
		{"only-if-cached on a miss", "only-if-cached", 504, "", 0},
		{"plain", "", 200, "MISS", 1},
		{"only-if-cached on a hit", "only-if-cached", 200, "HIT", 1},
		{"no-cache asks again", "no-cache", 200, "MISS", 2},
		{"no-store neither reads nor writes", "no-store", 200, "BYPASS", 3},
		{"max-age=0 asks again", "max-age=0", 200, "MISS", 4},
		{"a large max-age does not", "max-age=1000", 200, "HIT", 4},
		{"nonsense is ignored", "max-age=soon, foo", 200, "HIT", 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := f.Do(t, "GET "+gatewaytest.Vaduz, "", "Cache-Control: "+tt.directive)
			if got.StatusCode != tt.status || got.Header.Get("X-Cache") != tt.class {
				t.Errorf("%d %s, want %d %s", got.StatusCode, got.Header.Get("X-Cache"), tt.status, tt.class)
			}
			if n := f.Upstream.Calls(); n != tt.calls {
				t.Errorf("%d upstream calls so far, want %d", n, tt.calls)
			}
		})
	}
}

// debug=1 is Nominatim's page for its own developers: passed on, never stored.
func TestDebugIsNeverStored(t *testing.T) {
	f := gatewaytest.New(t)
	f.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "text/html; charset=utf-8", Body: "<html>debug</html>"})
	for range 2 {
		got := f.Do(t, "GET /search?q=vaduz&debug=1", "")
		if got.StatusCode != 200 || got.Text != "<html>debug</html>" || got.Header.Get("X-Cache") != "BYPASS" {
			t.Errorf("%d %s %q, want the page as BYPASS", got.StatusCode, got.Header.Get("X-Cache"), got.Text)
		}
	}
	if n := f.Upstream.Calls(); n != 2 {
		t.Errorf("%d upstream calls, want 2", n)
	}
}

func TestUpstreamFaults(t *testing.T) {
	tests := []struct {
		name   string
		fault  upstreamtest.Fault
		status int
		code   string
	}{
		{"quota", upstreamtest.Throttled(30), 503, "upstream_throttled"},
		{"broken", upstreamtest.Failing(500), 503, "upstream_unavailable"},
		{"HTML with 200", upstreamtest.HTML, 502, "upstream_invalid"},
		{"cut off", upstreamtest.Truncated, 502, "upstream_invalid"},
		{"redirect", upstreamtest.Redirect, 502, "upstream_invalid"},
	}
	shared := gatewaytest.New(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := shared.Sibling(t)
			f.Flush(t)
			f.Upstream.SetFault(tt.fault)
			own := f.Do(t, "GET /api?q=vaduz", "")
			dropIn := f.Do(t, "GET /search?q=vaduz&format=xml", "")
			f.Upstream.SetFault(upstreamtest.Fault{})
			var p gatewaytest.Problem
			own.JSON(t, &p)
			if own.StatusCode != tt.status || p.Code != tt.code {
				t.Errorf("api: %d %s, want %d %s", own.StatusCode, p.Code, tt.status, tt.code)
			}
			if dropIn.StatusCode/100 != 5 || !strings.Contains(dropIn.Text, "<error>") || dropIn.Header.Get("Content-Type") != "text/xml; charset=utf-8" {
				t.Errorf("drop-in: %d %s, want the XML twin of an error", dropIn.StatusCode, dropIn.Text)
			}
			if own.StatusCode == 503 && own.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			for _, key := range f.Keys(t) {
				if strings.HasPrefix(key, "geogate:cache:") {
					t.Errorf("stored %q", key)
				}
			}
		})
	}
}

func TestThousandMissesOneCall(t *testing.T) {
	f := gatewaytest.New(t)
	f.Upstream.SetDelay(300 * time.Millisecond)
	const n = 1000
	transport := &http.Transport{MaxConnsPerHost: n}
	defer transport.CloseIdleConnections()
	var wg sync.WaitGroup
	var mu sync.Mutex
	classes := map[string]int{}
	for range n {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, f.URL+gatewaytest.Vaduz, nil)
			if err != nil {
				t.Error(err)
				return
			}
			res, err := transport.RoundTrip(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = res.Body.Close() }()
			mu.Lock()
			classes[res.Header.Get("X-Cache")]++
			mu.Unlock()
			if res.StatusCode != 200 {
				t.Errorf("status %d", res.StatusCode)
			}
		})
	}
	wg.Wait()
	if calls := f.Upstream.Calls(); calls != 1 {
		t.Errorf("%d upstream calls for %d simultaneous misses, want 1 (%v)", calls, n, classes)
	}
}
