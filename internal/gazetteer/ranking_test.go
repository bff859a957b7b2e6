package gazetteer

import (
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"testing"

	"geogate/internal/gazetteer/fold"
)

// expectation is a row of testdata/queries.tsv: what a query should find first.
type expectation struct {
	query     string
	names     []string // any of them
	countries []string // any of them
	in        string   // the kind of the match, or an area that it lies in; empty: any
}

func expectations(t *testing.T) []expectation {
	t.Helper()
	file, err := os.ReadFile("testdata/queries.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var all []expectation
	for n, line := range strings.Split(strings.TrimRight(string(file), "\n"), "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 4 {
			t.Fatalf("queries.tsv, line %d: %d columns, want 4", n+1, len(f))
		}
		if n > 0 {
			all = append(all, expectation{f[0], strings.Split(f[1], "|"), strings.Split(f[2], ","), f[3]})
		}
	}
	return all
}

func (e expectation) met(m Match) bool {
	named := slices.ContainsFunc(e.names, func(name string) bool { return fold.Key(name) == fold.Key(m.Name) })
	within := e.in == "" || string(m.Kind) == e.in ||
		slices.ContainsFunc(m.Areas, func(a Area) bool { return a.Name == e.in })
	return named && within && slices.Contains(e.countries, m.CountryCode)
}

// tuning reports whether a query may be looked at to tune the ranking. The
// others are held back, and show whether the rules hold for queries that they
// were not made for.
func (e expectation) tuning() bool {
	h := fnv.New32a()
	h.Write([]byte(e.query))
	return h.Sum32()&1 == 0
}

// TestWellKnownPlacesComeFirst asks for what people ask for.
func TestWellKnownPlacesComeFirst(t *testing.T) {
	const wanted = 0.95
	g := load(t)
	all := expectations(t)
	if len(all) < 500 {
		t.Fatalf("%d queries, want at least 500", len(all))
	}
	for name, tuning := range map[string]bool{"tuning": true, "held back": false} {
		asked, right := 0, 0
		for _, e := range all {
			if e.tuning() != tuning {
				continue
			}
			asked++
			found := g.Search(Query{Text: e.query, Limit: 1})
			switch {
			case len(found) == 0:
				t.Logf("%s: %q finds nothing, want %v (%v)", name, e.query, e.names, e.countries)
			case !e.met(found[0]):
				t.Logf("%s: %q finds %s %s (%s), want %v (%v) %s", name, e.query, found[0].Kind,
					found[0].Place(nil).DisplayName, found[0].CountryCode, e.names, e.countries, e.in)
			default:
				right++
			}
		}
		share := float64(right) / float64(asked)
		t.Logf("%s: %d of %d right, %.1f %%", name, right, asked, 100*share)
		if share < wanted {
			t.Errorf("%s: %.1f %% right, want %.0f %%", name, 100*share, 100*wanted)
		}
	}
}

// TestNoNoiseBehindTheFirst holds what comes second, or does not come at all:
// places whose names are only transliterated by machine, or codes of airports.
func TestNoNoiseBehindTheFirst(t *testing.T) {
	tests := []struct{ query, first, country, never string }{
		{"Rome", "Rome", "it", "Lomé"},
		{"USA", "United States", "us", "Concord"},
		{"Goa", "Goa", "in", "Genoa"},
		{"Bali", "Bali", "id", "Bari"},
		{"Cádiz", "Cadiz", "es", ""},
		{"Westminster", "Westminster", "gb", ""},
		{"Victoria", "Victoria", "au", ""}, // the state; the city in Canada comes next
	}
	g := load(t)
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			found := g.Search(Query{Text: tt.query})
			if len(found) == 0 || found[0].Name != tt.first || found[0].CountryCode != tt.country {
				t.Fatalf("Search(%q) = %v, want %s (%s) first", tt.query, found, tt.first, tt.country)
			}
			for _, m := range found {
				if m.Name == tt.never {
					t.Errorf("Search(%q) finds %s", tt.query, m.Name)
				}
			}
		})
	}
}
