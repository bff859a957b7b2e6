package provider_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"geogate/internal/gazetteer"
	"geogate/internal/geo"
	"geogate/internal/streets"
	"geogate/internal/streets/build"
	"geogate/upstream"
	"geogate/upstream/upstreamtest"
)

// countries imports test extracts and opens them as one upstream.
func countries(t testing.TB, names ...string) upstream.Provider {
	t.Helper()
	places, err := gazetteer.Load()
	if err != nil {
		t.Fatal(err)
	}
	country := func(lat, lon float64) string {
		if m, ok := places.Reverse(geo.Point{Lat: lat, Lon: lon}, 3); ok {
			return m.Place(nil).CountryCode
		}
		return ""
	}
	var paths []string
	for _, name := range names {
		in := filepath.Join("..", "..", "internal", "streets", "testdata", name+".osm.pbf")
		out := filepath.Join(t.TempDir(), name+".streets")
		if _, err := build.Import(t.Context(), []string{in}, out, build.Options{Country: country}); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, out)
	}
	library, err := streets.OpenLibrary(paths...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = library.Close() })
	return upstream.NewStreets(library, "streets", "test")
}

// TestStreetsAnswersEveryRecordedRequest sends what clients sent to a Nominatim
// with another extract of Liechtenstein, whose ids were changed. Refusals are the
// same byte for byte; other answers have the same type, and places of the same
// name the same fields in the same order.
func TestStreetsAnswersEveryRecordedRequest(t *testing.T) {
	p := countries(t, "liechtenstein")
	refused, compared := 0, 0
	for _, rec := range upstreamtest.Recordings() {
		r, ok := rec.Canonical()
		if !ok || rec.Group == "paths" {
			continue
		}
		a, err := p.Geocode(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		contentType, body := rec.Unwrapped()
		if rec.Status == 400 {
			refused++
			if a.Status != rec.Status || a.ContentType != contentType || string(a.Body) != body {
				t.Errorf("%s: %d %s %s, want as recorded %d %s %s", rec.URL, a.Status, a.ContentType, a.Body, rec.Status, contentType, body)
			}
			continue
		}
		if rec.Status != 200 || rec.Group == "details" {
			continue
		}
		if a.Status != 200 || a.ContentType != contentType {
			t.Errorf("%s: %d %s, want 200 %s", rec.URL, a.Status, a.ContentType, contentType)
		}
		switch {
		case strings.HasPrefix(contentType, "text/xml"):
			if err := xml.Unmarshal(a.Body, new(struct{})); err != nil {
				t.Errorf("%s: %v", rec.URL, err)
			}
		case strings.HasPrefix(contentType, "application/json"):
			if !json.Valid(a.Body) {
				t.Errorf("%s: not JSON: %s", rec.URL, a.Body)
			}
			got, want := firstPlace(a.Body), firstPlace([]byte(body))
			if name := field(want, "name"); name == nil || !bytes.Equal(field(got, "name"), name) || !bytes.Equal(field(got, "osm_type"), field(want, "osm_type")) {
				continue
			}
			compared++
			// Only a tag of the other extract gives a post code to a town.
			w := slices.DeleteFunc(fields(want), func(name string) bool { return name == "postcode" && field(got, name) == nil })
			if g := fields(got); !slices.Equal(g, w) {
				t.Errorf("%s: fields %v, want %v", rec.URL, g, w)
			}
		}
	}
	if refused < 25 || compared < 30 {
		t.Errorf("%d refusals and %d places of the same name: the selection is broken", refused, compared)
	}
}

// firstPlace is the object of the first place of an answer, or of its
// properties, nil when there is none.
func firstPlace(body []byte) json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil {
		if len(list) == 0 {
			return nil
		}
		body = list[0]
	}
	if features := field(body, "features"); features != nil {
		if json.Unmarshal(features, &list) != nil || len(list) == 0 {
			return nil
		}
		body = field(list[0], "properties")
		if geocoding := field(body, "geocoding"); geocoding != nil {
			body = geocoding
		}
	}
	return body
}

// field is the value of a field of an object, nil when there is none.
func field(object json.RawMessage, name string) json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(object, &m) != nil {
		return nil
	}
	return m[name]
}

// fields are the names of the fields of an object in their order.
func fields(object json.RawMessage) (names []string) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return nil
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil
		}
		names = append(names, name.(string))
		var skip json.RawMessage
		if d.Decode(&skip) != nil {
			return nil
		}
	}
	return names
}
