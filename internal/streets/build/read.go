package build

import (
	"slices"

	"geogate/internal/streets/packed"
	"geogate/internal/streets/pbf"
)

// endPass sorts what the next pass looks up.
func (b *builder) endPass(pass int) {
	if pass == 1 {
		b.nodes.sort()
	}
}

func (b *builder) readRelations() pbf.Visitor {
	return pbf.Visitor{Relation: func(r *pbf.Relation) {
		kind := ""
		for _, t := range r.Tags {
			if t.Key == "type" {
				kind = t.Value
			}
		}
		switch kind {
		case "associatedStreet", "street":
			b.associate(r)
			return
		case "boundary", "multipolygon":
		default:
			return
		}
		if !rolesOf('R', r.Tags).any() {
			return
		}
		e := element{osmType: 'R', id: r.ID, version: r.Version, tags: b.keep(r.Tags)}
		for _, m := range r.Members {
			if m.Kind == pbf.RelationMember {
				continue
			}
			e.members = append(e.members, pbf.Member{Kind: m.Kind, ID: m.ID, Role: b.intern(m.Role)})
			if m.Kind == pbf.WayMember {
				b.memberWays[m.ID] = true
			}
		}
		b.elements = append(b.elements, e)
	}}
}

// associate notes the street that a relation gives to its houses.
func (b *builder) associate(r *pbf.Relation) {
	name := ""
	for _, t := range r.Tags {
		if t.Key == "name" || t.Key == "addr:street" && name == "" {
			name = b.intern(t.Value)
		}
	}
	if name == "" || len(name) > maxText {
		return
	}
	for _, m := range r.Members {
		if m.Role == "house" || m.Role == "address" || m.Role == "addr:houselink" {
			b.houseStreets[packed.IDKey("NWR"[m.Kind], m.ID)] = name
		}
	}
}

func (b *builder) readWays() pbf.Visitor {
	b.memberLines = make(map[int64][]int64, len(b.memberWays))
	return pbf.Visitor{Way: func(w *pbf.Way) {
		wanted := rolesOf('W', w.Tags).any()
		if !wanted && !b.memberWays[w.ID] {
			return
		}
		if len(w.Refs) == 0 {
			b.skipped++
			return
		}
		refs := slices.Clone(w.Refs)
		b.nodes.need(refs)
		if b.memberWays[w.ID] {
			b.memberLines[w.ID] = refs
		}
		if wanted {
			b.elements = append(b.elements, element{osmType: 'W', id: w.ID, version: w.Version, tags: b.keep(w.Tags), refs: refs})
		}
	}}
}

func (b *builder) readNodes() pbf.Visitor {
	return pbf.Visitor{Node: func(n *pbf.Node) {
		if n.Lat < -900_000_000 || n.Lat > 900_000_000 || n.Lon < -1_800_000_000 || n.Lon > 1_800_000_000 {
			b.skipped++
			return
		}
		at := packed.Point{Lat: n.Lat, Lon: n.Lon}
		b.nodes.put(n.ID, at)
		if len(n.Tags) == 0 {
			return
		}
		if rolesOf('N', n.Tags).any() {
			b.elements = append(b.elements, element{osmType: 'N', id: n.ID, version: n.Version, tags: b.keep(n.Tags), at: at})
		}
	}}
}

// nodeStore holds the positions of the nodes that ways need: 16 bytes a node.
type nodeStore struct {
	ids    []int64
	at     []packed.Point
	next   int // extracts are sorted: the next id is most often the one after
	sorted int // how many of ids were sorted and made unique while they were collected
}

// need asks for the positions of nodes.
func (s *nodeStore) need(refs []int64) {
	s.ids = append(s.ids, refs...)
	// Neighbouring ways share nodes. Sorting now and then keeps the list short.
	if len(s.ids) > 2*s.sorted+1<<20 {
		s.unique()
	}
}

func (s *nodeStore) unique() {
	slices.Sort(s.ids)
	s.ids = slices.Compact(s.ids)
	s.sorted = len(s.ids)
}

func (s *nodeStore) sort() {
	s.unique()
	s.at = make([]packed.Point, len(s.ids))
	for i := range s.at {
		s.at[i] = missing
	}
}

// missing stands for a node that the extract does not hold.
var missing = packed.Point{Lat: 1<<31 - 1, Lon: 1<<31 - 1}

func (s *nodeStore) put(id int64, at packed.Point) {
	if s.next >= len(s.ids) || s.ids[s.next] < id || s.next > 0 && s.ids[s.next-1] >= id {
		s.next, _ = slices.BinarySearch(s.ids, id)
	}
	if s.next < len(s.ids) && s.ids[s.next] == id {
		s.at[s.next] = at
		s.next++
	}
}

// get is the position of a node, or missing.
func (s *nodeStore) get(id int64) packed.Point {
	if i, ok := slices.BinarySearch(s.ids, id); ok {
		return s.at[i]
	}
	return missing
}
