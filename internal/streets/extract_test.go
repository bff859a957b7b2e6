package streets

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"geogate/internal/streets/build"
	"geogate/internal/streets/pbf"
	"geogate/internal/streets/pbf/pbftest"
)

// extract is one that a test makes up.
type extract struct {
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

// node adds a node so many metres, roughly, north and east of 47.1° N 9.5° E.
func (e *extract) node(id int64, north, east int32, pairs ...string) {
	e.nodes = append(e.nodes, pbf.Node{ID: id, Version: 1, Lat: 471_000_000 + 90*north, Lon: 95_000_000 + 130*east, Tags: tags(pairs...)})
}

func (e *extract) way(id int64, refs []int64, pairs ...string) {
	e.ways = append(e.ways, pbf.Way{ID: id, Version: 1, Refs: refs, Tags: tags(pairs...)})
}

// town adds a boundary of a municipality, 1 km by 1 km. Its ids are from id to
// id + 3.
func (e *extract) town(id int64, name string, north, east int32) {
	for i, corner := range [][2]int32{{0, 0}, {1000, 0}, {1000, 1000}, {0, 1000}} {
		e.node(id+int64(i), north+corner[0], east+corner[1])
	}
	e.way(id, []int64{id, id + 1, id + 2, id + 3, id})
	e.relations = append(e.relations, pbf.Relation{
		ID: id, Version: 1, Tags: tags("type", "boundary", "boundary", "administrative", "admin_level", "8", "name", name),
		Members: []pbf.Member{{Kind: pbf.WayMember, ID: id, Role: "outer"}},
	})
}

// open imports the extract and opens the file.
func (e *extract) open(t *testing.T) *Streets {
	t.Helper()
	var out bytes.Buffer
	w := pbftest.NewWriter(&out, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	for _, n := range e.nodes {
		w.Node(n)
	}
	for _, v := range e.ways {
		w.Way(v)
	}
	for _, r := range e.relations {
		w.Relation(r)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in, path := filepath.Join(dir, "made.osm.pbf"), filepath.Join(dir, "made.streets")
	if err := os.WriteFile(in, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := build.Import(t.Context(), []string{in}, path, build.Options{}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
