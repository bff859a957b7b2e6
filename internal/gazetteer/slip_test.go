package gazetteer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"geogate/internal/gazetteer/fold"
	"geogate/internal/gazetteer/packed"
)

func TestOneLetterSlipsFindThePlace(t *testing.T) {
	tests := []struct{ query, name, country string }{
		{"Sna Francisco", "San Francisco", "us"},
		{"Barcelna", "Barcelona", "es"},
		{"Londn", "London", "gb"},
		{"Berlinn", "Berlin", "de"},
		{"Munihc", "Munich", "de"},
		{"Amsterdan", "Amsterdam", "nl"},
		{"Liechtenstei", "Liechtenstein", "li"},
		{"Pariz, France", "Paris", "fr"},
		{"Sna Francisco, California", "San Francisco", "us"},
		{"Москвв", "Moscow", "ru"},
	}
	g := load(t)
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			found := g.Search(Query{Text: tt.query})
			if len(found) == 0 || found[0].Name != tt.name || found[0].CountryCode != tt.country {
				t.Fatalf("Search(%q) = %v, want %s (%s)", tt.query, found, tt.name, tt.country)
			}
			if exact, ok := g.ByID(found[0].ID); ok && exact.Importance() != found[0].Importance() {
				t.Errorf("Search(%q): importance %v, want %v as without the slip", tt.query, found[0].Importance(), exact.Importance())
			}
		})
	}
	if found := g.Search(Query{City: "Barcelna", Country: "Spain"}); len(found) == 0 || found[0].Name != "Barcelona" {
		t.Errorf("the structured city Barcelna finds %v", found)
	}
}

func TestNoSlipsAreLookedFor(t *testing.T) {
	g := load(t)
	for _, query := range []string{"Rmoe", "Osll", "Vaduz, Germany", "8 Barcelna", "Barcelna 8001", "東京京", strings.Repeat("x", 41)} {
		if found := g.Search(Query{Text: query}); len(found) > 0 {
			t.Errorf("Search(%q) finds %s", query, found[0].Name)
		}
	}
	// A name that somebody bears stays theirs, however small.
	for _, m := range g.Search(Query{Text: "Barcelone"}) {
		if !slices.ContainsFunc(g.file.Lookup(fold.Key("Barcelone")), func(p packed.Posting) bool {
			return g.match(p.Ref).Name == m.Name
		}) {
			t.Errorf("Search(Barcelone) finds %s beside exact matches", m.Name)
		}
	}
}

// TestSlipsAreBounded holds the bound of what a query may cost.
func TestSlipsAreBounded(t *testing.T) {
	g := load(t)
	for _, query := range []string{
		"Qwertyuiopas", strings.Repeat("Qwertyuiop ", 3), strings.Repeat("Paris ", 31) + "Qwertyuiop",
		strings.Repeat("Qwertyuiop, ", 16),
	} {
		s := search{gazetteer: g, names: map[string][]packed.Posting{}, found: map[int]candidate{}}
		s.text(fold.Phrases(query))
		if s.slipLookups > maxSlipLookups+maxWords*2 {
			t.Errorf("%q: %d lookups, want at most %d", query, s.slipLookups, maxSlipLookups)
		}
	}
}

// TestSlipsOfWellKnownPlaces leaves a letter out of the queries of the list and
// says how long the slowest take.
func TestSlipsOfWellKnownPlaces(t *testing.T) {
	g := load(t)
	var took []time.Duration
	asked, right := 0, 0
	for _, e := range expectations(t) {
		letters := []rune(e.query)
		if len(letters) < 7 || strings.ContainsAny(e.query, ",.'") {
			continue
		}
		middle := len(letters) / 2
		query := string(slices.Delete(slices.Clone(letters), middle, middle+1))
		start := time.Now()
		found := g.Search(Query{Text: query, Limit: 10})
		took = append(took, time.Since(start))
		asked++
		if slices.ContainsFunc(found, e.met) {
			right++
		}
	}
	slices.Sort(took)
	t.Logf("%d of %d found; p50 %v, p99 %v", right, asked, took[len(took)/2], took[len(took)*99/100])
	if right*100 < asked*85 {
		t.Errorf("%d of %d found, want 85 %%", right, asked)
	}
}

func BenchmarkSlip(b *testing.B) {
	g := load(b)
	for b.Loop() {
		g.Search(Query{Text: "Sna Francisco"})
	}
}
