package main

import (
	"bufio"
	"cmp"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"time"

	"geogate/internal/streets/pbf"
	"geogate/internal/streets/pbf/pbftest"
)

// multiply writes an extract that is the given ones so many times over. Each
// copy has ids of its own, lies beside the others, and has half of its long
// words for itself, as another country has.
func multiply(extracts []string, copies int, out string) error {
	file, err := os.Create(out)
	if err != nil {
		return fmt.Errorf("multiply extracts: %w", err)
	}
	defer file.Close()
	buffer := bufio.NewWriterSize(file, 1<<20)
	w := pbftest.NewWriter(buffer, time.Date(2021, 10, 28, 0, 0, 0, 0, time.UTC))
	m := multiplied{}
	for _, path := range extracts {
		if err := m.read(path); err != nil {
			return err
		}
	}
	m.sort()
	for i := range copies {
		for _, n := range m.nodes {
			w.Node(pbf.Node{ID: n.ID + idStep*int64(i), Version: n.Version, Lat: n.Lat, Lon: aside(n.Lon, i), Tags: otherTags(n.Tags, i)})
		}
	}
	for i := range copies {
		for _, e := range m.ways {
			w.Way(pbf.Way{ID: e.ID + idStep*int64(i), Version: e.Version, Tags: otherTags(e.Tags, i), Refs: otherIDs(e.Refs, i)})
		}
	}
	for i := range copies {
		for _, e := range m.relations {
			members := slices.Clone(e.Members)
			for j := range members {
				members[j].ID += idStep * int64(i)
			}
			w.Relation(pbf.Relation{ID: e.ID + idStep*int64(i), Version: e.Version, Tags: otherTags(e.Tags, i), Members: members})
		}
	}
	if err := cmp.Or(w.Close(), buffer.Flush(), file.Close()); err != nil {
		return fmt.Errorf("multiply extracts: %w", err)
	}
	return nil
}

// idStep is more than any id of OpenStreetMap.
const idStep = 20_000_000_000

type multiplied struct {
	nodes     []pbf.Node
	ways      []pbf.Way
	relations []pbf.Relation
}

func (m *multiplied) read(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("multiply extracts: %w", err)
	}
	defer file.Close()
	_, err = pbf.Read(file, pbf.Visitor{
		Node: func(n *pbf.Node) {
			m.nodes = append(m.nodes, pbf.Node{ID: n.ID, Version: n.Version, Lat: n.Lat, Lon: n.Lon, Tags: slices.Clone(n.Tags)})
		},
		Way: func(e *pbf.Way) {
			m.ways = append(m.ways, pbf.Way{ID: e.ID, Version: e.Version, Tags: slices.Clone(e.Tags), Refs: slices.Clone(e.Refs)})
		},
		Relation: func(e *pbf.Relation) {
			m.relations = append(m.relations, pbf.Relation{ID: e.ID, Version: e.Version, Tags: slices.Clone(e.Tags), Members: slices.Clone(e.Members)})
		},
	})
	if err != nil {
		return fmt.Errorf("multiply %s: %w", path, err)
	}
	return nil
}

func (m *multiplied) sort() {
	slices.SortStableFunc(m.nodes, func(a, b pbf.Node) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortStableFunc(m.ways, func(a, b pbf.Way) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortStableFunc(m.relations, func(a, b pbf.Relation) int { return cmp.Compare(a.ID, b.ID) })
}

// aside is 2.1° to the east for each copy.
func aside(lon int32, nth int) int32 {
	const turn = 3_600_000_000
	v := (int64(lon) + 21_000_000*int64(nth) + turn/2) % turn
	return int32(v - turn/2)
}

func otherIDs(ids []int64, nth int) []int64 {
	other := make([]int64, len(ids))
	for i, id := range ids {
		other[i] = id + idStep*int64(nth)
	}
	return other
}

func otherTags(tags []pbf.Tag, nth int) []pbf.Tag {
	if nth == 0 {
		return tags
	}
	other := slices.Clone(tags)
	for i, t := range other {
		if strings.HasPrefix(t.Key, "name") || strings.HasSuffix(t.Key, "_name") || strings.HasPrefix(t.Key, "addr:") {
			list := strings.Split(t.Value, " ")
			for j := range list {
				list[j] = otherWord(list[j], nth)
			}
			other[i].Value = strings.Join(list, " ")
		}
	}
	return other
}

// otherWord replaces letters of half of all words of six letters and more.
func otherWord(word string, nth int) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(word))
	if len(word) < 6 || h.Sum32()&1 == 0 {
		return word
	}
	b := []byte(word)
	for i := range b {
		if b[i] >= 'a' && b[i] <= 'z' {
			b[i] = 'a' + byte((int(b[i]-'a')+nth*(1+i%5))%26)
		}
	}
	return string(b)
}
