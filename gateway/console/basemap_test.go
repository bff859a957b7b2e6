package console_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/basemap"
	"geogate/internal/basemap/basemaptest"
)

// The page may ask the hosts that the style names, its worker too, and no others.
func TestStyleOpensThePolicy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"version": 8, "layers": [], "sources": {"s": {"type": "raster", "tiles": ["https://tiles.example.org/{z}/{x}/{y}.png"]}}}`))
	}))
	defer server.Close()
	styles := basemap.NewStyles(server.URL, "geogate/test", zerolog.Nop())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- styles.Run(ctx) }()
	defer func() { cancel(); <-ended }()

	f := gatewaytest.New(t, func(c *gateway.Config) { c.MapStyle = styles })
	for _, path := range []string{"/console/", "/console/vendor/maplibre-gl-worker.mjs"} {
		csp := f.Do(t, "GET "+path, "").Header.Get("Content-Security-Policy")
		for _, want := range []string{"connect-src 'self' https://tiles.example.org;", "img-src 'self' data: blob: https://tiles.example.org;", "script-src 'self';", "default-src 'none';"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy %q lacks %q", path, csp, want)
			}
		}
	}
	if res := f.Do(t, "GET /console/basemap", ""); res.StatusCode != 200 || !strings.Contains(res.Text, `"https://tiles.example.org/{z}/{x}/{y}.png"`) {
		t.Errorf("/console/basemap: %d %s", res.StatusCode, res.Text)
	}
	if res := f.Do(t, "GET /console/basemap?style=x", ""); res.StatusCode != 400 {
		t.Errorf("a parameter: %d", res.StatusCode)
	}
}

// Without a style of the operator the map is the built-in one; where theirs cannot be
// read, the page hears why.
func TestBasemapWithoutStyle(t *testing.T) {
	f := gatewaytest.New(t)
	if res := f.Do(t, "GET /console/basemap", ""); res.StatusCode != 200 || strings.TrimSpace(res.Text) != "{}" {
		t.Errorf("nothing set: %d %s", res.StatusCode, res.Text)
	}
	if res := f.Do(t, "GET /console/tiles.pmtiles", "", "Range: bytes=0-9"); res.StatusCode != 404 {
		t.Errorf("no archive: %d", res.StatusCode)
	}
	styles := basemap.NewStyles("http://127.0.0.1:9/style.json?key=s3cret", "geogate/test", zerolog.Nop())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- styles.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	broken := f.Sibling(t, func(c *gateway.Config) { c.MapStyle = styles })
	const want = `{"problem":"the map style at 127.0.0.1:9 cannot be read: no connection"}`
	if res := broken.Do(t, "GET /console/basemap", ""); strings.TrimSpace(res.Text) != want {
		t.Errorf("/console/basemap: %s, want %s", res.Text, want)
	}
	if csp := broken.Do(t, "GET /console/", "").Header.Get("Content-Security-Policy"); !strings.Contains(csp, "connect-src 'self';") {
		t.Errorf("the policy is %q", csp)
	}
}

func TestTilesComeInPieces(t *testing.T) {
	content := basemaptest.Archive()
	archive, err := basemap.OpenArchive(basemaptest.Write(t, content))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	f := gatewaytest.New(t, func(c *gateway.Config) { c.MapTiles = archive })
	if res := f.Do(t, "GET /console/basemap", ""); !strings.Contains(res.Text, `"layers":["water"]`) {
		t.Errorf("/console/basemap: %s", res.Text)
	}
	for _, tt := range []struct {
		asked  string
		status int
		want   string
	}{
		{"bytes=0-6", 206, "PMTiles"},
		{"bytes=0-16383", 206, string(content)},
		{"bytes=0-8388607", 206, string(content)},
		{"bytes=0-8388608", 416, ""},
		{"bytes=100000-100001", 416, ""},
		{"bytes=5-4", 416, ""},
		{"bytes=0-", 416, ""},
		{"bytes=-5", 416, ""},
		{"bytes=0-1,3-4", 416, ""},
		{"bytes=0-18446744073709551615", 416, ""},
		{"tiles=0-1", 416, ""},
		{"0-1", 416, ""},
		{"", 416, ""},
	} {
		res := f.Do(t, "GET /console/tiles.pmtiles", "", "Range: "+tt.asked)
		if res.StatusCode != tt.status || tt.want != "" && res.Text != tt.want {
			t.Errorf("Range: %s: %d with %d bytes, want %d with %d", tt.asked, res.StatusCode, len(res.Text), tt.status, len(tt.want))
		}
		if tt.want != "" && res.Header.Get("ETag") == "" {
			t.Errorf("Range: %s: no ETag, by which browsers notice another file", tt.asked)
		}
	}
}
