package geocoding_test

import (
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/upstream/upstreamtest"
)

func TestGzip(t *testing.T) {
	f := gatewaytest.New(t)
	body := `[{"place_id":1,"display_name":"` + strings.Repeat("Vaduz, Liechtenstein ", 100) + `"}]`
	f.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json; charset=utf-8", Body: body})
	plain := f.Do(t, "GET /search?q=ruggell", "")
	zipped := f.Do(t, "GET /search?q=ruggell", "", "Accept-Encoding: br, gzip;q=0.5")
	if zipped.Header.Get("Content-Encoding") != "gzip" || len(zipped.Text) >= len(body) || zipped.Header.Get("ETag") == plain.Header.Get("ETag") {
		t.Errorf("Content-Encoding %q, %d bytes, ETag %s", zipped.Header.Get("Content-Encoding"), len(zipped.Text), zipped.Header.Get("ETag"))
	}
	z, err := gzip.NewReader(strings.NewReader(zipped.Text))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != body || plain.Text != body {
		t.Errorf("unzipped %q, %v", got, err)
	}
	for _, header := range []string{"Accept-Encoding: identity", "Accept-Encoding: gzip;q=0", ""} {
		if got := f.Do(t, "GET /search?q=ruggell", "", header); got.Text != body {
			t.Errorf("%q got another body", header)
		}
	}
	etag := zipped.Header.Get("ETag")
	if got := f.Do(t, "GET /search?q=ruggell", "", "Accept-Encoding: gzip", "If-None-Match: "+etag); got.StatusCode != 304 || got.Header.Get("Content-Encoding") != "" {
		t.Errorf("revalidation of the zipped answer: %d", got.StatusCode)
	}
}

func TestReverseCells(t *testing.T) {
	f := gatewaytest.New(t, func(c *gateway.Config) {
		c.ReverseCells = []gateway.Cell{{MinZoom: 10, Metres: 500}, {MinZoom: 18, Metres: 30}}
	})
	f.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json; charset=utf-8", Body: `{"place_id":1}`})
	first := f.Do(t, "GET /reverse?lat=47.20001&lon=9.50001&format=jsonv2", "")
	near := f.Do(t, "GET /reverse?lat=47.20002&lon=9.50002&format=jsonv2", "")
	if cell := first.Header.Get("X-Cache-Cell"); !strings.HasSuffix(cell, ";metres=30") || near.Header.Get("X-Cache-Cell") != cell {
		t.Errorf("cells %q and %q", cell, near.Header.Get("X-Cache-Cell"))
	}
	if f.Upstream.Calls() != 1 || near.Header.Get("X-Cache") != "HIT" {
		t.Errorf("a neighbour within the cell: %d calls, %s", f.Upstream.Calls(), near.Header.Get("X-Cache"))
	}
	if got := f.Do(t, "GET /reverse?lat=47.20001&lon=9.50001&format=jsonv2&zoom=5", ""); got.Header.Get("X-Cache-Cell") != "" {
		t.Errorf("a zoom without cells has the cell %q", got.Header.Get("X-Cache-Cell"))
	}
	for _, query := range []string{"lat=abc&lon=1", "lat=89.9&lon=1", "lat=1", "lat=1&lon=1&zoom=x"} {
		if got := f.Do(t, "GET /reverse?format=jsonv2&"+query, ""); got.Header.Get("X-Cache-Cell") != "" {
			t.Errorf("%s has the cell %q", query, got.Header.Get("X-Cache-Cell"))
		}
	}
}
