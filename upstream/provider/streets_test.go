package provider

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"geogate/internal/streets"
	"geogate/internal/streets/build"
	"geogate/upstream/request"
)

// importMonaco makes a streets file of the test extract.
func importMonaco(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "monaco.streets")
	in := filepath.Join("..", "..", "internal", "streets", "testdata", "monaco.osm.pbf")
	if _, err := build.Import(context.Background(), []string{in}, out, build.Options{}); err != nil {
		t.Fatal(err)
	}
	return out
}

func openStreets(t *testing.T, paths ...string) (Provider, *streets.Library) {
	t.Helper()
	library, err := streets.OpenLibrary(paths...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := library.Close(); err != nil {
			t.Error(err)
		}
	})
	return NewStreets(library, "streets", "test"), library
}

func askStreets(t *testing.T, p Provider, ep request.Endpoint, query string) Answer {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	r, err := request.Canonical(ep, values, "")
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.Geocode(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestStreetsAnswers(t *testing.T) {
	p, _ := openStreets(t, importMonaco(t))
	for _, tt := range []struct {
		name     string
		endpoint request.Endpoint
		query    string
		outcome  Outcome
		want     string
	}{
		{"house", request.Search, "q=25 boulevard de suisse, monaco", Found, `"osm_id":94399747`},
		{"licence", request.Search, "q=25 boulevard de suisse", Found, "Data © OpenStreetMap contributors, ODbL 1.0. http://osm.org/copyright"},
		{"structured", request.Search, "street=25 boulevard de suisse&city=monaco&addressdetails=1", Found, `"house_number":"25","road":"Boulevard de Suisse"`},
		{"a number that does not exist", request.Search, "q=9999 boulevard de suisse, monaco", Found, `"addresstype":"road"`},
		{"a slip of the pen", request.Search, "q=25 boulevrad de suisse", Found, `"osm_id":94399747`},
		{"another town", request.Search, "q=25 boulevard de suisse, zürich", Empty, "[]"},
		{"nothing of it", request.Search, "q=schlossallee 1, entenhausen", Empty, "[]"},
		{"no words", request.Search, "q=", Empty, "[]"},
		{"coordinates", request.Search, "q=43.7385319,7.4240328", Found, `"osm_id":94399747`},
		{"another country", request.Search, "q=boulevard de suisse&countrycodes=it", Empty, "[]"},
		{"outline", request.Search, "q=la condamine&polygon_geojson=1", Found, `"geojson":{"type":"Polygon"`},
		{"xml", request.Search, "q=boulevard de suisse&format=xml", Found, "<searchresults"},
		{"reverse", request.Reverse, "lat=43.7385319&lon=7.4240328&format=json", Found, `"house_number":"25"`},
		{"reverse in the sea", request.Reverse, "lat=43.5&lon=7.6&format=json", Empty, `{"error":"Unable to geocode"}`},
		{"reverse a district", request.Reverse, "lat=43.7385319&lon=7.4240328&format=json&zoom=14", Found, `"name":"Monte-Carlo"`},
		{"lookup", request.Lookup, "osm_ids=W94399747,N1&format=json", Found, `"osm_id":94399747`},
		{"details", request.Details, "osmtype=W&osmid=94399747", Found, `"osm_id":94399747`},
		{"details of nothing", request.Details, "place_id=999999999", Refused, "No place"},
		{"suggest", request.Suggest, "q=25 boulevard de sui", Found, `25, Boulevard de Suisse`},
		{"status", request.Status, "format=json", Found, `"data_updated":"2020-07-19T20:58:03+00:00"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := askStreets(t, p, tt.endpoint, strings.ReplaceAll(tt.query, " ", "+"))
			if a.Outcome != tt.outcome || !bytes.Contains(a.Body, []byte(tt.want)) {
				t.Errorf("answer is %s: %.600s\nwant %s with %s", a.Outcome, a.Body, tt.outcome, tt.want)
			}
		})
	}
}

func TestStreetsReadsAReplacedFile(t *testing.T) {
	path := importMonaco(t)
	p, library := openStreets(t, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(data []byte) {
		t.Helper()
		next := path + ".next"
		if err := os.WriteFile(next, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
		library.Reload()
	}
	replace(whole[:1000])
	if library.Err() == nil {
		t.Error("a file that was cut off is no error")
	}
	if a := askStreets(t, p, request.Search, "q=boulevard+de+suisse"); a.Outcome != Found {
		t.Errorf("with a bad new file the answer is %s: %s", a.Outcome, a.Body)
	}
	replace(whole)
	if err := library.Err(); err != nil {
		t.Errorf("Err = %v after a good file", err)
	}
	if a := askStreets(t, p, request.Search, "q=boulevard+de+suisse"); a.Outcome != Found {
		t.Errorf("with the new file the answer is %s: %s", a.Outcome, a.Body)
	}
}
