package e2e

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"geogate/internal/basemap/basemaptest"
)

const (
	mapDrawn   = "return !!window.geogateMap"
	mapNote    = "return document.querySelector('.note')?.textContent ?? ''"
	mapCredits = "return document.querySelector('.maplibregl-ctrl-attrib')?.textContent ?? ''"
	// otherHosts are those that the page has asked, but for its own. It asks for tiles of a
	// map in a worker, which the page sees nothing of.
	otherHosts = "return [...new Set(performance.getEntriesByType('resource').map(e => new URL(e.name)).filter(u => /^http/.test(u.protocol)).map(u => u.origin))].filter(o => o !== location.origin).join()"
)

// showMapStyle draws an operator's style, whose tiles are on a host of their own, and the
// built-in map when these tiles fail.
func showMapStyle(t *testing.T, b *browser) {
	t.Helper()
	var failing atomic.Bool
	var asked atomic.Int64
	var tile bytes.Buffer
	if err := png.Encode(&tile, image.NewGray(image.Rect(0, 0, 256, 256))); err != nil {
		t.Fatal(err)
	}
	tiles := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if failing.Load() {
			http.Error(w, "full", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(tile.Bytes())
	}))
	defer tiles.Close()
	styles := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"version": 8, "sources": {"own": {"type": "raster", "tiles": ["` + tiles.URL + `/{z}/{x}/{y}.png"], "attribution": "Our <b>own</b> town"}},
			"layers": [{"id": "own", "type": "raster", "source": "own"}]}`))
	}))
	defer styles.Close()
	g := start(t, settings("MAP_STYLE_URL", styles.URL+"/style.json?key=s3cret"))
	broken := start(t, settings("MAP_STYLE_URL", "http://127.0.0.1:9/style.json?key=s3cret"))
	defer b.leave(t)

	b.do(t, "/url", map[string]string{"url": g.URL + "/console/#/map"})
	b.within(t, "the map is drawn", mapDrawn, "true")
	b.within(t, "it says whose it is", mapCredits, "Our own town")
	b.within(t, "nothing is wrong with it", mapNote, "")
	if asked.Load() == 0 {
		t.Error("no tile was asked for")
	}
	if others := b.run(t, otherHosts); others != "" && others != tiles.URL {
		t.Errorf("the page asked %s", others)
	}
	b.checkConsole(t)

	failing.Store(true)
	b.do(t, "/refresh", map[string]any{})
	b.within(t, "tiles that fail are told of", mapNote, "The built-in map: your map style cannot be drawn: one of its servers answers 500")
	b.within(t, "the built-in map takes their place", mapCredits, "Outlines: Natural Earth | Places: GeoNames, CC BY 4.0")
	b.within(t, "drivers are drawn on it", "return !!window.geogateMap.map.getLayer('geogate drivers')", "true")
	b.leave(t) // the browser tells of each tile

	b.do(t, "/url", map[string]string{"url": broken.URL + "/console/#/map"})
	b.within(t, "a style that cannot be read is told of", mapNote, "The built-in map: the map style at 127.0.0.1:9 cannot be read: no connection.")
	b.within(t, "the built-in map is drawn", mapDrawn, "true")
	b.checkConsole(t)
	if strings.Contains(broken.Stderr.String(), "s3cret") {
		t.Error("the log shows the key of the style")
	}
}

// showMapTiles draws the tiles in a file, a region, and a driver whose shift an operator ends.
func showMapTiles(t *testing.T, b *browser) {
	t.Helper()
	region := writeFile(t, "regions.geojson", `{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"vaduz"},
		"geometry":{"type":"Polygon","coordinates":[[[9.4,47],[9.7,47],[9.7,47.3],[9.4,47.3],[9.4,47]]]}}]}`)
	g := start(t, settings("MAP_PMTILES", basemaptest.Write(t, basemaptest.Archive()), "REGIONS_FILE", region))
	defer b.leave(t)
	b.do(t, "/url", map[string]string{"url": g.URL + "/console/#/map"})
	b.within(t, "the map is drawn", mapDrawn, "true")
	b.within(t, "the water of the tile is on it", "return window.geogateMap.map.queryRenderedFeatures({ layers: ['water water'] }).length > 0", "true")
	b.within(t, "it says whose it is", mapCredits, "Outlines: Natural Earth | Places: GeoNames, CC BY 4.0 | © Makersx")
	if res := g.post(t, "/tracking", `{"id":"7","lat":47.14,"lng":9.52}`); res.Status != http.StatusOK {
		t.Fatalf("a position: %s", res)
	}
	b.within(t, "the driver is listed", "return document.querySelector('[data-key=\"driver 7\"]')?.textContent ?? ''", "7available")
	b.click(t, `[data-key="driver 7"] button`)
	b.within(t, "the region is drawn around them", "return window.geogateMap.map.queryRenderedFeatures({ layers: ['geogate regions'] }).map(f => f.properties.name)[0] ?? ''", "vaduz")
	b.within(t, "what may be done is shown", "return [...document.querySelectorAll('[aria-label=Details] .row button')].map(b => b.textContent).join()", "✕,Take off shift,Erase this driver")
	b.run(t, "[...document.querySelectorAll('[aria-label=Details] button')].find(b => b.textContent === 'Take off shift').focus()")
	b.press(t, "\ue007") // Enter
	b.within(t, "it is asked about", "return document.querySelector('dialog[open] p')?.textContent ?? ''", "End this driver's shift? They get no rides until they go online again.")
	b.run(t, "document.querySelector('dialog .primary').focus()")
	b.press(t, "\ue007")
	b.within(t, "the driver leaves the map", "return window.geogateMap.fleet.drivers.size", "0")
	b.within(t, "no other host is asked", otherHosts, "")
	b.checkConsole(t)
}
