package gateway

import (
	"compress/gzip"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"geogate/internal/geo"
	"geogate/upstream/upstreamtest"
)

const asAdmin = "Authorization: Bearer s3cret"

func withAdmin(c *Config) { c.AdminToken = "s3cret" }

func TestExplain(t *testing.T) {
	f := newFixture(t, withAdmin)
	var before, after explanation
	const asked = "GET /admin/explain?q=++VADUZ&format=jsonv2"
	f.do(t, asked, "", asAdmin).json(t, &before)
	if before.Cached != nil || f.upstream.Calls() != 0 || before.Provider != "recorded" || !before.Policy.Allowed {
		t.Errorf("before: %+v, %d upstream calls", before, f.upstream.Calls())
	}
	f.do(t, "GET "+vaduz, "")
	f.do(t, asked, "", asAdmin).json(t, &after)
	if after.Cached == nil || after.Key != before.Key || after.Cached.Outcome != "found" || after.Cached.Class != "HIT" {
		t.Errorf("after: %+v, want it cached under the key %q", after, before.Key)
	}
	if got := f.do(t, "GET /admin/explain?q=a&endpoint=nowhere", "", asAdmin); got.StatusCode != 400 {
		t.Errorf("unknown endpoint: %d", got.StatusCode)
	}
}

func TestPurge(t *testing.T) {
	f := newFixture(t, withAdmin)
	other := f.sibling(t, withAdmin)
	var known explanation
	f.do(t, "GET /admin/explain?q=vaduz&format=jsonv2", "", asAdmin).json(t, &known)
	tests := []struct {
		name, order string
		status      int
		gone        bool
	}{
		{"by key", `{"key":` + strconv.Quote(known.Key) + `}`, 204, true},
		{"by query", `{"query":"/search?format=jsonv2&q=Vaduz"}`, 204, true},
		{"by provider", `{"provider":"recorded"}`, 204, true},
		{"by outcome", `{"outcome":"found"}`, 204, true},
		{"all", `{"all":true}`, 204, true},
		{"another key", `{"key":"x"}`, 204, false},
		{"another provider", `{"provider":"x"}`, 204, false},
		{"another outcome", `{"outcome":"empty"}`, 204, false},
		{"nothing", `{}`, 400, false},
		{"two things", `{"all":true,"key":"x"}`, 400, false},
		{"no outcome", `{"outcome":"lost"}`, 400, false},
		{"no query", `{"query":"Vaduz"}`, 400, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.do(t, "GET "+vaduz, "")
			other.do(t, "GET "+vaduz, "")
			if got := f.do(t, "POST /admin/purge", tt.order, asAdmin); got.StatusCode != tt.status {
				t.Fatalf("purge: %d %s, want %d", got.StatusCode, got.body, tt.status)
			}
			for name, g := range map[string]*fixture{"this": f, "the other": other} {
				got := g.do(t, "GET "+vaduz, "", "Cache-Control: only-if-cached")
				// The other process learns of it within a second.
				deadline := time.Now().Add(time.Second)
				for tt.gone && got.StatusCode == 200 && time.Now().Before(deadline) {
					got = g.do(t, "GET "+vaduz, "", "Cache-Control: only-if-cached")
				}
				if gone := got.StatusCode == 504; gone != tt.gone {
					t.Errorf("in %s process: gone is %t, want %t", name, gone, tt.gone)
				}
			}
		})
	}
}

func TestStats(t *testing.T) {
	f := newFixture(t, withAdmin)
	for range 3 {
		f.do(t, "GET "+vaduz, "")
	}
	var stats cacheStats
	f.do(t, "GET /admin/stats", "", asAdmin).json(t, &stats)
	if stats.Misses != 1 || stats.Hits["memory"] != 2 || len(stats.TopKeys) != 1 || stats.TopKeys[0].Hits != 2 {
		t.Errorf("stats %+v, want one miss and two hits of one key", stats)
	}
	if p := stats.Providers["recorded"]; p.CallsSpent != 1 || p.CallsAvoided != 2 || p.Calls["found"] != 1 {
		t.Errorf("provider %+v, want one call spent and two avoided", p)
	}
}

// What one geogate exports warms the cache of another.
func TestExportAndImport(t *testing.T) {
	f := newFixture(t, withAdmin)
	f.do(t, "GET "+vaduz, "")
	f.do(t, "GET /search?q=Monaco&format=jsonv2&countrycodes=li", "")
	export := f.do(t, "GET /admin/export", "", asAdmin)
	if lines := strings.Count(export.body, "\n"); lines != 3 || !strings.HasSuffix(export.body, "{\"exported\":2,\"withheld\":0}\n") {
		t.Fatalf("export of %d lines: %s", lines, export.body)
	}
	f.flush(t)
	fresh := f.sibling(t, withAdmin)
	if got := fresh.do(t, "POST /admin/import", export.body, asAdmin); strings.TrimSpace(got.body) != `{"imported":2,"skipped":0}` {
		t.Errorf("import: %d %s", got.StatusCode, got.body)
	}
	if got := fresh.do(t, "POST /admin/import", export.body, asAdmin); strings.TrimSpace(got.body) != `{"imported":0,"skipped":2}` {
		t.Errorf("import again: %d %s", got.StatusCode, got.body)
	}
	calls := f.upstream.Calls()
	if got := fresh.do(t, "GET "+vaduz, ""); got.Header.Get("X-Cache") != "HIT" || f.upstream.Calls() != calls {
		t.Errorf("after the import: %s", got.Header.Get("X-Cache"))
	}
	for name, body := range map[string]string{"no JSON": "x", "unknown field": `{"kee":1}`, "no key": `{"key":""}`} {
		got := fresh.do(t, "POST /admin/import", body+"\n", asAdmin)
		if name != "no key" && got.StatusCode != 400 {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
		if name == "no key" && strings.TrimSpace(got.body) != `{"imported":0,"skipped":1}` {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
	}
}

func TestGzip(t *testing.T) {
	f := newFixture(t)
	body := `[{"place_id":1,"display_name":"` + strings.Repeat("Vaduz, Liechtenstein ", 100) + `"}]`
	f.upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json; charset=utf-8", Body: body})
	plain := f.do(t, "GET /search?q=ruggell", "")
	zipped := f.do(t, "GET /search?q=ruggell", "", "Accept-Encoding: br, gzip;q=0.5")
	if zipped.Header.Get("Content-Encoding") != "gzip" || len(zipped.body) >= len(body) || zipped.Header.Get("ETag") == plain.Header.Get("ETag") {
		t.Errorf("Content-Encoding %q, %d bytes, ETag %s", zipped.Header.Get("Content-Encoding"), len(zipped.body), zipped.Header.Get("ETag"))
	}
	z, err := gzip.NewReader(strings.NewReader(zipped.body))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != body || plain.body != body {
		t.Errorf("unzipped %q, %v", got, err)
	}
	for _, header := range []string{"Accept-Encoding: identity", "Accept-Encoding: gzip;q=0", ""} {
		if got := f.do(t, "GET /search?q=ruggell", "", header); got.body != body {
			t.Errorf("%q got another body", header)
		}
	}
	etag := zipped.Header.Get("ETag")
	if got := f.do(t, "GET /search?q=ruggell", "", "Accept-Encoding: gzip", "If-None-Match: "+etag); got.StatusCode != 304 || got.Header.Get("Content-Encoding") != "" {
		t.Errorf("revalidation of the zipped answer: %d", got.StatusCode)
	}
}

func TestReverseCells(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.ReverseCells = []Cell{{MinZoom: 10, Metres: 500}, {MinZoom: 18, Metres: 30}} })
	f.upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json; charset=utf-8", Body: `{"place_id":1}`})
	first := f.do(t, "GET /reverse?lat=47.20001&lon=9.50001&format=jsonv2", "")
	near := f.do(t, "GET /reverse?lat=47.20002&lon=9.50002&format=jsonv2", "")
	if cell := first.Header.Get("X-Cache-Cell"); !strings.HasSuffix(cell, ";metres=30") || near.Header.Get("X-Cache-Cell") != cell {
		t.Errorf("cells %q and %q", cell, near.Header.Get("X-Cache-Cell"))
	}
	if f.upstream.Calls() != 1 || near.Header.Get("X-Cache") != "HIT" {
		t.Errorf("a neighbour within the cell: %d calls, %s", f.upstream.Calls(), near.Header.Get("X-Cache"))
	}
	if got := f.do(t, "GET /reverse?lat=47.20001&lon=9.50001&format=jsonv2&zoom=5", ""); got.Header.Get("X-Cache-Cell") != "" {
		t.Errorf("a zoom without cells has the cell %q", got.Header.Get("X-Cache-Cell"))
	}
	for _, query := range []string{"lat=abc&lon=1", "lat=89.9&lon=1", "lat=1", "lat=1&lon=1&zoom=x"} {
		if got := f.do(t, "GET /reverse?format=jsonv2&"+query, ""); got.Header.Get("X-Cache-Cell") != "" {
			t.Errorf("%s has the cell %q", query, got.Header.Get("X-Cache-Cell"))
		}
	}
}

// The position that is asked never lies farther off than the option allows, and
// asking for the centre of a cell stays in it.
func TestCellsKeepTheirBounds(t *testing.T) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, seed))
	for range 20_000 {
		p := geo.Point{Lat: rng.Float64()*2*maxCellLatitude - maxCellLatitude, Lon: rng.Float64()*360 - 180}
		metres := math.Exp(rng.Float64() * math.Log(10_000))
		centre := cellCentre(p, metres)
		if d := geo.Distance(p, centre); d > metres*0.72 {
			t.Fatalf("seed %d: %v was moved %.1f m in a cell of %.1f m", seed, p, d, metres)
		}
		cells := []Cell{{0, metres}}
		query := url.Values{"lat": {strconv.FormatFloat(p.Lat, 'f', 7, 64)}, "lon": {strconv.FormatFloat(p.Lon, 'f', 7, 64)}}
		if once := snap(cells, query); snap(cells, query) != once {
			t.Fatalf("seed %d: %v is not stable in cells of %.1f m", seed, p, metres)
		}
	}
}

func TestTypingIsRecognised(t *testing.T) {
	client := netip.MustParseAddr("192.0.2.1")
	tests := []struct {
		name    string
		queries []string
		pause   time.Duration
		want    bool
	}{
		{"letter by letter", []string{"v", "va", "vad", "vadu"}, 200 * time.Millisecond, true},
		{"in any case", []string{"V", "va", "VAD", "vadu"}, 200 * time.Millisecond, true},
		{"slowly", []string{"v", "va", "vad", "vadu"}, 3 * time.Second, false},
		{"one search after the other", []string{"vaduz", "schaan", "ruggell", "balzers"}, 200 * time.Millisecond, false},
		{"one correction", []string{"vaduz", "vaduz l"}, 200 * time.Millisecond, false},
		{"the same again and again", []string{"vaduz", "vaduz", "vaduz", "vaduz", "vaduz"}, 200 * time.Millisecond, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var typists typing
			now, got := time.Now(), false
			for _, q := range tt.queries {
				got = typists.watch(client, q, now)
				now = now.Add(tt.pause)
			}
			if got != tt.want {
				t.Errorf("recognised %t, want %t", got, tt.want)
			}
		})
	}
}

func TestTypingHasBoundedMemory(t *testing.T) {
	var typists typing
	now := time.Now()
	for i := range maxTypists + 100 {
		typists.watch(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "a", now)
	}
	if n := len(typists.clients); n > maxTypists {
		t.Errorf("%d series are watched, want at most %d", n, maxTypists)
	}
	typists.watch(netip.MustParseAddr("192.0.2.1"), "a", now.Add(time.Minute))
	if n := len(typists.clients); n != 1 {
		t.Errorf("%d series after all are over, want 1", n)
	}
}
