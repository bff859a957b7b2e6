package pbf

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

func monaco(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("../testdata/monaco.osm.pbf")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestReadCountsWhatTheExtractHolds(t *testing.T) {
	var nodes, ways, relations, tagged int
	header, err := Read(bytes.NewReader(monaco(t)), Visitor{
		Node: func(n *Node) {
			nodes++
			if len(n.Tags) > 0 {
				tagged++
			}
			if n.Lat < 430000000 || n.Lat > 450000000 {
				t.Errorf("node %d lies at %d", n.ID, n.Lat)
			}
		},
		Way:      func(*Way) { ways++ },
		Relation: func(*Relation) { relations++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := header.Date.Format("2006-01-02T15:04:05Z"); got != "2020-07-19T20:58:03Z" {
		t.Errorf("date = %s", got)
	}
	if nodes == 0 || tagged == 0 || ways == 0 || relations == 0 {
		t.Errorf("read %d nodes (%d with tags), %d ways, %d relations", nodes, tagged, ways, relations)
	}
}

func TestReadRefusesWhatIsNoExtract(t *testing.T) {
	whole := monaco(t)
	for _, tt := range []struct {
		name string
		data []byte
	}{
		{"nothing", nil},
		{"text", []byte("<?xml version='1.0'?><osm/>")},
		{"cut off in a blob", whole[:len(whole)-100]},
		{"cut off in a size", whole[:2]},
		{"without its header", whole[200:]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read(bytes.NewReader(tt.data), Visitor{Node: func(*Node) {}})
			if !errors.Is(err, ErrFormat) {
				t.Errorf("Read = %v, want ErrFormat", err)
			}
		})
	}
}

// FuzzBlock reads damaged blocks: they are errors, never panics.
func FuzzBlock(f *testing.F) {
	whole := monaco(f)
	f.Add([]byte{})
	f.Add(whole[:256])
	f.Fuzz(func(_ *testing.T, b []byte) {
		count := func(tags []Tag) {
			for _, tag := range tags {
				_ = tag.Key + tag.Value
			}
		}
		d := &decoder{begun: true, visit: Visitor{
			Node: func(n *Node) { count(n.Tags) }, Way: func(w *Way) { count(w.Tags) },
			Relation: func(r *Relation) { count(r.Tags) },
		}}
		_ = d.block(b)
		_, _ = Read(bytes.NewReader(b), d.visit)
	})
}
