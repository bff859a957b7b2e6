package build_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"geogate/internal/geo"
	"geogate/internal/streets"
	"geogate/internal/streets/build"
	"geogate/internal/streets/packed"
	"geogate/internal/streets/pbf"
	"geogate/internal/streets/pbf/pbftest"
)

// town is what the extracts of the tests hold: a village of 1 km with a street.
// Ids up to 99 are taken.
type town struct {
	nodes     []pbf.Node
	ways      []pbf.Way
	relations []pbf.Relation
}

func tags(pairs ...string) (list []pbf.Tag) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, pbf.Tag{Key: pairs[i], Value: pairs[i+1]})
	}
	return list
}

// at is a node so many metres, roughly, north and east of the town's corner.
func at(id int64, north, east int32, pairs ...string) pbf.Node {
	return pbf.Node{ID: id, Version: 1, Lat: 471_000_000 + 90*north, Lon: 95_000_000 + 130*east, Tags: tags(pairs...)}
}

func newTown() *town {
	return &town{
		nodes: []pbf.Node{
			at(1, 0, 0), at(2, 1000, 0), at(3, 1000, 1000), at(4, 0, 1000), // its boundary
			at(10, 500, 100), at(11, 500, 500), at(12, 500, 900), // Main Street
			at(20, 500, 500, "place", "village", "name", "Oberdorf"),
		},
		ways: []pbf.Way{
			{ID: 1, Version: 1, Refs: []int64{1, 2, 3}},
			{ID: 2, Version: 1, Refs: []int64{1, 4, 3}},
			{ID: 10, Version: 1, Refs: []int64{10, 11, 12}, Tags: tags("highway", "residential", "name", "Hauptstrasse")},
		},
		relations: []pbf.Relation{{ID: 1, Version: 1, Tags: tags("type", "boundary", "boundary", "administrative", "admin_level", "8", "name", "Oberdorf"),
			Members: []pbf.Member{{Kind: pbf.WayMember, ID: 1, Role: "outer"}, {Kind: pbf.WayMember, ID: 2, Role: "outer"}}}},
	}
}

func (w *town) write(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	e := pbftest.NewWriter(&out, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	for _, n := range w.nodes {
		e.Node(n)
	}
	for _, v := range w.ways {
		e.Way(v)
	}
	for _, r := range w.relations {
		e.Relation(r)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "town.osm.pbf")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, extracts ...string) *streets.Streets {
	t.Helper()
	out := filepath.Join(t.TempDir(), "town.streets")
	if _, err := build.Import(t.Context(), extracts, out, build.Options{}); err != nil {
		t.Fatal(err)
	}
	s, err := streets.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// first is the first answer to a question, "" for none.
func first(t *testing.T, s *streets.Streets, question string) string {
	t.Helper()
	list, err := s.Search(streets.Query{Text: question})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		return ""
	}
	return list[0].Place(streets.Details{}).DisplayName
}

// TestBrokenDataIsSkipped imports a town with one thing more: what is whole is
// found, what is broken is not, and the rest of the town stays.
func TestBrokenDataIsSkipped(t *testing.T) {
	long := strings.Repeat("langername", 1000)
	house := func(id int64, number string, more ...string) pbf.Node {
		return at(id, 510, 300, append([]string{"addr:housenumber", number, "addr:street", "Hauptstrasse"}, more...)...)
	}
	ring := func(ways ...int64) []pbf.Relation {
		r := pbf.Relation{ID: 200, Version: 1, Tags: tags("type", "boundary", "boundary", "administrative", "admin_level", "9", "name", "Unterdorf")}
		for _, id := range ways {
			r.Members = append(r.Members, pbf.Member{Kind: pbf.WayMember, ID: id, Role: "outer"})
		}
		return []pbf.Relation{r}
	}
	for _, tt := range []struct {
		name           string
		add            town
		question, want string // "": nothing is found
	}{
		{"nothing more", town{}, "Hauptstrasse, Oberdorf", "Hauptstrasse, Oberdorf"},
		{"a house", town{nodes: []pbf.Node{house(100, "12")}}, "Hauptstrasse 12, Oberdorf", "12, Hauptstrasse, Oberdorf"},
		{"several numbers", town{nodes: []pbf.Node{house(100, "12-14;16a")}}, "Hauptstr. 16 A", "12-14;16a, Hauptstrasse, Oberdorf"},
		{"one side of a range", town{nodes: []pbf.Node{house(100, "12-14;16a")}}, "Hauptstr. 14", "12-14;16a, Hauptstrasse, Oberdorf"},
		{"a number of 100 digits", town{nodes: []pbf.Node{house(100, strings.Repeat("1", 100))}}, "Hauptstrasse 1", "Hauptstrasse, Oberdorf"},
		{"a name of 10,000 letters", town{nodes: []pbf.Node{at(100, 1, 1, "amenity", "cafe", "name", long)}}, long[:60], ""},
		{"a street of 10,000 letters", town{nodes: []pbf.Node{at(100, 505, 300, "addr:housenumber", "12", "addr:street", long)}},
			"Hauptstrasse 12", "12, Hauptstrasse, Oberdorf"}, // it stands there
		{"a way without nodes", town{ways: []pbf.Way{{ID: 100, Tags: tags("highway", "residential", "name", "Leerweg")}}}, "Leerweg", ""},
		{"a way whose nodes are missing", town{ways: []pbf.Way{{ID: 100, Refs: []int64{900, 901}, Tags: tags("highway", "residential", "name", "Leerweg")}}}, "Leerweg", ""},
		{"a way with one node missing", town{ways: []pbf.Way{{ID: 100, Refs: []int64{10, 900, 11}, Tags: tags("highway", "residential", "name", "Lochweg")}}},
			"Lochweg", "Lochweg, Oberdorf"},
		{"a closed boundary", town{relations: ring(1, 2)}, "Unterdorf", "Unterdorf, Oberdorf"},
		{"an open ring", town{relations: ring(1)}, "Unterdorf", ""},
		{"a ring with a missing way", town{relations: ring(1, 2, 999)}, "Unterdorf", ""},
		{"a ring without ways", town{relations: ring()}, "Unterdorf", ""},
		{"a level of no boundary", town{relations: []pbf.Relation{{ID: 200, Tags: tags("type", "boundary", "boundary", "administrative", "admin_level", "x", "name", "Unterdorf"),
			Members: []pbf.Member{{Kind: pbf.WayMember, ID: 1}, {Kind: pbf.WayMember, ID: 2}}}}}, "Unterdorf", ""},
		{"interpolation", town{nodes: []pbf.Node{house(100, "2"), at(101, 510, 700, "addr:housenumber", "10", "addr:street", "Hauptstrasse")},
			ways: []pbf.Way{{ID: 100, Refs: []int64{100, 101}, Tags: tags("addr:interpolation", "even")}}}, "Hauptstrasse 6", "6, Hauptstrasse, Oberdorf"},
		{"interpolation of the other side", town{nodes: []pbf.Node{house(100, "2"), at(101, 510, 700, "addr:housenumber", "10", "addr:street", "Hauptstrasse")},
			ways: []pbf.Way{{ID: 100, Refs: []int64{100, 101}, Tags: tags("addr:interpolation", "even")}}}, "Hauptstrasse 5", "Hauptstrasse, Oberdorf"},
		{"interpolation of a million", town{nodes: []pbf.Node{house(100, "2"), house(101, "2000000")},
			ways: []pbf.Way{{ID: 100, Refs: []int64{100, 101}, Tags: tags("addr:interpolation", "all")}}}, "Hauptstrasse 5", "Hauptstrasse, Oberdorf"},
		{"an associated street", town{nodes: []pbf.Node{at(100, 1, 1, "addr:housenumber", "7")}, relations: []pbf.Relation{{ID: 200,
			Tags: tags("type", "associatedStreet", "name", "Hauptstrasse"), Members: []pbf.Member{{Kind: pbf.NodeMember, ID: 100, Role: "house"}}}}},
			"Hauptstrasse 7", "7, Hauptstrasse, Oberdorf"},
		{"an area for people on foot", town{ways: []pbf.Way{{ID: 100, Refs: []int64{10, 11, 12, 10}, Tags: tags("highway", "pedestrian", "area:highway", "x", "name", "Platz")}}}, "Platz", ""},
		{"a name that is no text", town{nodes: []pbf.Node{at(100, 1, 1, "amenity", "cafe", "name", "\xff\xfe Adler")}}, "Adler", ""},
		{"a position off the earth", town{nodes: []pbf.Node{{ID: 100, Lat: 910_000_000, Tags: tags("amenity", "cafe", "name", "Adler")}}}, "Adler", ""},
		{"an id of an editor", town{nodes: []pbf.Node{at(-5, 1, 1, "amenity", "cafe", "name", "Adler")}}, "Adler", "Adler, Oberdorf"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newTown()
			w.nodes = append(w.nodes, tt.add.nodes...)
			w.ways = append(w.ways, tt.add.ways...)
			w.relations = append(w.relations, tt.add.relations...)
			s := open(t, w.write(t))
			if got := first(t, s, tt.question); got != tt.want {
				t.Errorf("%q is answered %q, want %q", tt.question, got, tt.want)
			}
			if got := first(t, s, "Hauptstrasse, Oberdorf"); !strings.HasPrefix(got, "Hauptstrasse, ") || !strings.HasSuffix(got, "Oberdorf") {
				t.Errorf("the town's own street is answered %q", got)
			}
		})
	}
}

// TestTheNewerVersionCounts imports two extracts that both have a place.
func TestTheNewerVersionCounts(t *testing.T) {
	older, newer := newTown(), newTown()
	older.nodes = append(older.nodes, pbf.Node{ID: 100, Version: 3, Lat: 471_001_000, Lon: 95_001_000, Tags: tags("amenity", "cafe", "name", "Zum alten Adler")})
	newer.nodes = append(newer.nodes, pbf.Node{ID: 100, Version: 4, Lat: 471_001_000, Lon: 95_001_000, Tags: tags("amenity", "cafe", "name", "Zum neuen Adler")})
	a, b := older.write(t), newer.write(t)
	for _, order := range [][]string{{a, b}, {b, a}} {
		s := open(t, order...)
		if got := first(t, s, "Zum neuen Adler"); got != "Zum neuen Adler, Oberdorf" {
			t.Errorf("the newer version is answered %q", got)
		}
		if info := s.Info(); info.POIs != 1 || info.Streets != 1 || info.Areas != 1 {
			t.Errorf("the file has %+v, want one of each", info)
		}
	}
}

func TestImportLeavesNothingBehindWhenItFails(t *testing.T) {
	whole := newTown().write(t)
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.osm.pbf")
	if err := os.WriteFile(cut, data[:len(data)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name    string
		ctx     context.Context //nolint:containedctx // a row of a table
		extract string
		want    error
	}{
		{"a cut off extract", t.Context(), cut, pbf.ErrFormat},
		{"no extract", t.Context(), filepath.Join(t.TempDir(), "none"), os.ErrNotExist},
		{"a caller who left", gone, whole, context.Canceled},
	} {
		dir := t.TempDir()
		if _, err := build.Import(tt.ctx, []string{tt.extract}, filepath.Join(dir, "town.streets"), build.Options{}); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: it left %v (%v)", tt.name, left, err)
		}
	}
	if _, err := build.Import(t.Context(), []string{whole}, filepath.Join(t.TempDir(), "no", "such", "place"), build.Options{}); err == nil {
		t.Error("a file in no directory is written")
	}
}

// TestEveryByteOfASmallFile flips each byte of a file in turn: the file does not
// open, or it answers with an error, or as the whole file does.
func TestEveryByteOfASmallFile(t *testing.T) {
	w := newTown()
	w.nodes = append(w.nodes, at(100, 510, 300, "addr:housenumber", "12", "addr:street", "Hauptstrasse"), at(101, 10, 10, "amenity", "cafe", "name", "Adler"))
	out := filepath.Join(t.TempDir(), "town.streets")
	if _, err := build.Import(t.Context(), []string{w.write(t)}, out, build.Options{}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want, err := everything(data)
	if err != nil || !strings.Contains(want, "12, Hauptstrasse, Oberdorf") || !strings.Contains(want, "Adler") {
		t.Fatalf("the whole file answers %q (%v)", want, err)
	}
	for i := range data {
		data[i] ^= 0x5A
		got, err := everything(data)
		if err == nil && got != want {
			t.Fatalf("byte %d of %d flipped: answered %q, want %q", i, len(data), got, want)
		}
		if err != nil && !errors.Is(err, packed.ErrDamaged) && !errors.Is(err, packed.ErrNotStreets) && !errors.Is(err, packed.ErrVersion) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
		data[i] ^= 0x5A
	}
}

// everything asks for all that the village has.
func everything(data []byte) (said string, err error) {
	s, err := streets.New(data)
	if err != nil {
		return "", err //nolint:wrapcheck // compared by the test
	}
	var found []streets.Match
	for _, q := range []string{"Hauptstrasse 12, Oberdorf", "Hauptstrase", "Adler", "Oberdorf"} {
		list, err := s.Search(streets.Query{Text: q})
		if err != nil {
			return "", err //nolint:wrapcheck // compared by the test
		}
		found = append(found, list...)
	}
	m, ok, err := s.Reverse(streets.ReverseQuery{Point: geo.Point{Lat: 47.1045, Lon: 9.5039}, Zoom: 18})
	if err != nil {
		return "", err //nolint:wrapcheck // compared by the test
	}
	if ok {
		found = append(found, m)
	}
	if m, ok := s.Lookup('R', 1); ok {
		found = append(found, m)
	}
	for _, m := range found {
		p := m.Place(streets.Details{Outline: streets.GeoJSON})
		said += p.DisplayName + p.Geometry.GeoJSON + "\n"
	}
	return said, s.Err()
}
