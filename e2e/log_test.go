package e2e

import (
	"fmt"
	"strings"
	"testing"

	"geogate/upstream/upstreamtest"
)

// What people ask for and where they are, as it stands in requests of
// TestAccessLog in various spellings.
var (
	privateWords  = []string{"evergreen", "Evergreen", "terrace", "Terrace"}
	privateDigits = []string{"33.44091", "70.6301", "3344091", "706301"}
)

// privateRequests hold addresses and positions, and whatever may break a line.
var privateRequests = []struct {
	method, target string
	header         []string
}{
	{"GET", "/search?q=742+Evergreen+Terrace", nil},
	{"GET", "/search?q=742+Evergreen+Terrace&format=JSON", nil},
	{"GET", "/search?q=Evergreen%0aTerrace", nil},
	{"GET", "/search?q=Evergreen%0d%0a%7B%22level%22:%22info%22,%22message%22:%22request%22%7D", nil},
	{"GET", "/search?q=Evergreen%00Terrace", nil},
	{"GET", "/search?q=Evergreen%1b%5b2JTerrace", nil},
	{"GET", "/search?q=%ff%feEvergreen", nil},
	{"GET", "/search?q=Evergreen%zz", nil},
	{"GET", "/search?q=Evergreen\xff\xfe", nil},
	{"GET", "/search?Evergreen+Terrace", nil},
	{"GET", "/search?q=Evergreen&city=Terrace", nil},
	{"GET", "/search?q=Evergreen&layer=Terrace", nil},
	{"GET", "/search?q=Evergreen&viewbox=Terrace,-33.44091,-70.6301", nil},
	{"GET", "/search?q=Evergreen&countrycodes=Terrace&exclude_place_ids=Terrace", nil},
	{"GET", "/search?q=Evergreen&json_callback=Terrace(", nil},
	{"GET", "/search/Evergreen%0aTerrace", nil},
	{"GET", "/Evergreen%0d%0aTerrace", nil},
	{"GET", "/%ff/Evergreen", nil},
	{"GET", "//search?q=Evergreen", nil},
	{"GET", "/reverse?lat=-33.44091&lon=-70.6301", nil},
	{"GET", "/reverse?lat=-33.44091x&lon=-70.6301&format=jsonv2", nil},
	{"GET", "/lookup?osm_ids=Evergreen", nil},
	{"GET", "/api?q=Evergreen+Terrace", nil},
	{"GET", "/api?742+Evergreen+Terrace", nil},
	{"GET", "/api?Evergreen%0aTerrace=1", nil},
	{"GET", "/api?q=Evergreen&lat=-33.44091", nil},
	{"GET", "/api?q=Evergreen&limit=Terrace", nil},
	{"GET", "/api?lat=-33.44091&lon=Evergreen", nil},
	{"GET", "/api?lat=-133.44091&lon=-70.6301", nil},
	{"GET", "/v2/requests/Evergreen%0aTerrace", nil},
	{"GET", "/v2/requests/Evergreen?wait=Terrace", nil},
	{"EVERGREEN", "/search?q=Terrace", nil},
	{"DELETE", "/search?q=Evergreen", nil},
	{"OPTIONS", "/search?q=Evergreen", nil},
	{"HEAD", "/search?q=Evergreen", nil},
	{"GET", "/healthz", []string{"User-Agent: Evergreen \xff\t\"quoted\""}},
	{"GET", "/healthz", []string{"X-Request-Id: Evergreen\" \\n"}},
	{"GET", "/healthz", []string{"X-Request-Id: " + strings.Repeat("Evergreen", 50)}},
	{"GET", "/healthz", []string{"X-Forwarded-For: Evergreen, \xff", "Referer: http://Evergreen/"}},
	{"GET", "/search?q=a", []string{"Accept-Language: Evergreen\xff;q=Terrace"}},
	{"GET", "/search?q=a", []string{"Cookie: Evergreen=Terrace", "Authorization: Bearer Evergreen", "Origin: http://Evergreen"}},
}

// privateBodies are sent to every endpoint that takes one.
var privateBodies = []string{
	`{"id":"1","lat":-33.44091,"lng":-70.6301}`,
	`{"lat":-33.44091,"lng":-70.6301}`,
	`{"id":"1","lat":-133.44091,"lng":-70.6301}`,
	`[{"id":"1","lat":-33.44091,"lng":-70.6301},{"id":"2","lat":-133.44091,"lng":-70.6301}]`,
	`{"id":"1","lat":-33.44091,"lng":-70.6301,"ts":"Evergreen"}`,
	`{"id":"1","lat":-33.44091,"lng":-70.6301,"tags":["Evergreen\n"]}`,
	`[{"id":"Evergreen\n","lat":-33.44091,"lng":-70.6301,"Terrace":1}]`,
	`{"q":"742 Evergreen Terrace"}`,
	`{"742 Evergreen Terrace":1}`,
	`{"q":742,"Evergreen":"Terrace"}`,
	`{"q":"Evergreen","lat":-33.44091,"lng":-70.6301}`,
	`{"q":"Evergreen\nTerrace\u0000"}`,
	`{"request_id":"Evergreen\nTerrace"}`,
	`{"lat":"-33.44091","lng":"-70.6301"}`,
	`742 Evergreen Terrace`,
	"\xff Evergreen",
	`{"q":"Evergreen`,
}

// TestAccessLog sends requests of every kind and expects one line for each,
// in which nobody's address or position is.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			upstream := upstreamtest.New(t)
			g := start(t, settings("UPSTREAMS", "nominatim+"+upstream.URL, "LOG_FORMAT", format, "LOG_LEVEL", "debug", "TRUSTED_PROXIES", "1"))
			ids := map[string]bool{}
			sent := 0
			note := func(a answer) {
				sent++
				ids[a.Header.Get("X-Request-Id")] = true
			}
			for _, r := range privateRequests {
				note(g.sendRaw(t, r.method, r.target, r.header...))
			}
			for _, path := range []string{"/tracking", "/search", "/v2/search", "/v2/cancel", "/v2/complete", "/api"} {
				for _, body := range privateBodies {
					note(g.post(t, path, body))
				}
			}
			// And while the geocoder fails.
			upstream.SetFault(upstreamtest.HTML)
			note(g.get(t, "/search?q=Evergreen+Terrace+fails"))
			note(g.post(t, "/search", `{"q":"Evergreen Terrace fails"}`))
			upstream.SetFault(upstreamtest.Reset)
			note(g.get(t, "/reverse?lat=-33.44091&lon=-70.6301&format=jsonv2&zoom=3"))
			note(g.get(t, "/api?lat=-33.44091&lon=-70.6301&zoom=4"))
			if len(ids) != sent {
				t.Errorf("%d answers have %d request ids", sent, len(ids))
			}
			g.stop(t)

			log := g.Stderr.String()
			for line := range strings.SplitSeq(log, "\n") {
				for _, private := range append(privateWords, privateDigits...) {
					if strings.Contains(line, private) {
						t.Errorf("log tells %q: %s", private, line)
						break
					}
				}
			}
			lines := requestLines(t, log, format)
			if len(lines) != sent {
				t.Errorf("%d access-log lines for %d requests", len(lines), sent)
			}
			for id := range ids {
				if n := strings.Count(strings.Join(lines, "\n"), id); n != 1 {
					t.Errorf("request %q is in the log %d times, want once", id, n)
				}
			}
		})
	}
}

// requestLines returns the lines of the access log but for those of the start,
// and checks the form of all.
func requestLines(t *testing.T, log, format string) []string {
	t.Helper()
	var lines []string
	if format == "text" {
		broken := false
		for line := range strings.SplitSeq(log, "\n") {
			if strings.Contains(line, "request_id=") && !strings.Contains(line, "/readyz") {
				lines = append(lines, line)
			}
			if !broken && strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == '\uFFFD' }) {
				t.Errorf("control characters in log line %q", line)
				broken = true
			}
		}
		return lines
	}
	for _, line := range decodeLog(t, log) {
		if line["message"] != "request" || line["route"] == "/readyz" {
			continue
		}
		for _, field := range []string{"request_id", "route", "method", "status", "bytes", "dur_ms", "time", "level"} {
			if _, there := line[field]; !there {
				t.Errorf("log line %v has no %s", line, field)
			}
		}
		lines = append(lines, fmt.Sprint(line))
	}
	return lines
}

// TestUnusualRequests sends what net/http itself turns away: there is an
// answer, and the log stays whole.
func TestUnusualRequests(t *testing.T) {
	t.Parallel()
	g := start(t, settings())
	for _, r := range []struct {
		name, method, target string
		header               []string
	}{
		{"control character in a header", "GET", "/healthz", []string{"User-Agent: a\x01b"}},
		{"bare CR in a header", "GET", "/healthz", []string{"User-Agent: a\rb"}},
		{"space in the target", "GET", "/search?q=a b", nil},
		{"control character in the target", "GET", "/search?q=a\x01b", nil},
		{"malformed method", "G@T", "/", nil},
		{"large header", "GET", "/healthz", []string{"X-Large: " + strings.Repeat("x", 32<<10)}},
	} {
		t.Run(r.name, func(t *testing.T) {
			if a := g.sendRaw(t, r.method, r.target, r.header...); a.Status/100 != 4 {
				t.Errorf("answer is %s, want a refusal", a)
			}
		})
	}
	g.stop(t)
	decodeLog(t, g.Stderr.String())
}
