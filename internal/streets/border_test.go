package streets

import (
	"strings"
	"testing"

	"geogate/internal/geo"
)

// border makes the extracts of two towns that lie side by side.
func border(t *testing.T) (west, east *Streets) {
	t.Helper()
	var w, e extract
	w.town(1, "Westdorf", 0, 0)
	w.node(10, 100, 990)
	w.node(11, 900, 990)
	w.way(10, []int64{10, 11}, "highway", "residential", "name", "Weststrasse")
	e.town(101, "Ostdorf", 0, 1000)
	e.node(110, 100, 1100)
	e.node(111, 900, 1100)
	e.way(110, []int64{110, 111}, "highway", "residential", "name", "Oststrasse")
	e.node(112, 500, 1060, "addr:street", "Oststrasse", "addr:housenumber", "1")
	e.node(113, 500, 1100, "place", "hamlet", "name", "Ostweiler")
	return w.open(t), e.open(t)
}

// TestReverseAtTheBorder asks for points at the border of two extracts: each side
// is answered from its own, in whatever order they are open.
func TestReverseAtTheBorder(t *testing.T) {
	west, east := border(t)
	for _, tt := range []struct {
		name        string
		metresEast  float64
		zoom        int
		want, other string
	}{
		{"a street here, a house over there", 985, 18, "Weststrasse", "Oststrasse"},
		{"a house here, a street over there", 1058, 18, "1, Oststrasse", "Weststrasse"},
		{"the street over there is nearer", 1030, 17, "Weststrasse", "Oststrasse"},
		{"a town here, a hamlet over there", 950, 14, "Westdorf", "Ostweiler"},
		{"the hamlet itself", 1090, 14, "Ostweiler", "Westdorf"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := geo.Point{Lat: 47.1 + 500*90e-7, Lon: 9.5 + tt.metresEast*130e-7}
			for _, files := range []Files{{west, east}, {east, west}} {
				m, ok, err := files.Reverse(ReverseQuery{Point: p, Zoom: tt.zoom})
				if err != nil || !ok {
					t.Fatalf("Reverse = %v, %v", ok, err)
				}
				got := m.Place(Details{}).DisplayName
				if !strings.HasPrefix(got, tt.want) || strings.Contains(got, tt.other) {
					t.Errorf("got %q, want %s and not %s", got, tt.want, tt.other)
				}
				again, ok := files.ByID(m.ID)
				if !ok || !strings.HasPrefix(again.Place(Details{}).DisplayName, tt.want) && tt.zoom > 17 {
					t.Errorf("ByID(%d) = %q, %v", m.ID, again.Place(Details{}).DisplayName, ok)
				}
			}
		})
	}
}

// TestPlacesInTwoFilesAreOne asks two files that hold the same.
func TestPlacesInTwoFilesAreOne(t *testing.T) {
	other, err := New(small(t))
	if err != nil {
		t.Fatal(err)
	}
	one := Files{open(t, "mc")}
	for _, text := range []string{"25 boulevard de suisse", "boulevard de suisse, monaco", "monte-carlo", "casino"} {
		query := Query{Text: text, Limit: 40}
		want, err := one.Search(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		both, err := Files{one[0], other}.Search(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		if len(want) == 0 || len(both) != len(want) {
			t.Errorf("%s: %d places in two files that hold the same, want %d", text, len(both), len(want))
		}
	}
}
