package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"geogate/gateway/gatewaytest"
	"geogate/upstream/upstreamtest"
)

// faults are what that version of Nominatim did wrong, and what geogate answers
// in their place.
var faults = map[string]struct {
	status int
	body   string
}{
	"/search?q=Vaduz&format=jsonv2&layer=nonsense": {http.StatusBadRequest, `"code":400`},
	"/details?osmtype=Z&osmid=1":                   {http.StatusBadRequest, `"code":400`},
}

// TestReplay sends every recorded request through geogate twice: the answers
// are the recorded ones, the first from the upstream, the second from the
// cache. Each has a gateway of its own, lest two requests that mean the same
// warm the cache for each other.
func TestReplay(t *testing.T) {
	all := upstreamtest.Recordings()
	if len(all) != 183 {
		t.Fatalf("%d recordings, want 183", len(all))
	}
	f := gatewaytest.New(t)
	for _, r := range all {
		if r.Method == http.MethodGet && strings.HasPrefix(r.URL, "/?") {
			continue // the front page is geogate's own: TestRoot
		}
		t.Run(r.Group+" "+r.Method+" "+shorten(r.URL), func(t *testing.T) {
			if err := f.Geocoder.Cache().PurgeAll(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.Upstream.Reset()
			var headers []string
			for name, value := range r.ReqHeader {
				headers = append(headers, name+": "+value)
			}
			if fault, known := faults[r.URL]; known {
				got := f.Do(t, r.Method+" "+r.URL, "", headers...)
				if got.StatusCode != fault.status || !strings.Contains(got.Text, fault.body) {
					t.Errorf("status %d, body %q, want %d with %q", got.StatusCode, got.Text, fault.status, fault.body)
				}
				return
			}
			wantCalls, wantClass := 1, []string{"MISS", "HIT"}
			if answeredHere(r) {
				wantCalls, wantClass = 0, []string{"", ""}
			}
			for _, class := range wantClass {
				got := f.Do(t, r.Method+" "+r.URL, "", headers...)
				if got.StatusCode != r.Status {
					t.Errorf("status %d, want %d as recorded", got.StatusCode, r.Status)
				}
				if ct := got.Header.Get("Content-Type"); ct != r.Header["content-type"] {
					t.Errorf("Content-Type %q, want %q as recorded", ct, r.Header["content-type"])
				}
				if got.Text != r.Body {
					t.Errorf("body\n%q, want as recorded\n%q", got.Text, r.Body)
				}
				if got.Header.Get("X-Cache") != class {
					t.Errorf("X-Cache %q, want %q", got.Header.Get("X-Cache"), class)
				}
			}
			if calls := f.Upstream.Calls(); calls != wantCalls {
				t.Errorf("%d upstream calls, want %d", calls, wantCalls)
			}
		})
	}
}

// answeredHere tells the requests that are none of a geocoder's business: paths
// that do not exist and methods that are not taken.
func answeredHere(r upstreamtest.Recording) bool {
	return r.Method != http.MethodGet || r.Status == http.StatusNotFound && r.Group == "paths"
}

func shorten(url string) string { return url[:min(len(url), 80)] }
