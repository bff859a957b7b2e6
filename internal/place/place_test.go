package place

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"geogate/internal/geo"
)

// vaduz is a place of a geocoder that has no OpenStreetMap ids.
var vaduz = Place{
	ID: 3042030, Point: geo.Point{Lat: 47.14151, Lon: 9.52154},
	Category: "place", Type: "town", PlaceRank: 18, AddressRank: 16, Importance: 0.25, AddressType: "town",
	Name: "Vaduz", DisplayName: "Vaduz, Liechtenstein",
	Address: []AddressLine{
		{Label: "town", Name: "Vaduz", Rank: 16, Self: true},
		{Label: "country", Name: "Liechtenstein", Rank: 4},
	},
	CountryCode: "li",
	NameDetails: []Tag{{"name", "Vaduz"}},
	Box:         Box{47.1, 47.2, 9.4, 9.6},
}

var geonames = Options{
	Attribution:    Attribution{Text: "Data from GeoNames", Licence: "CC BY 4.0"},
	Time:           time.Date(2026, 11, 21, 1, 42, 28, 0, time.FixedZone("CET", 3600)),
	AddressDetails: true,
}

func TestRenderOne(t *testing.T) {
	tests := []struct {
		name   string
		format Format
		place  *Place
		query  string
		want   string
	}{
		{"nothing in json", JSON, nil, "", `{"error":"Unable to geocode"}`},
		{"nothing in geojson", GeoJSON, nil, "", `{"error":"Unable to geocode"}`},
		{"nothing in geocodejson", GeocodeJSON, nil, "", `{"error":"Unable to geocode"}`},
		{"nothing in xml", XML, nil, "lat=0.0&lon=-30.0&format=xml", `<?xml version="1.0" encoding="UTF-8" ?>
<reversegeocode timestamp="Sat, 21 Nov 2026 00:42:28 +00:00" attribution="Data from GeoNames" ` +
			`querystring="lat=0.0&amp;lon=-30.0&amp;format=xml"><error>Unable to geocode</error></reversegeocode>`},
		{"xml", XML, &vaduz, "", `<?xml version="1.0" encoding="UTF-8" ?>
<reversegeocode timestamp="Sat, 21 Nov 2026 00:42:28 +00:00" attribution="Data from GeoNames" querystring="">` +
			`<result place_id="3042030" ref="Vaduz" lat="47.1415100" lon="9.5215400" ` +
			`boundingbox="47.1000000,47.2000000,9.4000000,9.6000000" place_rank="18" address_rank="16">Vaduz, Liechtenstein</result>` +
			`<addressparts><town>Vaduz</town><country>Liechtenstein</country><country_code>li</country_code></addressparts></reversegeocode>`},
		{"jsonv2 without OpenStreetMap ids", JSONV2, &vaduz, "", `{"place_id":3042030,"licence":"Data from GeoNames",` +
			`"lat":"47.1415100","lon":"9.5215400","category":"place","type":"town","place_rank":18,"importance":0.25,` +
			`"addresstype":"town","name":"Vaduz","display_name":"Vaduz, Liechtenstein",` +
			`"address":{"town":"Vaduz","country":"Liechtenstein","country_code":"li"},` +
			`"boundingbox":["47.1000000","47.2000000","9.4000000","9.6000000"]}`},
		{"geocodejson names itself once", GeocodeJSON, &vaduz, "", `{"type":"FeatureCollection","geocoding":{"version":"0.1.0",` +
			`"attribution":"Data from GeoNames","licence":"CC BY 4.0","query":""},"features":[{"type":"Feature","properties":{"geocoding":` +
			`{"place_id":3042030,"osm_key":"place","osm_value":"town","type":"city","label":"Vaduz, Liechtenstein","name":"Vaduz",` +
			`"country":"Liechtenstein","country_code":"li","admin":{}}},"geometry":{"type": "Point","coordinates": [9.52154, 47.14151]}}]}`},
		{"a place that says next to nothing", JSON, &Place{Point: geo.Point{Lat: -0.00000001, Lon: 180}}, "",
			`{"licence":"Data from GeoNames","lat":"0.0000000","lon":"180.0000000","name":"","display_name":"","address":{}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := geonames
			o.Query = tt.query
			contentType, body := RenderOne(tt.format, tt.place, o)
			if string(body) != tt.want {
				t.Errorf("RenderOne(%q) =\n     %s\nwant %s", tt.format, body, tt.want)
			}
			if want := tt.format.ContentType(); contentType != want {
				t.Errorf("RenderOne(%q) content type = %q, want %q", tt.format, contentType, want)
			}
		})
	}
}

func TestRenderAwkwardText(t *testing.T) {
	texts := map[string]string{
		"markup":           `<b a="1">&amp;</b>`,
		"quotes":           `say "it's"`,
		"NUL":              "Vaduz\x00x",
		"control":          "bell\x07 escape\x1b",
		"lines and tabs":   "a\r\nb\tc",
		"invalid UTF-8":    "\xff\xfe",
		"every plane":      "北京 Москва القاهرة 🏙",
		"script separator": "a\u2028b",
		"noncharacter":     "\uFFFF",
	}
	for name, text := range texts {
		for _, f := range Formats() {
			t.Run(name+" in "+string(f), func(t *testing.T) {
				p := vaduz
				p.Name, p.DisplayName = text, text
				p.ExtraTags = []Tag{{text, text}}
				p.NameDetails = []Tag{{text, text}}
				p.Address = []AddressLine{{Label: text, Name: text, Rank: 16}}
				o := Options{Query: text, AddressDetails: true, ExtraTags: true, NameDetails: true, Entrances: true}
				_, list := RenderList(f, []Place{p, p}, o)
				_, one := RenderOne(f, &p, o)
				_, refusal := RenderError(f, 400, text)
				for _, body := range [][]byte{list, one, refusal} {
					if f == XML {
						checkXML(t, body)
					} else if !json.Valid(body) {
						t.Errorf("not JSON: %s", body)
					}
				}
			})
		}
	}
}

func checkXML(t *testing.T, body []byte) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(body)))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("not XML: %v\n%q", err, body)
			return
		}
	}
}

func TestRenderDetails(t *testing.T) {
	p := vaduz
	p.OSMType, p.OSMID = "relation", 48
	p.Geometry.GeoJSON = `{"type":"Polygon","coordinates":[]}`
	_, body := RenderDetails(p, geonames)
	want := `{"place_id":3042030,"osm_type":"R","osm_id":48,"category":"place","type":"town","localname":"Vaduz",` +
		`"names":{"name": "Vaduz"},"addresstags":{},"country_code":"li","importance":0.25,"calculated_importance":0.25,` +
		`"extratags":{},"rank_address":16,"rank_search":18,"isarea":true,` +
		`"centroid":{"type": "Point","coordinates": [9.52154, 47.14151]},"geometry":{"type":"Polygon","coordinates":[]},` +
		`"licence":"Data from GeoNames","address":[{"localname":"Vaduz","type":"town","rank_address":16,"isaddress":true},` +
		`{"localname":"Liechtenstein","type":"country","rank_address":4,"isaddress":true}]}`
	if string(body) != want {
		t.Errorf("RenderDetails() =\n     %s\nwant %s", body, want)
	}
}

func TestUnknownFormatRendersAsTheDefault(t *testing.T) {
	_, got := RenderList("yaml", []Place{vaduz}, geonames)
	_, want := RenderList(JSONV2, []Place{vaduz}, geonames)
	if string(got) != string(want) {
		t.Errorf("RenderList(yaml) = %s, want %s", got, want)
	}
	for f, want := range map[Format]bool{JSON: true, XML: true, Text: false, "JSON": false, "": false} {
		if got := f.Known(); got != want {
			t.Errorf("Format(%q).Known() = %t, want %t", f, got, want)
		}
	}
}

func TestFloat(t *testing.T) {
	tests := map[float64]string{
		0.18667666666666663: "0.18667666666666663", 9.99999999995449e-06: "9.99999999995449e-06",
		1: "1.0", -30: "-30.0", 0.0001: "0.0001", 0.00001: "1e-05", 1e16: "1e+16", 0: "0.0",
	}
	for v, want := range tests {
		if got := float(v); got != want {
			t.Errorf("float(%v) = %q, want %q", v, got, want)
		}
	}
}

// TestStringsAreThoseOfTheEncoder compares strings with those of encoding/json.
func TestStringsAreThoseOfTheEncoder(t *testing.T) {
	for _, s := range []string{
		"", "Rue de l'Église", "北京市", "Straße <b> & 'x'", "a\"b", `a\b`, "tab\there", "line\nbreak", "\x00", "\x7f", "\x1f",
		"\u2028", "\u2029", "bad \xff utf8", "cut \xe2\x82", "\ufffd", "😀 𝒳", "a\u0300",
	} {
		var want strings.Builder
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(s); err != nil {
			t.Fatal(err)
		}
		var w writer
		if w.string(s); string(w.buf)+"\n" != want.String() {
			t.Errorf("string(%q) = %s, want %s", s, w.buf, want.String())
		}
	}
}
