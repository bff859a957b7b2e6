package basemap_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"geogate/internal/basemap"
)

// serve answers each path with its text; "{host}" is the server itself.
func serve(t *testing.T, texts map[string]string) *httptest.Server {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, found := texts[r.URL.RequestURI()]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(strings.ReplaceAll(text, "{host}", strings.TrimPrefix(server.URL, "http://"))))
	}))
	t.Cleanup(server.Close)
	return server
}

func read(t *testing.T, address string) (basemap.Style, error) {
	t.Helper()
	return basemap.NewStyles(address, "geogate/test", zerolog.Nop()).Read(t.Context())
}

// A style comes out with addresses in full and with what its sources say of themselves,
// and names every host that a browser will ask.
func TestReadStyle(t *testing.T) {
	server := serve(t, map[string]string{
		"/styles/own.json?key=s3cret": `{
			"version": 8, "name": "Own", "projection": {"type": "globe"}, "font-faces": {"x": "https://fonts.example.org/x"},
			"sources": {
				"city": {"type": "vector", "url": "../city.json?key=s3cret", "maxzoom": 12},
				"hills": {"type": "raster", "tiles": ["https://Hills.example.org/{z}/{x}/{y}.png"], "attribution": "<a href='https://hills.example.org/' onmouseover=x()>Hills</a> &copy; <img src=https://spy.example.org/>"},
				"zones": {"type": "geojson", "data": "zones.json"},
				"point": {"type": "geojson", "data": {"type": "Point", "coordinates": [9, 47]}},
				"plan": {"type": "image", "url": "//plans.example.org:8443/plan.png", "coordinates": [[0,0],[1,0],[1,1],[0,1]]},
				"land": {"type": "vector", "url": "pmtiles://https://archive.example.org/land.pmtiles"}
			},
			"layers": [{"id": "ground", "type": "background"}],
			"glyphs": "https://fonts.example.net/{fontstack}/{range}.pbf",
			"sprite": [{"id": "default", "url": "sprite"}]
		}`,
		"/city.json?key=s3cret": `{"tilejson": "3.0.0", "tiles": ["https://a.tiles.example.com/{z}/{x}/{y}.pbf?key=s3cret"], "maxzoom": 14, "attribution": "City", "vector_layers": []}`,
	})
	style, err := read(t, server.URL+"/styles/own.json?key=s3cret")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		server.URL, "http://plans.example.org:8443", "https://a.tiles.example.com", "https://archive.example.org", "https://fonts.example.net", "https://hills.example.org",
	}
	if diff := cmp.Diff(want, style.Origins); diff != "" {
		t.Errorf("the origins (-want +got):\n%s", diff)
	}
	var got, wanted any
	if err := json.Unmarshal(style.Document, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(`{
		"version": 8, "name": "Own",
		"sources": {
			"city": {"type": "vector", "tiles": ["https://a.tiles.example.com/{z}/{x}/{y}.pbf?key=s3cret"], "maxzoom": 12, "attribution": "City"},
			"hills": {"type": "raster", "tiles": ["https://Hills.example.org/{z}/{x}/{y}.png"], "attribution": "<a href=\"https://hills.example.org/\" target=\"_blank\" rel=\"noopener\">Hills</a> © "},
			"zones": {"type": "geojson", "data": "{host}/styles/zones.json"},
			"point": {"type": "geojson", "data": {"type": "Point", "coordinates": [9, 47]}},
			"plan": {"type": "image", "url": "http://plans.example.org:8443/plan.png", "coordinates": [[0,0],[1,0],[1,1],[0,1]]},
			"land": {"type": "vector", "url": "pmtiles://https://archive.example.org/land.pmtiles"}
		},
		"layers": [{"id": "ground", "type": "background"}],
		"glyphs": "https://fonts.example.net/{fontstack}/{range}.pbf",
		"sprite": [{"id": "default", "url": "{host}/styles/sprite"}]
	}`, "{host}", server.URL)), &wanted); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("the style (-want +got):\n%s", diff)
	}
}

func TestReadStyleSaysWhatIsWrong(t *testing.T) {
	style := func(sources string) string { return `{"version": 8, "layers": [], "sources": {` + sources + `}}` }
	many := func(n int, form string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(form, i, i)
		}
		return strings.Join(list, ",")
	}
	const raster = `"s%d": {"type": "raster", "tiles": ["https://h%d.example.org/{z}/{x}/{y}"]}`
	foreign := serve(t, map[string]string{"/tiles.json": `{"tiles": ["https://example.org/{z}"]}`})
	texts := map[string]string{
		"/page":      "<html>",
		"/long":      `"` + strings.Repeat("x", 3<<20) + `"`,
		"/old":       `{"version": 7, "layers": [], "sources": {}}`,
		"/bare":      `{"version": 8}`,
		"/many":      style(many(33, raster)),
		"/hosts":     style(many(17, raster)),
		"/video":     style(`"v": {"type": "video", "urls": ["https://example.org/v.mp4"]}`),
		"/away":      style(`"v": {"type": "vector", "url": "gone.json"}`),
		"/text":      style(`"v": {"type": "vector", "url": "page"}`),
		"/foreign":   style(`"v": {"type": "vector", "url": "` + foreign.URL + `/tiles.json"}`),
		"/file":      style(`"v": {"type": "geojson", "data": "file:///etc/passwd"}`),
		"/user":      style(`"v": {"type": "geojson", "data": "https://user@example.org/"}`),
		"/policy":    style(`"v": {"type": "raster", "tiles": ["https://a.org;script-src/{z}"]}`),
		"/spaces":    style(`"v": {"type": "raster", "tiles": ["https://a.org *"]}`),
		"/templated": style(`"v": {"type": "raster", "tiles": ["https://{s}.example.org/{z}"]}`),
		"/tiles":     style(`"v": {"type": "raster", "tiles": "https://example.org/{z}"}`),
	}
	server := serve(t, texts)
	host := strings.TrimPrefix(server.URL, "http://")
	for path, want := range map[string]string{
		"/missing":   "cannot be read: the answer is 404",
		"/page":      "cannot be used: it is not JSON",
		"/long":      "cannot be read: the answer is longer than 2097152 bytes",
		"/old":       "cannot be used: it is not a style of version 8 with sources and layers",
		"/bare":      "cannot be used: it is not a style of version 8 with sources and layers",
		"/many":      "cannot be used: it has 33 sources, and may have 32",
		"/hosts":     "cannot be used: it names 17 hosts, and may name 16",
		"/video":     `cannot be used: source "v": the console draws no sources of type "video"`,
		"/away":      `cannot be used: source "v": the answer is 404`,
		"/text":      `cannot be used: source "v": what its url answers is not TileJSON`,
		"/foreign":   `cannot be used: source "v": its address is not public; only the host of the style may be private`,
		"/file":      `cannot be used: source "v": want addresses that begin with https:// or http:// and a name`,
		"/user":      `cannot be used: source "v": want addresses that begin with https:// or http:// and a name`,
		"/policy":    `cannot be used: source "v": want addresses that begin with https:// or http:// and a name`,
		"/spaces":    `cannot be used: source "v": want addresses that begin with https:// or http:// and a name`,
		"/templated": `cannot be used: source "v": want addresses that begin with https:// or http:// and a name`,
		"/tiles":     `cannot be used: source "v": its tiles are not a list of addresses`,
	} {
		_, err := read(t, server.URL+path)
		if want = "the map style at " + host + " " + want; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	if _, err := read(t, "http://127.0.0.1:9/style.json?key=s3cret"); err == nil || err.Error() != "the map style at 127.0.0.1:9 cannot be read: no connection" {
		t.Errorf("nobody there: %v", err)
	}
}

// Redirects are not followed: they would lead past the check of addresses.
func TestReadStyleFollowsNoRedirect(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("https://example.org/", http.StatusFound))
	defer server.Close()
	if _, err := read(t, server.URL); err == nil || !strings.HasSuffix(err.Error(), "the answer is 302") {
		t.Errorf("a redirect: %v", err)
	}
}

// Who asks for the style before it was read waits for it, and learns why there is none.
func TestCurrent(t *testing.T) {
	server := serve(t, map[string]string{"/": `{"version": 8, "sources": {"s": {"type": "raster", "tiles": ["{z}"]}}, "layers": []}`})
	for address, want := range map[string]string{server.URL + "/": "", server.URL + "/none": "the answer is 404"} {
		ctx, cancel := context.WithCancel(t.Context())
		styles := basemap.NewStyles(address, "geogate/test", zerolog.Nop())
		ended := make(chan error, 1)
		go func() { ended <- styles.Run(ctx) }()
		style, err := styles.Current(ctx)
		if want == "" && (err != nil || !strings.Contains(string(style.Document), `"attribution":"Map: `+styles.Host()+`"`)) {
			t.Errorf("Current: %v", err)
		}
		if want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("Current: %v, want %q", err, want)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := basemap.NewStyles(server.URL, "", zerolog.Nop()).Current(ctx); err == nil {
		t.Error("Current did not say that the style was not read")
	}
}

func TestCheckURL(t *testing.T) {
	for address, good := range map[string]bool{
		"https://tiles.example.org/style.json?key=s3cret": true, "http://localhost:8081/style.json": true,
		"tiles.example.org": false, "ftp://example.org/": false, "https://user:s3cret@example.org/": false, "https://": false, "/style.json": false,
	} {
		if err := basemap.CheckURL(address); (err == nil) != good || err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("CheckURL(%q) = %v", address, err)
		}
	}
}

// Whatever a style says, what it adds to a Content-Security-Policy is a list of origins,
// and no attribution holds more than text and links.
func FuzzStyle(f *testing.F) {
	f.Add("https://a.example.org/{z}", "<a href=x>y</a>")
	f.Add("//b; script-src *", "<img src=x onerror=y>")
	f.Add("https://[::1]/", "&lt;script&gt;<a href='https://x/\"><script>'>")
	origin := regexp.MustCompile(`^https?://[a-z0-9.-]+(:[0-9]+)?$`)
	markup := regexp.MustCompile(`<[^>]*>|[<>]`)
	link := regexp.MustCompile(`^<a href="https?://[^"<>]*" target="_blank" rel="noopener">$`)
	f.Fuzz(func(t *testing.T, tiles, attribution string) {
		text, err := json.Marshal(map[string]any{
			"version": 8, "layers": []any{},
			"sources": map[string]any{"s": map[string]any{"type": "raster", "tiles": []string{tiles}, "attribution": attribution}},
		})
		if err != nil {
			t.Skip("not a text")
		}
		style, err := basemap.ParseStyle("https://example.org/style.json", text)
		if err != nil {
			return
		}
		for _, o := range style.Origins {
			if !origin.MatchString(o) {
				t.Errorf("%q is allowed", o)
			}
		}
		var out struct {
			Sources struct{ S struct{ Attribution string } }
		}
		if err := json.Unmarshal(style.Document, &out); err != nil {
			t.Fatal(err)
		}
		for _, tag := range markup.FindAllString(out.Sources.S.Attribution, -1) {
			if tag != "</a>" && !link.MatchString(tag) {
				t.Errorf("the attribution has %q", tag)
			}
		}
	})
}
