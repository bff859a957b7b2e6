package gazetteer

import (
	"math/rand/v2"
	"strings"
	"testing"

	"geogate/internal/place"
)

func TestSearchFindsFirst(t *testing.T) {
	tests := []struct{ name, query, display, country string }{
		{"lower case", "san francisco", "San Francisco, City and County of San Francisco, California, United States", "us"},
		{"Chinese", "北京", "Beijing, China", "cn"},
		{"capital of a small country", "Vaduz", "Vaduz, Liechtenstein", "li"},
		{"stray punctuation", "  Vaduz ; ", "Vaduz, Liechtenstein", "li"},
		{"country after a comma", "Santiago, Chile", "Santiago, Provincia de Santiago, Santiago Metropolitan, Chile", "cl"},
		{"largest of its name", "Paris", "Paris, Île-de-France, France", "fr"},
		{"state", "Paris, Texas", "Paris, Lamar County, Texas, United States", "us"},
		{"state and country", "Paris, Texas, USA", "Paris, Lamar County, Texas, United States", "us"},
		{"county too", "Paris, Lamar County, TX, United States of America", "Paris, Lamar County, Texas, United States", "us"},
		{"London", "London", "London, Greater London, England, United Kingdom", "gb"},
		{"London of another country", "London, Canada", "London, Middlesex County, Ontario, Canada", "ca"},
		{"state by name", "Springfield, Illinois", "Springfield, Sangamon County, Illinois, United States", "us"},
		{"state by code", "Springfield, IL", "Springfield, Sangamon County, Illinois, United States", "us"},
		{"state by code without a comma", "Portland OR", "Portland, Multnomah County, Oregon, United States", "us"},
		{"Canadian code", "London, ON", "London, Middlesex County, Ontario, Canada", "ca"},
		{"country by code", "Paris, FR", "Paris, Île-de-France, France", "fr"},
		{"accents", "São Paulo", "São Paulo, Brazil", "br"},
		{"accents left out", "sao paulo", "São Paulo, Brazil", "br"},
		{"German", "Köln", "Köln, Regierungsbezirk Köln, North Rhine-Westphalia, Germany", "de"},
		{"English for it", "Cologne", "Köln, Regierungsbezirk Köln, North Rhine-Westphalia, Germany", "de"},
		{"umlaut spelled out", "koeln", "Köln, Regierungsbezirk Köln, North Rhine-Westphalia, Germany", "de"},
		{"umlaut", "München", "Munich, Upper Bavaria, Bavaria, Germany", "de"},
		{"English", "Munich", "Munich, Upper Bavaria, Bavaria, Germany", "de"},
		{"state in its own language", "München, Bayern", "Munich, Upper Bavaria, Bavaria, Germany", "de"},
		{"alternate name of a city", "New York", "New York City, New York, United States", "us"},
		{"city and state of one name", "New York, New York", "New York City, New York, United States", "us"},
		{"Russian", "Москва", "Moscow, Russia", "ru"},
		{"Russian with its country", "Москва, Россия", "Moscow, Russia", "ru"},
		{"Arabic", "القاهرة", "Cairo, Egypt", "eg"},
		{"Korean", "서울", "Seoul, South Korea", "kr"},
		{"Japanese with its country", "東京、日本", "Tokyo, Japan", "jp"},
		{"country without a comma", "Berlin Germany", "Berlin, State of Berlin, Germany", "de"},
		{"country first", "Germany Berlin", "Berlin, State of Berlin, Germany", "de"},
		{"initials", "Washington, D.C.", "Washington, District of Columbia, United States", "us"},
		{"apostrophe", "L’Aquila", "L'Aquila, Provincia dell' Aquila, Abruzzo, Italy", "it"},
		{"a name that looks like name and area", "Kansas City", "Kansas City, Jackson County, Missouri, United States", "us"},
		{"country", "Liechtenstein", "Liechtenstein", "li"},
		{"country in its own language", "Deutschland", "Germany", "de"},
		{"country that is a city too", "Luxembourg", "Luxembourg", "lu"},
		{"city before the country that Finns call so", "Brasilia", "Brasília, Federal District, Brazil", "br"},
		{"country before the state", "Georgia", "Georgia", "ge"},
		{"state before small towns", "California", "California, United States", "us"},
	}
	g := load(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found := g.Search(Query{Text: tt.query})
			if len(found) == 0 {
				t.Fatalf("Search(%q) found nothing, want %s", tt.query, tt.display)
			}
			if got := found[0].Place(nil).DisplayName; got != tt.display || found[0].CountryCode != tt.country {
				t.Errorf("Search(%q)[0] = %s (%s), want %s (%s)", tt.query, got, found[0].CountryCode, tt.display, tt.country)
			}
		})
	}
}

func TestSearchFindsNothing(t *testing.T) {
	tests := []struct {
		name  string
		query Query
	}{
		{"empty", Query{}},
		{"nothing but punctuation", Query{Text: " %, ;"}},
		{"town of another country", Query{Text: "Vaduz, Germany"}},
		{"street", Query{Text: "82 Zollstrasse, Vaduz"}},
		{"post code", Query{Text: "9490 Vaduz"}},
		{"something in a town", Query{Text: "restaurant in Vaduz"}},
		{"beginning of a name", Query{Text: "Liechtenst"}},
		{"unknown word", Query{Text: "xyzzyqwert nowhere"}},
		{"NUL", Query{Text: "Vaduz\x00x"}},
		{"more words than any name has", Query{Text: strings.Repeat("Paris, ", 10_000)}},
		{"a long word", Query{Text: strings.Repeat("x", 100_000)}},
		{"structured street", Query{City: "Vaduz", Finer: "Zollstrasse 82"}},
		{"structured post code alone", Query{Finer: "9490"}},
		{"structured city elsewhere", Query{City: "Vaduz", Country: "Germany"}},
		{"structured city that is a country", Query{City: "Liechtenstein"}},
		{"structured with words beside", Query{City: "Vaduz, Liechtenstein"}},
	}
	g := load(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, m := range g.Search(tt.query) {
				t.Errorf("Search(%.80v) found %s", tt.query, m.Place(nil).DisplayName)
			}
		})
	}
}

func TestSearchFilters(t *testing.T) {
	texas := place.Box{South: 25.8, North: 36.5, West: -106.7, East: -93.5}
	tests := []struct {
		name  string
		query Query
		want  []string // the first ones, in order
		count int      // of all; -1: not checked
	}{
		{"country code", Query{Text: "Paris", CountryCodes: []string{"us"}, Limit: 1},
			[]string{"Paris, Lamar County, Texas, United States"}, 1},
		{"country codes", Query{Text: "Monaco", CountryCodes: []string{"ad", "mc"}}, []string{"Monaco"}, -1},
		{"unknown country code", Query{Text: "Monaco", CountryCodes: []string{"xx"}}, nil, 0},
		{"limit", Query{Text: "San Francisco", Limit: 3},
			[]string{"San Francisco, City and County of San Francisco, California, United States"}, 3},
		{"limit of its own", Query{Text: "San Francisco"}, nil, 10},
		{"viewbox moves up", Query{Text: "Paris", Viewbox: &texas, Limit: 2},
			[]string{"Paris, Île-de-France, France", "Paris, Lamar County, Texas, United States"}, 2},
		{"viewbox moves to the top where it is close", Query{Text: "Moscow", Limit: 1, MinRank: 16,
			Viewbox: &place.Box{South: 46, North: 47, West: -118, East: -116}}, []string{"Moscow, Russia"}, 1},
		{"bounded", Query{Text: "Paris", Viewbox: &texas, Bounded: true},
			[]string{"Paris, Lamar County, Texas, United States"}, -1},
		{"excluded", Query{Text: "Paris, France", Exclude: []int64{2988507}, MinRank: 13, MaxRank: 16}, nil, -1},
		{"only countries", Query{Text: "Luxembourg", MinRank: 4, MaxRank: 4}, []string{"Luxembourg"}, 1},
		{"only states", Query{Text: "New York", MinRank: 8, MaxRank: 8}, []string{"New York, United States"}, 1},
		{"only settlements", Query{Text: "Liechtenstein", MinRank: 8, MaxRank: 20}, nil, 0},
		{"structured city", Query{City: "Vaduz"}, []string{"Vaduz, Liechtenstein"}, 1},
		{"structured in full", Query{City: "springfield", County: "sangamon county", State: "IL", Country: "us"},
			[]string{"Springfield, Sangamon County, Illinois, United States"}, 1},
		{"structured county", Query{County: "Lamar County", State: "Texas"}, []string{"Lamar County, Texas, United States"}, 1},
		{"structured state", Query{State: "Texas"}, []string{"Texas, United States"}, 1},
		{"structured country", Query{Country: "Liechtenstein"}, []string{"Liechtenstein"}, 1},
		{"structured country by code", Query{Country: "li"}, []string{"Liechtenstein"}, 1},
	}
	g := load(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found := g.Search(tt.query)
			if tt.count >= 0 && len(found) != tt.count {
				t.Errorf("found %d places, want %d", len(found), tt.count)
			}
			for i, want := range tt.want {
				if i >= len(found) {
					t.Fatalf("found %d places, want %q at %d", len(found), want, i)
				}
				if got := found[i].Place(nil).DisplayName; got != want {
					t.Errorf("found[%d] = %q, want %q", i, got, want)
				}
			}
			for _, m := range found {
				if tt.query.Bounded && !within(*tt.query.Viewbox, m.Point) {
					t.Errorf("found %v outside the viewbox", m.Point)
				}
				for _, id := range tt.query.Exclude {
					if m.ID == id {
						t.Errorf("found %d, which was excluded", id)
					}
				}
			}
		})
	}
}

func TestSearchDuplicates(t *testing.T) {
	g := load(t)
	q := Query{Text: "San Francisco, Veracruz, Mexico", Limit: 50}
	once := len(g.Search(q))
	q.KeepDuplicates = true
	if all := len(g.Search(q)); all < once || once == 0 {
		t.Errorf("%d places with duplicates, %d without", all, once)
	}
}

// TestSearchByFullName asks for places by the name that answers show: they must
// be among what comes back, in whatever language the country is named.
func TestSearchByFullName(t *testing.T) {
	g := load(t)
	const seed = 20230301
	random := rand.New(rand.NewPCG(seed, seed))
	t.Logf("seed %d", seed)
	for range 1000 {
		m := g.match(g.file.Areas() + random.IntN(g.file.Places()))
		for _, l := range []Languages{nil, ParseLanguages("de"), ParseLanguages("ja"), ParseLanguages("ar")} {
			p := m.Place(l)
			found := false
			for _, other := range g.Search(Query{Text: p.DisplayName, Limit: 50, KeepDuplicates: true}) {
				found = found || other.ID == m.ID
			}
			if !found {
				t.Errorf("Search(%q) does not find place %d", p.DisplayName, m.ID)
			}
		}
	}
}

func FuzzSearch(f *testing.F) {
	for _, s := range []string{"Paris, Texas", "北京", ",,,", "a a a a a a a a", "San San San", "\xff\x00", "New York New York NY USA"} {
		f.Add(s)
	}
	g := load(f)
	f.Fuzz(func(t *testing.T, s string) {
		if n := len(g.Search(Query{Text: s})); n > defaultLimit {
			t.Errorf("Search(%q) found %d places", s, n)
		}
	})
}

func BenchmarkSearch(b *testing.B) {
	g := load(b)
	for _, q := range []string{"Vaduz", "Paris, Texas", "San Francisco", "82 Zollstrasse, Vaduz"} {
		b.Run(q, func(b *testing.B) {
			for b.Loop() {
				g.Search(Query{Text: q})
			}
		})
	}
}
