package gazetteer

import (
	"slices"
	"strings"
	"testing"

	"geogate/internal/geo"
)

func TestSuggest(t *testing.T) {
	g := load(t)
	triesen, zurich := &geo.Point{Lat: 47.107, Lon: 9.528}, &geo.Point{Lat: 47.37, Lon: 8.54}
	for _, c := range []struct {
		name  string
		query Prefix
		want  string // the first
	}{
		{"one letter finds the best known", Prefix{Text: "z", CountryCodes: []string{"ch"}}, "Zürich"},
		{"a prefix without its accents", Prefix{Text: "zur"}, "Zürich"},
		{"a prefix with its accents", Prefix{Text: "Zür"}, "Zürich"},
		{"capitals", Prefix{Text: "ZUR"}, "Zürich"},
		{"another script", Prefix{Text: "北"}, "Beijing"},
		{"the whole name", Prefix{Text: "vaduz"}, "Vaduz"},
		{"the whole name before longer ones", Prefix{Text: "york", CountryCodes: []string{"gb"}}, "York"},
		{"a later word", Prefix{Text: "francis"}, "San Francisco"},
		{"two words", Prefix{Text: "san franc"}, "San Francisco"},
		{"a country", Prefix{Text: "liecht"}, "Liechtenstein"},
		{"the beginning of an area", Prefix{Text: "paris tex"}, "Paris"},
		{"an area after a comma", Prefix{Text: "Paris, Tex"}, "Paris"},
		{"one country", Prefix{Text: "v", CountryCodes: []string{"li"}}, "Vaduz"},
		{"several countries", Prefix{Text: "be", CountryCodes: []string{"ch", "li"}}, "Bern"},
		{"near the reader", Prefix{Text: "v", Near: triesen}, "Vaduz"},
		{"near the reader, though small", Prefix{Text: "tri", Near: triesen}, "Triesen"},
		{"near another reader", Prefix{Text: "tri", Near: &geo.Point{Lat: 32.9, Lon: 13.2}}, "Tripoli"},
		{"far away, though famous", Prefix{Text: "tok", Near: zurich}, "Tokyo"},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := g.Suggest(c.query)
			if len(found) == 0 || found[0].Name != c.want {
				t.Errorf("Suggest(%+v) = %v, want %s first", c.query, names(found), c.want)
			}
		})
	}
}

func TestSuggestKnowsWhereAreasAre(t *testing.T) {
	for _, text := range []string{"paris tex", "Paris, Lamar County, Tex"} {
		found := load(t).Suggest(Prefix{Text: text})
		if len(found) == 0 || !strings.Contains(found[0].Place(nil).DisplayName, "Texas") {
			t.Errorf("Suggest(%q) = %v, want the one in Texas", text, names(found))
		}
	}
}

func TestSuggestNothing(t *testing.T) {
	for _, text := range []string{"", " ", ",", "qqqqq", "vaduzqqq", strings.Repeat("a ", 100), "\xff"} {
		if found := load(t).Suggest(Prefix{Text: text}); len(found) > 0 {
			t.Errorf("Suggest(%q) = %v, want nothing", text, names(found))
		}
	}
}

// Names repeat: a reader cannot tell two suggestions apart that read alike.
func TestSuggestSaysNothingTwice(t *testing.T) {
	for _, text := range []string{"s", "san", "são paulo", "new y", "springf"} {
		found := load(t).Suggest(Prefix{Text: text, Limit: 20})
		if len(found) != 20 && !strings.Contains(text, " ") { // fewer places are called so
			t.Errorf("Suggest(%q) finds %d, want 20", text, len(found))
		}
		labels := map[string]bool{}
		for _, m := range found {
			label := m.Place(nil).DisplayName
			if labels[label] {
				t.Errorf("Suggest(%q) says %s twice", text, label)
			}
			labels[label] = true
		}
	}
}

// The reader's language moves a place of its country up, and no further than one
// of twice its size.
func TestSuggestHeedsTheLanguage(t *testing.T) {
	g := load(t)
	place := func(language string) int {
		found := g.Suggest(Prefix{Text: "mo", Languages: ParseLanguages(language), Limit: 20})
		return slices.IndexFunc(found, func(m Match) bool { return m.Name == "Montréal" || m.Name == "Montreal" })
	}
	if french, russian := place("fr-CA"), place("ru"); french < 0 || russian >= 0 && french >= russian {
		t.Errorf("Montréal is suggested at %d to readers of French in Canada, at %d to readers of Russian", french, russian)
	}
}

// Whatever is looked up by prefix is what a walk over all names finds first.
func TestSuggestFindsTheMostProminent(t *testing.T) {
	g := load(t)
	for _, text := range []string{"b", "ber", "berl", "st", "al", "ma", "new", "ш"} {
		found := g.Suggest(Prefix{Text: text, Limit: 1})
		all := g.Suggest(Prefix{Text: text, Limit: 20})
		if len(found) != 1 || len(all) == 0 || found[0].Name != all[0].Name {
			t.Errorf("Suggest(%q): %v with limit 1, %v with limit 20", text, names(found), names(all))
		}
	}
}

func names(matches []Match) []string {
	list := make([]string, len(matches))
	for i, m := range matches {
		list[i] = m.Place(nil).DisplayName
	}
	return list
}

func BenchmarkSuggest(b *testing.B) {
	g := load(b)
	near := &geo.Point{Lat: 50.94, Lon: 6.96} // where places are dense
	for _, c := range []struct {
		name  string
		query Prefix
	}{
		{"letter", Prefix{Text: "s", Limit: 5}},
		{"prefix", Prefix{Text: "zur", Limit: 5}},
		{"name", Prefix{Text: "san francisco", Limit: 5}},
		{"near", Prefix{Text: "k", Limit: 5, Near: near}},
		{"country", Prefix{Text: "v", Limit: 5, CountryCodes: []string{"li"}}},
		{"areas", Prefix{Text: "paris lamar county tex", Limit: 5}},
		{"nothing", Prefix{Text: "a b c d e f g", Limit: 5}},
		{"twenty", Prefix{Text: "s", Limit: 20, Near: near}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				g.Suggest(c.query)
			}
		})
	}
}
