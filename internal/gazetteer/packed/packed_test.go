package packed

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"geogate/internal/geo"
)

// content is a small world: a country with a hole, its state, and places all
// over the globe.
func content(places int) Content {
	random := rand.New(rand.NewPCG(1, 2))
	square := func(from, to float64) []geo.Point {
		return []geo.Point{{Lat: from, Lon: from}, {Lat: from, Lon: to}, {Lat: to, Lon: to}, {Lat: to, Lon: from}, {Lat: from, Lon: from}}
	}
	c := Content{
		Date: time.Date(2023, 3, 1, 0, 0, 0, 0, time.UTC),
		Areas: []Area{
			{Name: "Squareland", Level: Country, Code: "sq", Parent: NoArea, Point: geo.Point{Lat: 5, Lon: 5},
				Population: 7, Box: Box{South: 0, North: 10, West: 0, East: 10}},
			{Name: "Corner", Level: State, Code: "sq", Parent: 0, Point: geo.Point{Lat: 1, Lon: 1}},
		},
		Rings: []Ring{{0, square(0, 10)}, {0, square(4, 6)}},
		Names: map[string][]Posting{
			"squareland": {{0, Main}},
			"sq":         {{0, Code}},
			"corner":     {{1, Main}, {2, Alternate}, {2, Main}},
		},
	}
	for i := range places {
		name := fmt.Sprintf("place %d", i)
		c.Places = append(c.Places, Place{
			ID: int64(1000 - i), Name: name, Population: int64(i), Feature: Feature(i % 14), Area: i % 2,
			Point: geo.Point{Lat: math.Round(random.Float64()*18e6-9e6) / 1e5, Lon: math.Round(random.Float64()*36e6-18e6) / 1e5},
		})
		c.Names[name] = append(c.Names[name], Posting{len(c.Areas) + i, Main})
	}
	return c
}

func open(t *testing.T, c Content) *File {
	t.Helper()
	b, err := Write(c)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(b)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	c := content(500)
	f := open(t, c)
	if !f.Date().Equal(c.Date) || f.Names() != len(c.Names) {
		t.Errorf("date %v and %d names, want %v and %d", f.Date(), f.Names(), c.Date, len(c.Names))
	}
	for i, want := range c.Areas {
		if diff := cmp.Diff(want, f.Area(i)); diff != "" {
			t.Errorf("Area(%d) differs:\n%s", i, diff)
		}
	}
	for _, want := range c.Places {
		i, ok := f.ByID(want.ID)
		if !ok {
			t.Fatalf("ByID(%d): not found", want.ID)
		}
		if diff := cmp.Diff(want, f.Place(i)); diff != "" {
			t.Errorf("Place(%d) differs:\n%s", i, diff)
		}
		if got := f.Lookup(want.Name); !slices.Equal(got, []Posting{{len(c.Areas) + i, Main}}) {
			t.Errorf("Lookup(%q) = %v, want place %d", want.Name, got, i)
		}
	}
	i, _ := f.ByID(1000)
	if got := f.Lookup("corner"); !slices.Equal(got, []Posting{{1, Main}, {len(c.Areas) + i, Main}}) {
		t.Errorf("Lookup(corner) = %v, want the area and place %d, each under its best kind", got, i)
	}
	for _, name := range []string{"", "a", "corne", "cornerr", "place", "place 5000", "zzz"} {
		if got := f.Lookup(name); got != nil {
			t.Errorf("Lookup(%q) = %v, want nothing", name, got)
		}
	}
}

func TestDigestChangesWithTheContent(t *testing.T) {
	one, same, other := open(t, content(3)), open(t, content(3)), open(t, content(4))
	if one.Digest() != same.Digest() || one.Digest() == other.Digest() || len(one.Digest()) != 16 {
		t.Errorf("digests %q, %q and %q, want the first two alike", one.Digest(), same.Digest(), other.Digest())
	}
}

func TestNearestAgreesWithTryingAll(t *testing.T) {
	f := open(t, content(500))
	random := rand.New(rand.NewPCG(3, 4))
	points := []geo.Point{{Lat: 90}, {Lat: -90}, {Lat: 0, Lon: 180}, {Lat: 0, Lon: -180}}
	for range 500 {
		points = append(points, geo.Point{Lat: random.Float64()*180 - 90, Lon: random.Float64()*360 - 180})
	}
	const slack = 300_000
	cost := func(i int, metres float64) float64 {
		if i%3 == 0 {
			return math.Inf(1)
		}
		return metres - float64(f.Population(i))/500*slack
	}
	for _, p := range points {
		best, least := -1, 2e6
		for i := range f.Places() {
			if c := cost(i, geo.Distance(p, f.Point(i))); c < least {
				best, least = i, c
			}
		}
		i, got, ok := f.Nearest(p, slack, 2e6, cost)
		if i != best || ok != (best >= 0) || got != least {
			t.Errorf("Nearest(%v) = %d at %.0f, want %d at %.0f", p, i, got, best, least)
		}
	}
}

func TestCountries(t *testing.T) {
	f := open(t, content(1))
	tests := []struct {
		name     string
		p        geo.Point
		found    bool
		inside   bool
		distance float64 // kilometres
	}{
		{"well inside", geo.Point{Lat: 2, Lon: 5}, true, true, 222},
		{"near the edge", geo.Point{Lat: 5, Lon: 9.95}, true, true, 5.5},
		{"in the hole", geo.Point{Lat: 5, Lon: 5}, false, false, 0},
		{"in the hole, near its edge", geo.Point{Lat: 5, Lon: 5.95}, true, false, 5.5},
		{"just outside", geo.Point{Lat: -0.05, Lon: 5}, true, false, 5.6},
		{"seen around the globe", geo.Point{Lat: 5, Lon: -359.95 + 360}, true, true, 5.5},
		{"far away", geo.Point{Lat: 5, Lon: 11}, false, false, 0},
		{"at a pole", geo.Point{Lat: 90, Lon: 5}, false, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := f.Countries(tt.p, 10_000)
			if len(got) > 1 || (len(got) == 1) != tt.found {
				t.Fatalf("Countries(%v) = %v, want found %t", tt.p, got, tt.found)
			}
			if tt.found && (got[0].Inside != tt.inside || math.Abs(got[0].Distance/1000-tt.distance) > 0.5) {
				t.Errorf("Countries(%v) = %v, want inside %t at %.1f km", tt.p, got, tt.inside, tt.distance)
			}
		})
	}
}

func TestOpenRefusesDamage(t *testing.T) {
	good, err := Write(content(3))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"another file":      []byte("PK\x03\x04 and so on, long enough to hold a header of any kind, surely"),
		"another version":   append([]byte("geogate gazetteer 9\n"), good[len(magic):]...),
		"cut in the header": good[:headerBytes-1],
		"cut in the middle": good[:len(good)/2],
		"too long":          append(slices.Clone(good), 0),
	} {
		if _, err := Open(b); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: Open() = %v, want ErrFormat", name, err)
		}
	}
}

func TestWriteRefusesWhatDoesNotFit(t *testing.T) {
	for name, spoil := range map[string]func(*Content){
		"place without a name": func(c *Content) { c.Places[0].Name = "" },
		"long name":            func(c *Content) { c.Places[0].Name = string(make([]byte, 256)) },
		"id out of range":      func(c *Content) { c.Places[0].ID = 1 << 32 },
		"id twice":             func(c *Content) { c.Places[0].ID = c.Places[1].ID },
		"position off globe":   func(c *Content) { c.Places[0].Point.Lat = 91 },
		"country code":         func(c *Content) { c.Areas[0].Code = "squ" },
		"ring without area":    func(c *Content) { c.Rings[0].Points = c.Rings[0].Points[:2] },
		"too many areas":       func(c *Content) { c.Areas = make([]Area, NoArea) },
	} {
		c := content(3)
		spoil(&c)
		if _, err := Write(c); err == nil {
			t.Errorf("%s: Write() succeeded", name)
		}
	}
}
