package provider_test

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"geogate/internal/gazetteer"
	"geogate/upstream"
	"geogate/upstream/upstreamtest"
)

// gazetteerChain is what geogate runs on when nothing is configured.
func gazetteerChain(tb testing.TB) *upstream.Chain {
	tb.Helper()
	g, err := gazetteer.Load()
	if err != nil {
		tb.Fatal(err)
	}
	specs, err := upstream.ParseSpecs("gazetteer")
	if err != nil {
		tb.Fatal(err)
	}
	c, err := upstream.New(specs, upstream.Config{Gazetteer: upstream.NewGazetteer(g, "1.2.3")})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

func ask(tb testing.TB, c *upstream.Chain, r upstream.Request) upstream.Answer {
	tb.Helper()
	a, err := c.Geocode(tb.Context(), r, upstream.People)
	if err != nil {
		tb.Fatalf("Geocode(%q) = %v", r.Key(), err)
	}
	if a.Provider != "gazetteer" {
		tb.Errorf("Geocode(%q): provider %q, want gazetteer", r.Key(), a.Provider)
	}
	return a
}

// Every refusal that was recorded is refused in the same words, and every
// answer that was empty for a reason in the request is empty in the same form.
func TestGazetteerRefusesAsRecorded(t *testing.T) {
	c := gazetteerChain(t)
	refused, empty := 0, 0
	for _, rec := range upstreamtest.Recordings() {
		r, ok := rec.Canonical()
		if !ok {
			continue
		}
		contentType, body := rec.Unwrapped()
		want := upstream.Answer{Status: rec.Status, ContentType: contentType, Outcome: upstream.Refused}
		switch {
		case rec.Status == 400 || rec.Status == 404:
			refused++
		case body == "[]" || body == `{"error":"Unable to geocode"}`:
			if strings.Contains(rec.URL, "lat=-90") || strings.Contains(rec.URL, "featureType=state") {
				continue // the recorded database did not hold Antarctica, nor Vaduz as a state, as GeoNames does
			}
			want.Outcome = upstream.Empty
			empty++
		default:
			continue
		}
		a := ask(t, c, r)
		got := upstream.Answer{Status: a.Status, ContentType: a.ContentType, Outcome: a.Outcome}
		if diff := cmp.Diff(want, got); diff != "" || string(a.Body) != body {
			t.Errorf("%s: differs: %s\n got %.500s\nwant %s", rec.URL, diff, a.Body, body)
		}
	}
	if refused < 25 || empty < 20 {
		t.Errorf("%d refusals and %d empty answers: the selection is broken", refused, empty)
	}
}

// Every recorded request gets a well-formed answer of the content type that
// Nominatim gave, whatever the gazetteer knows of its subject.
func TestGazetteerAnswersEveryRecordedRequest(t *testing.T) {
	c := gazetteerChain(t)
	for _, rec := range upstreamtest.Recordings() {
		r, ok := rec.Canonical()
		if !ok || rec.Status != 200 || rec.Group == "details" || rec.Group == "paths" {
			continue
		}
		contentType, _ := rec.Unwrapped()
		a := ask(t, c, r)
		if a.Status != 200 || a.ContentType != contentType {
			t.Errorf("%s: %d %s, want 200 %s", rec.URL, a.Status, a.ContentType, contentType)
		}
		switch {
		case strings.HasPrefix(contentType, "text/xml"):
			if err := xml.Unmarshal(a.Body, new(struct{})); err != nil {
				t.Errorf("%s: %v", rec.URL, err)
			}
		case strings.HasPrefix(contentType, "application/json") && !json.Valid(a.Body):
			t.Errorf("%s: not JSON: %s", rec.URL, a.Body)
		}
		if a.Outcome == upstream.Found && rec.Group != "status" && !strings.Contains(string(a.Body), "GeoNames, CC BY 4.0") {
			t.Errorf("%s: places without their attribution: %.300s", rec.URL, a.Body)
		}
		if strings.Contains(string(a.Body), "osm_id") || strings.Contains(string(a.Body), "OpenStreetMap") {
			t.Errorf("%s: claims to be OpenStreetMap's: %.300s", rec.URL, a.Body)
		}
	}
}

func TestGazetteerAnswers(t *testing.T) {
	const (
		licence = `"licence":"Data from GeoNames, CC BY 4.0. https://www.geonames.org/"`
		vaduz   = `"place_id":3042030,` + licence + `,"lat":"47.1415100","lon":"9.5215400",`
		box     = `"boundingbox":["47.1015100","47.1815100","9.4815400","9.5615400"]`
		empty   = `[]`
		nothing = `{"error":"Unable to geocode"}`
	)
	tests := []struct {
		name, url string
		outcome   upstream.Outcome
		body      string // its beginning when it ends in …
	}{
		{"search", "search?q=Vaduz", upstream.Found, `[{` + vaduz + `"category":"place","type":"town","place_rank":18,` +
			`"importance":0.4716,"addresstype":"town","name":"Vaduz","display_name":"Vaduz, Liechtenstein",` + box + `}]`},
		{"search in json", "search?q=Vaduz&format=json", upstream.Found, `[{` + vaduz + `"class":"place",…`},
		{"search in geojson", "search?q=Vaduz&format=geojson", upstream.Found, `{"type":"FeatureCollection",` + licence + `,"features":[{…`},
		{"search in geocodejson", "search?q=Vaduz&format=geocodejson", upstream.Found,
			`{"type":"FeatureCollection","geocoding":{"version":"0.1.0","attribution":"Data from GeoNames, CC BY 4.0. https://www.geonames.org/",` +
				`"licence":"CC BY 4.0","query":"Vaduz"},"features":[{"type":"Feature","properties":{"geocoding":{"place_id":3042030,…`},
		{"language", "search?country=de&accept-language=fr", upstream.Found, `[{` + licence + `,"lat":"51.0876900","lon":"10.3721300",` +
			`"category":"place","type":"country","place_rank":4,"importance":0.94,"addresstype":"country","name":"Allemagne","display_name":"Allemagne",…`},
		{"structured", "search?city=Vaduz&country=Liechtenstein&limit=1", upstream.Found, `[{` + vaduz + `…`},
		{"street", "search?street=Zollstrasse+82&city=Vaduz", upstream.Empty, empty},
		{"house", "search?q=82+Zollstrasse,+Vaduz", upstream.Empty, empty},
		{"post code", "search?postalcode=9490", upstream.Empty, empty},
		{"elsewhere", "search?q=Vaduz,+Germany", upstream.Empty, empty},
		{"white space", "search?q=+++", upstream.Refused, `{"error":{"code":400,"message":"Nothing to search for."}}`},
		{"limit", "search?q=San+Francisco&limit=abc", upstream.Refused, `{"error":{"code":400,"message":"Parameter 'limit' must be a number."}}`},
		{"limit with a fraction", "search?q=x&limit=1.5", upstream.Refused, `{"error":{"code":400,"message":"Parameter 'limit' must be a number."}}`},
		{"limit of nought", "search?q=Vaduz&limit=0", upstream.Found, `[{` + vaduz + `…`},
		{"two outlines", "search?q=Vaduz&polygon_geojson=1&polygon_kml=1", upstream.Refused,
			`{"error":{"code":400,"message":"Too many polygon output options selected."}}`},
		{"codes that are none", "search?q=Vaduz&countrycodes=lii", upstream.Found, `[{` + vaduz + `…`},
		{"OSM ids excluded", "search?q=Vaduz&exclude_place_ids=N1,R48", upstream.Found, `[{` + vaduz + `…`},
		{"place excluded", "search?q=Vaduz&featureType=city&exclude_place_ids=3042030", upstream.Empty, empty},
		{"layer without addresses", "search?q=Vaduz&layer=poi,natural", upstream.Empty, empty},
		{"layer with addresses", "search?q=Vaduz&layer=poi,address", upstream.Found, `[{` + vaduz + `…`},
		{"featureType before layer", "search?q=Vaduz&layer=poi&featureType=city", upstream.Found, `[{` + vaduz + `…`},
		{"coordinates", "search?q=47.14,+9.52", upstream.Found, `[{` + vaduz + `…`},
		{"coordinates at sea", "search?q=0.0,-30.0", upstream.Empty, empty},
		{"category", "search?q=%5Bamenity%3Dpub%5D+Vaduz", upstream.Empty, empty},

		{"reverse", "reverse?lat=47.14&lon=9.52&format=jsonv2", upstream.Found, `{` + vaduz + `"category":"place","type":"town",` +
			`"place_rank":18,"importance":0.4716,"addresstype":"town","name":"Vaduz","display_name":"Vaduz, Liechtenstein",` +
			`"address":{"town":"Vaduz","state":"Vaduz","country":"Liechtenstein","country_code":"li"},` + box + `}`},
		{"reverse without address", "reverse?lat=47.14&lon=9.52&format=json&addressdetails=0", upstream.Found, `{` + vaduz + `"class":"place",…`},
		{"reverse in geocodejson says how far", "reverse?lat=47.14&lon=9.52&format=geocodejson", upstream.Found,
			`{"type":"FeatureCollection","geocoding":{"version":"0.1.0","attribution":"Data from GeoNames, CC BY 4.0. https://www.geonames.org/",` +
				`"licence":"CC BY 4.0","query":""},"features":[{"type":"Feature","properties":{"geocoding":{"place_id":3042030,` +
				`"osm_key":"place","osm_value":"town","type":"city","accuracy":204,"label":"Vaduz, Liechtenstein","name":"Vaduz",` +
				`"state":"Vaduz","country":"Liechtenstein","country_code":"li","admin":{}}},…`},
		{"reverse at the zoom of a country", "reverse?lat=47.14&lon=9.52&format=json&zoom=3&accept-language=ru", upstream.Found,
			`{` + licence + `,"lat":"47.1367000","lon":"9.5357400","class":"place","type":"country","place_rank":4,"importance":0.6043,` +
				`"addresstype":"country","name":"Лихтенштейн","display_name":"Лихтенштейн","address":{"country":"Лихтенштейн","country_code":"li"},…`},
		{"reverse at sea", "reverse?lat=0&lon=-30&format=json", upstream.Empty, nothing},
		{"reverse off the globe", "reverse?lat=-91&lon=0&format=json", upstream.Empty, nothing},
		{"reverse off the globe eastwards", "reverse?lat=0&lon=181&format=json", upstream.Empty, nothing},
		{"reverse for points of interest", "reverse?lat=47.14&lon=9.52&format=json&layer=poi", upstream.Empty, nothing},
		{"reverse with NaN", "reverse?lat=NaN&lon=0&format=json", upstream.Refused, `{"error":{"code":400,"message":"Parameter 'lat' must be a number."}}`},
		{"reverse with a pair", "reverse?lat=47,14&lon=0&format=json", upstream.Refused, `{"error":{"code":400,"message":"Parameter 'lat' must be a number."}}`},

		{"lookup", "lookup?osm_ids=R48,W343&format=json", upstream.Empty, empty},
		{"details", "details?place_id=3042030&addressdetails=1", upstream.Found, `{"place_id":3042030,"category":"place","type":"town","localname":"Vaduz",…`},
		{"details of no place", "details?place_id=1", upstream.Refused, `{"error":{"code":404,"message":"No place with that OSM ID found."}}`},
		{"details without its id", "details?osmtype=N", upstream.Refused, `{"error":{"code":400,"message":"Parameter 'osmid' missing."}}`},
		{"details of nonsense", "details?place_id=abc", upstream.Refused, `{"error":{"code":400,"message":"Parameter 'place_id' must be a number."}}`},
		{"details in xml", "details?place_id=1&format=xml", upstream.Refused, `ERROR 400: Parameter 'format' must be one of: json`},
		{"status", "status", upstream.Found, `OK`},
		{"status in json", "status?format=json", upstream.Found,
			`{"status":0,"message":"OK","data_updated":"2023-03-01T00:00:00+00:00","software_version":"geogate 1.2.3"}`},
		{"status in yaml", "status?format=yaml", upstream.Refused, `ERROR 400: Parameter 'format' must be one of: text, json`},
		{"deletable", "deletable", upstream.Empty, empty},
		{"polygons", "polygons", upstream.Empty, empty},
	}
	c := gazetteerChain(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := ask(t, c, request(t, tt.url))
			want, open := strings.CutSuffix(tt.body, "…")
			if got := string(a.Body); a.Outcome != tt.outcome || open && !strings.HasPrefix(got, want) || !open && got != want {
				t.Errorf("%s: %s\n got %s\nwant %s", tt.url, a.Outcome, got, tt.body)
			}
		})
	}
}

// In xml the answer repeats the query and says when it was made.
func TestGazetteerXML(t *testing.T) {
	type root struct {
		Timestamp   string `xml:"timestamp,attr"`
		Attribution string `xml:"attribution,attr"`
		Query       string `xml:"querystring,attr"`
		Excluded    string `xml:"exclude_place_ids,attr"`
		Viewbox     string `xml:"viewbox,attr"`
		Places      []struct {
			Name string `xml:"display_name,attr"`
		} `xml:"place"`
		Result string `xml:"result"`
		Error  string `xml:"error"`
	}
	c := gazetteerChain(t)
	tests := []struct {
		url  string
		want root
	}{
		{"search?q=+VADUZ&format=xml&featureType=city&viewbox=9,47,10,48&exclude_place_ids=7", root{Query: " VADUZ", Excluded: "3042030,7", Viewbox: "9,47,10,48"}},
		{"search?city=Vaduz&country=LI&format=xml", root{Query: "Vaduz, LI", Excluded: "3042030"}},
		{"search?q=nowhere&format=xml", root{Query: "nowhere"}},
		{"reverse?lat=47&lon=9.52&zoom=3", root{Query: "lat=47.0&lon=9.52&format=xml&zoom=3", Result: "Switzerland"}},
		{"reverse?lat=0&lon=-30", root{Query: "lat=0.0&lon=-30.0&format=xml", Error: "Unable to geocode"}},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			a := ask(t, c, request(t, tt.url))
			var got root
			if err := xml.Unmarshal(a.Body, &got); err != nil {
				t.Fatal(err)
			}
			made, err := time.Parse("Mon, 02 Jan 2006 15:04:05 +00:00", got.Timestamp)
			if err != nil || time.Since(made).Abs() > time.Minute {
				t.Errorf("timestamp %q: %v", got.Timestamp, err)
			}
			if !strings.Contains(got.Attribution, "GeoNames, CC BY 4.0") {
				t.Errorf("attribution %q", got.Attribution)
			}
			got.Timestamp, got.Attribution, got.Places = "", "", nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("differs:\n%s\n%s", diff, a.Body)
			}
		})
	}
}

func FuzzGazetteer(f *testing.F) {
	f.Add("search", "q=Vaduz&format=xml&viewbox=9,47,10,48")
	f.Add("reverse", "lat=47.14&lon=9.52&zoom=x")
	f.Add("lookup", "osm_ids=N1,,R")
	f.Add("details", "place_id=3042030&addressdetails=1")
	c := gazetteerChain(f)
	f.Fuzz(func(t *testing.T, endpoint, query string) {
		r, err := upstream.Canonical(upstream.Endpoint(endpoint), upstream.ParseQuery(query), "")
		if err != nil {
			return
		}
		a := ask(t, c, r)
		if a.Outcome == upstream.Refused != (a.Status != 200) || len(a.Body) == 0 {
			t.Errorf("%s?%s: %d %s %q", endpoint, query, a.Status, a.Outcome, a.Body)
		}
		if strings.HasPrefix(a.ContentType, "application/json") && !json.Valid(a.Body) {
			t.Errorf("%s?%s: not JSON: %q", endpoint, query, a.Body)
		}
	})
}
