package streets

import (
	"strings"
	"testing"

	"geogate/internal/geo"
	"geogate/internal/place"
	"geogate/internal/streets/pbf"
)

// villages is how many have a street of the same name: more than are listed.
const villages = maxListed + 1000

// villageName is a word that no other village bears.
func villageName(n int) string {
	name := []byte("dorf")
	for range 4 {
		name = append(name, "bdfghklmnprstvwz"[n%16])
		n /= 16
	}
	return string(name)
}

// villageAt is where a village lies, some 5 km from the next.
func villageAt(n int) geo.Point {
	return geo.Point{Lat: 40 + 0.06*float64(n/110), Lon: 5 + 0.06*float64(n%110)}
}

// alike are villages that all have a Hauptstrasse and an Alte Kirche.
func alike(t *testing.T) *Streets {
	t.Helper()
	var e extract
	for n := range villages {
		id, p := int64(10*n+1), villageAt(n)
		lat, lon := int32(p.Lat*1e7), int32(p.Lon*1e7)
		e.nodes = append(e.nodes,
			pbf.Node{ID: id, Version: 1, Lat: lat, Lon: lon, Tags: tags("place", "village", "name", villageName(n))},
			pbf.Node{ID: id + 1, Version: 1, Lat: lat, Lon: lon},
			pbf.Node{ID: id + 2, Version: 1, Lat: lat + 5000, Lon: lon},
			pbf.Node{ID: id + 3, Version: 1, Lat: lat + 2000, Lon: lon + 2000, Tags: tags("amenity", "place_of_worship", "name", "Alte Kirche")})
		e.way(id, []int64{id + 1, id + 2}, "highway", "residential", "name", "Hauptstrasse")
	}
	return e.open(t)
}

// TestFrequentWords asks for what very many places are called: what is read for one
// question is bounded, and still the right one is found.
func TestFrequentWords(t *testing.T) {
	s := alike(t)
	last := villages - 1
	at := villageAt(last)
	box := &place.Box{South: at.Lat - 0.02, North: at.Lat + 0.02, West: at.Lon - 0.02, East: at.Lon + 0.02}
	for _, tt := range []struct {
		name  string
		query Query
		want  string // is in the first answer
	}{
		{"by its village", Query{Text: "Hauptstrasse, " + villageName(last)}, villageName(last)},
		{"in any order", Query{Text: villageName(last-1) + " Hauptstr."}, villageName(last - 1)},
		{"a point of interest", Query{Text: "Alte Kirche " + villageName(last)}, villageName(last)},
		{"structured", Query{Street: "Hauptstrasse", City: villageName(last)}, villageName(last)},
		{"in a viewbox", Query{Text: "Hauptstrasse", Viewbox: box, Bounded: true}, villageName(last)},
		{"in the viewbox first", Query{Text: "Alte Kirche", Viewbox: box}, villageName(last)},
		{"near somebody", Query{Text: "Hauptst", Prefix: true, Near: &at}, villageName(last)},
		{"anywhere", Query{Text: "Hauptstrasse"}, "Hauptstrasse"},
		{"misspelled", Query{Text: "Hauptstrase " + villageName(last)}, villageName(last)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := s.begin(tt.query, nil)
			defer x.end()
			if !x.understood() {
				x.runSlips(0)
			}
			if listed := len(x.table.used); listed > maxAreas+2*maxListed+1000 || len(x.chosen) > maxLooked {
				t.Errorf("%d docs are listed and %d looked at", listed, len(x.chosen))
			}
			list, err := x.matches()
			if err != nil {
				t.Fatal(err)
			}
			got := "nothing"
			if len(list) > 0 {
				got = list[0].Place(Details{}).DisplayName
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %s", got, tt.want)
			}
		})
	}
}
