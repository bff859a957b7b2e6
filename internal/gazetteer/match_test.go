package gazetteer

import (
	"strings"
	"testing"

	"geogate/internal/place"
)

func TestPlace(t *testing.T) {
	g := load(t)
	m, ok := g.ByID(3042030)
	if !ok {
		t.Fatal("no Vaduz")
	}
	o := place.Options{Attribution: Attribution, AddressDetails: true, ExtraTags: true, NameDetails: true}
	_, body := place.RenderList(place.JSONV2, []place.Place{m.Place(nil)}, o)
	want := `[{"place_id":3042030,"licence":"Data from GeoNames, CC BY 4.0. https://www.geonames.org/",` +
		`"lat":"47.1415100","lon":"9.5215400","category":"place","type":"town","place_rank":18,"importance":0.4716,` +
		`"addresstype":"town","name":"Vaduz","display_name":"Vaduz, Liechtenstein",` +
		`"address":{"town":"Vaduz","state":"Vaduz","country":"Liechtenstein","country_code":"li"},` +
		`"extratags":{"capital": "yes", "population": "5197"},"namedetails":{"name": "Vaduz"},` +
		`"boundingbox":["47.1015100","47.1815100","9.4815400","9.5615400"]}]`
	if string(body) != want {
		t.Errorf("Vaduz renders as\n     %s\nwant %s", body, want)
	}
	for _, word := range []string{"GeoNames", "CC BY 4.0"} {
		if !strings.Contains(string(body), word) {
			t.Errorf("the licence does not name %s", word)
		}
	}
}

func TestLanguages(t *testing.T) {
	tests := []struct{ name, header, want string }{
		{"none", "", "Köln, Regierungsbezirk Köln, North Rhine-Westphalia, Germany"},
		{"German", "de", "Köln, Regierungsbezirk Köln, North Rhine-Westphalia, Deutschland"},
		{"with a region", "de-AT", "Köln, Regierungsbezirk Köln, North Rhine-Westphalia, Deutschland"},
		{"by quality", "en;q=0.2, ru;q=0.9", "Köln, Regierungsbezirk Köln, North Rhine-Westphalia, Германия"},
		{"unknown one first", "xx,ja", "Köln, Regierungsbezirk Köln, North Rhine-Westphalia, ドイツ"},
		{"English wins over later ones", "en-GB,de", "Köln, Regierungsbezirk Köln, North Rhine-Westphalia, Germany"},
		{"any", "*", "Köln, Regierungsbezirk Köln, North Rhine-Westphalia, Germany"},
		{"what browsers' scripts send", "undefined", "Köln, Regierungsbezirk Köln, North Rhine-Westphalia, Germany"},
		{"nonsense", ";;q=,,\xff", "Köln, Regierungsbezirk Köln, North Rhine-Westphalia, Germany"},
	}
	g := load(t)
	m, ok := g.ByID(2886242)
	if !ok {
		t.Fatal("no Cologne")
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := m.Place(ParseLanguages(tt.header)).DisplayName; got != tt.want {
				t.Errorf("ParseLanguages(%q): %q, want %q", tt.header, got, tt.want)
			}
		})
	}
}

func TestKinds(t *testing.T) {
	tests := []struct {
		name  string
		id    int64
		kind  Kind
		place int
		addr  int
	}{
		{"capital of a small country", 3042030, Town, 18, 16},
		{"city", 2988507, City, 16, 16},
		{"town", 4717560, Town, 18, 16},
		{"village", 3024280, Village, 19, 16},
		{"section of a town", 3621911, Suburb, 19, 20},
	}
	g := load(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, ok := g.ByID(tt.id)
			if !ok || m.Kind != tt.kind || m.Kind.PlaceRank() != tt.place || m.Kind.AddressRank() != tt.addr {
				t.Errorf("%s: %s, ranks %d and %d, want %s, %d and %d", m.Name, m.Kind, m.Kind.PlaceRank(), m.Kind.AddressRank(),
					tt.kind, tt.place, tt.addr)
			}
		})
	}
}

// TestImportanceIsWithinItsBounds covers every place and area.
func TestImportanceIsWithinItsBounds(t *testing.T) {
	g := load(t)
	for ref := 0; ref < g.file.Areas()+g.file.Places(); ref += 7 {
		m := g.match(ref)
		if v := m.Importance(); v <= 0 || v > 1 {
			t.Errorf("%s: importance %v", m.Name, v)
		}
		if !m.Point.Valid() || m.Name == "" || len(m.CountryCode) != 2 {
			t.Errorf("incomplete: %+v", m)
		}
		if m.Box.South > m.Point.Lat || m.Box.North < m.Point.Lat || m.Box.West > m.Point.Lon || m.Box.East < m.Point.Lon {
			t.Errorf("%s: %v is outside its box %v", m.Name, m.Point, m.Box)
		}
	}
}
