package geocoding

import (
	"testing"

	"geogate/internal/geo"
)

func TestMergeSuggestions(t *testing.T) {
	at := func(name string, lat float64) suggested {
		return suggested{Text: name, name: name, point: geo.Point{Lat: lat, Lon: 9}}
	}
	for _, c := range []struct {
		name  string
		lists [][]suggested
		limit int
		want  string
	}{
		{"nothing", nil, 5, ""},
		{"in turns", [][]suggested{{at("a", 1), at("b", 1)}, {at("c", 1), at("d", 1)}}, 5, "acbd"},
		{"of several lengths", [][]suggested{{at("a", 1)}, {at("c", 1), at("d", 1), at("e", 1)}}, 5, "acde"},
		{"no more than asked for", [][]suggested{{at("a", 1), at("b", 1)}, {at("c", 1)}}, 2, "ac"},
		{"one place of two sources", [][]suggested{{at("a", 1)}, {at("a", 1.04), at("b", 1)}}, 5, "ab"},
		{"two places of one name", [][]suggested{{at("a", 1)}, {at("a", 1.06)}}, 5, "aa"},
	} {
		got := ""
		for _, s := range mergeSuggestions(c.lists, c.limit) {
			got += s.Text
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
