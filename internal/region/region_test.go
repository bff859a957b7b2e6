package region

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"geogate/internal/geo"
)

func anyName(name string) bool { return name != "" && !strings.Contains(name, " ") }

func collection(features ...string) []byte {
	return []byte(`{"type":"FeatureCollection","features":[` + strings.Join(features, ",") + `]}`)
}

func feat(name, kind, coordinates string) string {
	return fmt.Sprintf(`{"type":"Feature","properties":{"name":%q},"geometry":{"type":%q,"coordinates":%s}}`, name, kind, coordinates)
}

// West and east share a border; west has a hole, east an island.
var (
	west = feat("west", "Polygon", `[[[0,0],[10,0],[10,10],[0,10],[0,0]],[[2,2],[4,2],[4,4],[2,4],[2,2]]]`)
	east = feat("east", "MultiPolygon", `[[[[10,0],[20,0],[20,10],[10,10],[10,0]]],[[[30,0],[31,0],[30.5,1],[30,0]]]]`)
)

func TestAt(t *testing.T) {
	m, err := Parse(collection(west, east), anyName)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		lon, lat float64
		want     string
	}{
		{5, 5, "west"}, {15, 5, "east"}, {3, 3, ""}, {1.9, 3, "west"}, {4.1, 3, "west"},
		{30.5, .5, "east"}, {30.1, .9, ""}, {25, 5, ""}, {-1, 5, ""}, {5, 11, ""}, {5, -0.1, ""},
		{10, 5, "east"}, {0, 5, "west"}, {5, 0, "west"},
	}
	for _, tt := range tests {
		if got, found := m.At(geo.Point{Lat: tt.lat, Lon: tt.lon}); got != tt.want || found != (tt.want != "") {
			t.Errorf("At(%g, %g) = %q, want %q", tt.lon, tt.lat, got, tt.want)
		}
	}
	if got := fmt.Sprint(m.Names()); got != "[west east]" {
		t.Errorf("Names = %s", got)
	}
}

// A border that two regions share leaves no point in both or in none.
func TestBordersAreExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var down, up []string
	for lat := 0.0; lat <= 10; lat += .125 {
		p := fmt.Sprintf("[%g,%g]", 10+rng.Float64(), lat)
		down, up = append([]string{p}, down...), append(up, p)
	}
	m, err := Parse(collection(
		feat("west", "Polygon", `[[[0,0],`+strings.Join(up, ",")+`,[0,10],[0,0]]]`),
		feat("east", "Polygon", `[[[20,10],`+strings.Join(down, ",")+`,[20,0],[20,10]]]`)), anyName)
	if err != nil {
		t.Fatal(err)
	}
	for range 100_000 {
		p := geo.Point{Lat: rng.Float64() * 10, Lon: 10 + rng.Float64()}
		if rng.IntN(3) == 0 {
			p.Lat = float64(rng.IntN(80)) * .125 // at the height of a corner
		}
		a, b := m.shapes[0].holds(p), m.shapes[1].holds(p)
		if a == b {
			t.Fatalf("%v is in west: %t, in east: %t", p, a, b)
		}
	}
}

func TestParseNamesEveryMistake(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no JSON", "name: west", "not GeoJSON"},
		{"a lone feature", west, `expected a FeatureCollection, not "Feature"`},
		{"no features", string(collection()), "there are no features"},
		{"no name", `{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":null}]}`, "feature 1 (): it has no name"},
		{"bad name", string(collection(feat("New York", "Polygon", `[[[0,0],[1,0],[1,1],[0,0]]]`))), "feature 1 (New York): a name is"},
		{"twice", string(collection(west, west)), "feature 2 (west): another feature has this name"},
		{"a point", string(collection(feat("a", "Point", `[0,0]`))), `expected a Polygon or MultiPolygon, not "Point"`},
		{"coordinates of another kind", string(collection(feat("a", "Polygon", `[0,0]`))), "the coordinates are not those of a Polygon"},
		{"no outline", string(collection(feat("a", "Polygon", `[]`))), "polygon 1 has no outline"},
		{"no polygon", string(collection(feat("a", "MultiPolygon", `[]`))), "it has no polygon"},
		{"too short", string(collection(feat("a", "Polygon", `[[[0,0],[1,0],[0,0]]]`))), "ring 1 of polygon 1 has fewer than 4 points"},
		{"open", string(collection(feat("a", "Polygon", `[[[0,0],[1,0],[1,1],[0,1]]]`))), "ring 1 of polygon 1 is not closed"},
		{"no area", string(collection(feat("a", "Polygon", `[[[0,0],[1,0],[2,0],[0,0]]]`))), "ring 1 of polygon 1 has no area"},
		{"latitude first", string(collection(feat("a", "Polygon", `[[[0,0],[1,0],[1,100],[0,0]]]`))), "point 3 of ring 1 of polygon 1 is out of range"},
		{"one number", string(collection(feat("a", "Polygon", `[[[0],[1,0],[1,1],[0,0]]]`))), "point 1 of ring 1 of polygon 1 has no longitude and latitude"},
	}
	for _, tt := range tests {
		if _, err := Parse([]byte(tt.text), anyName); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	_, err := Parse(collection(feat("A B", "Point", `[]`), feat("b", "Polygon", `[]`)), anyName)
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != 3 {
		t.Errorf("%d mistakes told, want 3: %v", n, err)
	}
}
