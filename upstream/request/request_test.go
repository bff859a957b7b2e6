package request

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"geogate/internal/place"
)

// canon returns the canonical query, and fails the test on an error.
func canon(t *testing.T, ep Endpoint, raw, language string) string {
	t.Helper()
	r, err := Canonical(ep, ParseQuery(raw), language)
	if err != nil {
		t.Fatalf("Canonical(%s?%s, %q): %v", ep, raw, language, err)
	}
	if r.Key() != string(ep)+"?"+r.Query() {
		t.Errorf("Key() = %q and Query() = %q do not belong together", r.Key(), r.Query())
	}
	return r.Query()
}

func TestCanonical(t *testing.T) {
	tests := []struct {
		name     string
		ep       Endpoint
		raw      string
		language string
		want     string
	}{
		{"default format of search", Search, "q=x", "", "format=jsonv2&q=x"},
		{"default format of reverse", Reverse, "lat=1&lon=2", "", "format=xml&lat=1&lon=2"},
		{"default format of lookup", Lookup, "osm_ids=R48", "", "format=xml&osm_ids=R48"},
		{"default format of details", Details, "place_id=1", "", "format=json&place_id=1"},
		{"default format of status", Status, "", "", "format=text"},
		{"order of parameters", Search, "limit=5&q=x&format=json", "", "format=json&limit=5&q=x"},
		{"last value wins", Search, "q=a&q=b&format=xml&format=json", "", "format=json&q=b"},
		{"noise is dropped", Search, "q=x&email=a@b.c&json_callback=cb&_=17&utm_source=n&utm_x", "", "format=jsonv2&q=x"},
		{"unknown parameters travel", Search, "q=x&osmServer=https://a/b&polygon=0&Limit=1", "",
			"Limit=1&format=jsonv2&osmServer=https%3A%2F%2Fa%2Fb&polygon=0&q=x"},
		{"parameters of other endpoints travel", Search, "q=x&lat=1.00&zoom=30", "", "format=jsonv2&lat=1.00&q=x&zoom=30"},

		{"only 0 is false", Search, "q=x&extratags=False&namedetails=undefined&dedupe=0&debug=0&entrances=0", "",
			"dedupe=0&extratags=1&format=jsonv2&namedetails=1&q=x"},
		{"addressdetails of search", Search, "q=x&addressdetails=0", "", "format=jsonv2&q=x"},
		{"addressdetails of reverse", Reverse, "lat=1&lon=2&addressdetails=yes", "", "format=xml&lat=1&lon=2"},
		{"no addressdetails of reverse", Reverse, "lat=1&lon=2&addressdetails=0", "", "addressdetails=0&format=xml&lat=1&lon=2"},
		{"dedupe", Search, "q=x&dedupe=1", "", "format=jsonv2&q=x"},
		{"no dedupe", Search, "q=x&dedupe=0", "", "dedupe=0&format=jsonv2&q=x"},

		{"limit by default", Search, "q=x&limit=10", "", "format=jsonv2&q=x"},
		{"limit below the least", Search, "q=x&limit=-1", "", "format=jsonv2&limit=1&q=x"},
		{"limit of nothing", Search, "q=x&limit=0", "", "format=jsonv2&limit=1&q=x"},
		{"limit above the most", Search, "q=x&limit=+100+", "", "format=jsonv2&limit=50&q=x"},
		{"limit that is none", Search, "q=x&limit=1.5", "", "format=jsonv2&limit=1.5&q=x"},

		{"bad format touches nothing", Search, "q=++A&limit=99&format=JSON", "de", "format=JSON&limit=99&q=++A"},
		{"empty format", Reverse, "lat=47.140&lon=9&format=", "", "format=&lat=47.140&lon=9"},
		{"layer with a bad format", Search, "q=x&layer=nonsense&format=yaml", "", "format=yaml&layer=nonsense&q=x"},

		{"country codes", Search, "q=x&countrycodes=MC,ad,lii,mc", "", "countrycodes=ad,mc&format=jsonv2&q=x"},
		{"country codes that are none", Search, "q=x&countrycodes=lii,+li", "", "format=jsonv2&q=x"},
		{"empty country codes", Search, "q=x&countrycodes=", "", "format=jsonv2&q=x"},

		{"viewbox corners", Search, "q=x&viewbox=9.7,47.0,9.4,47.30", "", "format=jsonv2&q=x&viewbox=9.4,47,9.7,47.3"},
		{"viewbox by its older name", Search, "q=x&viewboxlbrt=9.7,47.0,9.4,47.3&viewbox=", "", "format=jsonv2&q=x&viewbox=9.4,47,9.7,47.3"},
		{"newer name of viewbox wins", Search, "q=x&viewboxlbrt=1,2,3,4&viewbox=5,6,7,8", "", "format=jsonv2&q=x&viewbox=5,6,7,8"},
		{"viewbox beyond the globe", Search, "q=x&viewbox=-200,-100,200,100", "", "format=jsonv2&q=x&viewbox=-180,-90,180,90"},
		{"viewbox without area", Search, "q=x&viewbox=9.4,47.0,9.4,47.0", "", "format=jsonv2&q=x&viewbox=9.4,47.0,9.4,47.0"},
		{"viewbox of three", Search, "q=x&viewbox=9.4,47.0,9.7", "", "format=jsonv2&q=x&viewbox=9.4,47.0,9.7"},
		{"viewbox of letters", Search, "q=x&viewbox=a,b,c,d", "", "format=jsonv2&q=x&viewbox=a,b,c,d"},

		{"layers", Search, "q=x&layer=Poi,address,poi", "", "format=jsonv2&layer=address,poi&q=x"},
		{"layers of reverse by default", Reverse, "lat=1&lon=2&layer=poi,address", "", "format=xml&lat=1&lon=2"},
		{"feature type takes the place of layer", Search, "q=x&layer=nonsense&featureType=city", "", "featureType=city&format=jsonv2&q=x"},
		{"layer elsewhere", Lookup, "osm_ids=R48&layer=nonsense", "", "format=xml&layer=nonsense&osm_ids=R48"},

		{"coordinates", Reverse, "lat=47.1400000000001&lon=%2B9.52&format=json", "", "format=json&lat=47.14&lon=9.52"},
		{"coordinates with an exponent", Reverse, "lat=1e1&lon=-1E-9&format=json", "", "format=json&lat=10&lon=0"},
		{"coordinates with blanks", Reverse, "lat=47.14+&lon=%099.52&format=json", "", "format=json&lat=47.14&lon=9.52"},
		{"coordinates of 15 decimals", Reverse, "lat=47.141592653589793&lon=.5&format=json", "", "format=json&lat=47.1415927&lon=0.5"},
		{"coordinates off the globe", Reverse, "lat=-91.00&lon=181&format=json", "", "format=json&lat=-91&lon=181"},
		{"coordinates just off the globe", Reverse, "lat=90.00000001&lon=0&format=json", "", "format=json&lat=90.00000001&lon=0"},
		{"not a number", Reverse, "lat=NaN&lon=inf&format=json", "", "format=json&lat=NaN&lon=inf"},
		{"hexadecimal", Reverse, "lat=0x2f&lon=0x1p4&format=json", "", "format=json&lat=0x2f&lon=0x1p4"},
		{"comma", Reverse, "lat=47,14&lon=&format=json", "", "format=json&lat=47,14&lon="},
		{"zoom is clamped", Reverse, "lat=1&lon=2&zoom=99&format=json", "", "format=json&lat=1&lon=2"},
		{"zoom in xml is repeated", Reverse, "lat=1&lon=2&zoom=99", "", "format=xml&lat=1&lon=2&zoom=99"},

		{"empty q", Search, "q=", "", "format=jsonv2&q="},
		{"q of white space", Search, "q=+%09+", "", "format=jsonv2&q=+%09+"},
		{"q trimmed, collapsed, lowered", Search, "q=++Bad++W%C3%96rishofen+", "", "format=jsonv2&q=bad+w%C3%B6rishofen"},
		{"q in NFC", Search, "q=Zu%CC%88rich", "", "format=jsonv2&q=z%C3%BCrich"},
		{"q keeps commas", Search, "q=Paris,+,Texas,", "", "format=jsonv2&q=paris,+,texas,"},
		{"q with a house number", Search, "q=Zollstrasse+82,+9494+Schaan", "", "format=jsonv2&q=zollstrasse+82,+9494+schaan"},
		{"q with a NUL", Search, "q=Vaduz%00x", "", "format=jsonv2&q=vaduz%00x"},
		{"q that is not UTF-8", Search, "q=+A%FF+", "", "format=jsonv2&q=+A%FF+"},
		{"q with a category", Search, "q=++[amenity=Pub]+Vaduz", "", "format=jsonv2&q=%5Bamenity%3DPub%5D+Vaduz"},
		{"q with coordinates", Search, "q=47.14+N,++9.52+E", "", "format=jsonv2&q=47.14+N,+9.52+E"},
		{"q with coordinates and a line break", Search, "q=Foo%0A++47.14,+9.52", "", "format=jsonv2&q=Foo%0A++47.14,+9.52"},
		{"q in xml unaltered", Search, "q=++Vaduz++&format=xml", "", "format=xml&q=++Vaduz++"},
		{"q in geocodejson unaltered", Search, "q=Vaduz+&format=geocodejson", "", "format=geocodejson&q=Vaduz+"},
		{"structured search", Search, "city=++Vaduz&street=", "", "city=vaduz&format=jsonv2"},
		{"structured search in xml unaltered", Search, "city=+Vaduz&format=xml", "", "city=+Vaduz&format=xml"},
		{"structured search that is not UTF-8", Search, "city=+A%FF", "", "city=+A%FF&format=jsonv2"},

		{"language from the header", Search, "q=x", "fr,en;q=0.5", "accept-language=fr,en&format=jsonv2&q=x"},
		{"parameter beats the header", Search, "q=x&accept-language=undefined", "fr", "accept-language=undefined&format=jsonv2&q=x"},
		{"empty parameter does not", Search, "q=x&accept-language=", "fr", "accept-language=fr&format=jsonv2&q=x"},
		{"languages by weight", Search, "q=x", "en;q=0.5, de-AT;q=0.9,*;q=0.1, fr;q=0.9, es-419", "accept-language=de-AT,fr,en&format=jsonv2&q=x"},
		{"any language", Search, "q=x", "*", "format=jsonv2&q=x"},
		{"case of language tags", Search, "q=x", "DE-at", "accept-language=DE-at&format=jsonv2&q=x"},
		{"no language for status", Status, "", "de", "format=text"},

		{"callback is taken out", Status, "format=json&json_callback=cb", "", "format=json"},
		{"debug travels", Search, "q=x&debug=1", "", "debug=1&format=jsonv2&q=x"},
		{"place_id beats the type", Details, "place_id=1&osmtype=Z", "", "format=json&osmtype=Z&place_id=1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := canon(t, tt.ep, tt.raw, tt.language)
			if got != tt.want {
				t.Errorf("Canonical(%s?%s, %q) = %q, want %q", tt.ep, tt.raw, tt.language, got, tt.want)
			}
			if again := canon(t, tt.ep, got, ""); again != got {
				t.Errorf("Canonical of %q = %q, want it unchanged", got, again)
			}
		})
	}
}

func TestCanonicalRefuses(t *testing.T) {
	tests := []struct {
		name    string
		ep      Endpoint
		raw     string
		status  int
		message string
		format  place.Format
	}{
		{"unknown layer", Search, "q=x&layer=nonsense", 400, "'layer'", place.JSONV2},
		{"empty layer", Search, "q=x&layer=", 400, "'layer'", place.JSONV2},
		{"layer with a blank", Reverse, "lat=1&lon=2&layer=address,+poi", 400, "'layer'", place.XML},
		{"unknown type", Details, "osmtype=Z&osmid=1", 400, "'osmtype'", place.JSON},
		{"type in lower case", Details, "osmtype=r&osmid=1&place_id=0", 400, "'osmtype'", place.JSON},
		{"callback that is code", Search, "q=x&format=json&json_callback=alert(1)//", 400, "json_callback", place.JSON},
		{"empty callback", Search, "q=x&format=json&json_callback=", 400, "json_callback", place.JSON},
		{"oversize", Search, "q=" + strings.Repeat("%E5%8C%97", 1000), 414, "8192", place.JSONV2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Canonical(tt.ep, ParseQuery(tt.raw), "")
			var bad *BadRequest
			if !errors.As(err, &bad) {
				t.Fatalf("Canonical(%s?%.80s) = %v, want a *BadRequest", tt.ep, tt.raw, err)
			}
			if bad.Status != tt.status || !strings.Contains(bad.Message, tt.message) || bad.Format != tt.format {
				t.Errorf("Canonical(%s?%.80s) = %+v, want status %d, format %s and a message with %q",
					tt.ep, tt.raw, bad, tt.status, tt.format, tt.message)
			}
		})
	}
}

func TestCanonicalTakesLongQueries(t *testing.T) {
	canon(t, Search, "q="+strings.Repeat("x", 3000), "")
}

func TestRequestCallback(t *testing.T) {
	tests := []struct {
		name, raw, want string
	}{
		{"none", "q=x", ""},
		{"plain", "q=x&format=json&json_callback=cb", "cb"},
		{"dotted", "q=x&format=json&json_callback=L.é_1.b2", "L.é_1.b2"},
		{"xml is not wrapped", "q=x&format=xml&json_callback=a(b", ""},
		{"debug page is not wrapped", "q=x&debug=1&json_callback=a(b", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Canonical(Search, ParseQuery(tt.raw), "")
			if err != nil || r.Callback() != tt.want {
				t.Errorf("Callback of %q = %q, %v, want %q", tt.raw, r.Callback(), err, tt.want)
			}
		})
	}
}

func TestRequestDebug(t *testing.T) {
	for raw, want := range map[string]bool{
		"q=x": false, "q=x&debug=0": false, "q=x&debug=1": true, "q=x&debug=": true, "q=x&debug=1&format=nope": false,
	} {
		r, err := Canonical(Search, ParseQuery(raw), "")
		if err != nil || r.Debug() != want {
			t.Errorf("Debug of %q = %v, %v, want %v", raw, r.Debug(), err, want)
		}
	}
}

func TestParseQuery(t *testing.T) {
	tests := []struct {
		name, raw, key, want string
	}{
		{"plain", "q=a+b%20c", "q", "a b c"},
		{"stray percent", "q=50%&x=1", "q", "50%"},
		{"percent before no digits", "q=%zz%41+", "q", "%zzA "},
		{"cut-off escape", "q=a%4", "q", "a%4"},
		{"semicolon", "q=a;b", "q", "a;b"},
		{"no value", "q", "q", ""},
		{"empty pairs", "&&q=1&&", "q", "1"},
		{"escaped name", "accept%2Dlanguage=de", "accept-language", "de"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ParseQuery(tt.raw); len(got[tt.key]) != 1 || got.Get(tt.key) != tt.want {
				t.Errorf("ParseQuery(%q)[%q] = %q, want %q", tt.raw, tt.key, got[tt.key], tt.want)
			}
		})
	}
}

// Making a canonical request canonical again changes nothing, and the key says
// all that is sent: reading it back gives the same request.
func FuzzCanonical(f *testing.F) {
	f.Add("search", "q=++Bad++W%C3%96rishofen&limit=99&viewbox=9,8,7,6", "de,en;q=0.1")
	f.Add("search", "q=A%00%0A[x=y]&countrycodes=De,At&layer=poi,address", "*")
	f.Add("search", "q=%E1%BA%96%C4%B0%CE%A3H%CC%B1&format=json&json_callback=a.b", "")
	f.Add("search", "q=+%CC%81a&q=+%20%09%1C+", "")
	f.Add("reverse", "lat=1e1&lon=-0&zoom=+3&format=geojson", "xx;q=1.5")
	f.Add("lookup", "osm_ids=R48,,N1&addressdetails", "")
	f.Add("details", "osmtype=R&osmid=48&linkedplaces=0", "")
	f.Add("status", "format=%00", "")
	f.Add("search", "q=N+47+8+31+E+9+31+12.5&viewbox=1,2,3&limit=x", "")
	f.Add("search", "q=47.14,9.52&viewbox=0,0,1e-9,1e-9&exclude_place_ids=+1,,N2&layer=poi", "")
	f.Add("search", "city=A&country=B&polygon_kml=1&polygon_svg=1", "")
	f.Add("reverse", "lat=90.00000001&lon=9.52000004999&layer=poi,address&zoom=99", "")
	f.Fuzz(func(t *testing.T, ep, raw, language string) {
		r, err := Canonical(Endpoint(ep), ParseQuery(raw), language)
		if err != nil {
			return
		}
		if strings.ContainsAny(r.Key(), " \x00\r\n\t\"<>\\") {
			t.Errorf("Key() = %q has characters that do not belong into a request line", r.Key())
		}
		values, err := url.ParseQuery(r.Query())
		if err != nil {
			t.Fatalf("Query() = %q: %v", r.Query(), err)
		}
		for name, vs := range values {
			if len(vs) != 1 {
				t.Errorf("Query() = %q has %q more than once", r.Query(), name)
			}
		}
		again, err := Canonical(r.Endpoint(), values, "")
		if err != nil {
			t.Fatalf("Canonical of %q: %v", r.Key(), err)
		}
		if diff := cmp.Diff(r.Question(), again.Question(), cmp.AllowUnexported(Question{}, fieldValue{})); diff != "" {
			t.Errorf("the question is not that of the key %q:\n%s", r.Key(), diff)
		}
		if diff := cmp.Diff(r.Mistake(), again.Mistake()); diff != "" {
			t.Errorf("the mistake is not that of the key %q:\n%s", r.Key(), diff)
		}
		if again.Key() != r.Key() || again.Debug() != r.Debug() || again.Format() != r.Format() || again.Languages() != r.Languages() {
			t.Errorf("Canonical of %q = %q, want it unchanged", r.Key(), again.Key())
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	tests := []struct {
		name, raw, language string
		ep                  Endpoint
	}{
		{"search", "q=Vaduz&format=jsonv2", "", Search},
		{"browser", "q=Zollstrasse+82,+Schaan&format=jsonv2&addressdetails=1&limit=5", "de-CH,de;q=0.9,en;q=0.8", Search},
		{"reverse", "lat=47.1409123456&lon=9.5209123456&format=jsonv2&zoom=18", "", Reverse},
		{"chinese", "q=%E5%8C%97%E4%BA%AC&format=json", "zh", Search},
	}
	for _, tt := range tests {
		values := ParseQuery(tt.raw)
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := Canonical(tt.ep, values, tt.language)
				if err != nil || r.Key() == "" {
					b.Fatal(err)
				}
			}
		})
	}
}
