package provider_test

import (
	"encoding/json"
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"geogate/internal/streets/recall"
	"geogate/upstream"
)

var showFields = flag.Bool("fields", false, "list the fields that differ from those of Nominatim")

// agreement is the share of places, in per cent, in which a field has to be that
// of Nominatim. Where an address lies is told by other rules: geogate names the
// municipality and not the village inside, the district whose boundary holds the
// place and not the nearest of a rank.
var agreement = map[string]float64{
	"category": 98, "type": 98, "addresstype": 98, "name": 98,
	"house_number": 96, "road": 90, "postcode": 80, "city": 98, "town": 98, "county": 99, "country": 99.5, "country_code": 99.5,
}

// TestStreetsFieldsAreThoseOfNominatim asks the questions that a Nominatim with
// the same data answered, and compares the first answers field by field where
// both name the same object.
func TestStreetsFieldsAreThoseOfNominatim(t *testing.T) {
	questions, err := recall.Load(filepath.Join("..", "..", "internal", "streets", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	p := countries(t, "liechtenstein", "monaco", "porto")
	same, asked := map[string]int{}, map[string]int{}
	places := map[string]bool{}
	for i, q := range questions {
		// Half of them name places enough.
		if i%2 == 0 || q.Country == "ad" || q.Country == "de" || len(q.Nominatim) == 0 {
			continue
		}
		want := q.Nominatim[0]
		got, ok := firstAnswer(t, p, q)
		id := want.OSMType + strings.TrimSpace(want.Lat+want.Lon)
		if !ok || got.OSMType != want.OSMType || got.OSMID != want.OSMID || places[id] {
			continue
		}
		places[id] = true
		compare := func(name, got, want string) {
			asked[name]++
			if got == want {
				same[name]++
			} else if *showFields {
				t.Logf("%s %d %s: %q, want %q", q.Country, q.Nominatim[0].OSMID, name, got, want)
			}
		}
		compare("category", got.Category, want.Category)
		compare("type", got.Type, want.Type)
		compare("addresstype", got.AddressType, want.AddressType)
		compare("name", got.Name, want.Name)
		compare("display_name", got.DisplayName, want.DisplayName)
		for label, value := range want.Address {
			compare(label, got.Address[label], value)
		}
	}
	if len(places) < 200 {
		t.Fatalf("%d places to compare, want 200", len(places))
	}
	for name, least := range agreement {
		if share := 100 * float64(same[name]) / float64(asked[name]); share < least {
			t.Errorf("%s: %d of %d are Nominatim's (%.1f %%), want %.1f %%", name, same[name], asked[name], share, least)
		}
	}
	t.Logf("%d places; of their display names %d are Nominatim's to the letter", len(places), same["display_name"])
}

// firstAnswer is the first answer to a question; ok is false for none.
func firstAnswer(t *testing.T, p upstream.Provider, q recall.Question) (first recall.Answer, ok bool) {
	t.Helper()
	path, _, _ := strings.Cut(q.Request, "?")
	ep := upstream.Search
	if path == "/reverse" {
		ep = upstream.Reverse
	}
	r, err := upstream.Canonical(ep, q.Params(), "")
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.Geocode(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if a.Outcome != upstream.Found {
		return first, false
	}
	body := a.Body
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	if err := json.Unmarshal(body, &first); err != nil {
		t.Fatal(err)
	}
	return first, true
}
