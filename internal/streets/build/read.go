package build

import (
	"slices"

	"geogate/internal/streets/packed"
	"geogate/internal/streets/pbf"
)

// element is an object of the extract that becomes part of the file. There are
// millions: what is not of one size lies in arenas.
type element struct {
	key     uint64 // type and id, see packed.IDKey
	at      packed.Point
	box     box
	tags    uint32 // in builder.tags
	shape   uint32 // in builder.refs until it is assembled, then in builder.lines
	version int32
	roles   roles
}

// osmType is N, W or R.
func (e *element) osmType() byte { return "NWR"[e.key>>60&3] }

// id is the number of the element; in files of some editors it is negative.
func (e *element) id() int64 { return int64(e.key<<4) >> 4 }

// add keeps an element, if what is kept of its tags still makes it something.
func (b *builder) add(e element, osmType byte, id int64, tags []pbf.Tag) {
	var kept []pbf.Tag
	kept, e.tags = b.keep(tags)
	e.key = packed.IDKey(osmType, id)
	if e.roles = rolesOf(osmType, kept); !e.roles.any() {
		b.skipped++
		return
	}
	b.elements = append(b.elements, e)
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
		var ways, labels []int64
		for _, m := range r.Members {
			switch {
			case m.Kind == pbf.WayMember && (m.Role == "outer" || m.Role == "inner" || m.Role == ""):
				ways = append(ways, m.ID)
				b.memberWays[m.ID] = unread
			case m.Kind == pbf.NodeMember && (m.Role == "label" || m.Role == "admin_centre"):
				labels = append(labels, m.ID)
			}
		}
		b.add(element{shape: b.addRefs(ways), version: r.Version}, 'R', r.ID, r.Tags)
		if len(labels) > 0 {
			b.labels[packed.IDKey('R', r.ID)] = labels
		}
	}}
}

// associate notes the street that a relation gives to its houses.
func (b *builder) associate(r *pbf.Relation) {
	name := ""
	for _, t := range r.Tags {
		if t.Key == "name" || t.Key == "addr:street" && name == "" {
			name = t.Value
		}
	}
	if name == "" || len(name) > maxText {
		return
	}
	for _, m := range r.Members {
		if m.Role == "house" || m.Role == "address" || m.Role == "addr:houselink" {
			b.houseStreets[packed.IDKey("NWR"[m.Kind], m.ID)] = b.texts.number(name)
		}
	}
}

// unread stands for the nodes of a way that is needed and was not met.
const unread = 1<<32 - 1

func (b *builder) readWays() pbf.Visitor {
	return pbf.Visitor{Way: func(w *pbf.Way) {
		wanted := rolesOf('W', w.Tags).any()
		_, member := b.memberWays[w.ID]
		if !wanted && !member {
			return
		}
		if len(w.Refs) == 0 {
			b.skipped++
			return
		}
		refs := b.addRefs(w.Refs)
		b.nodes.need(w.Refs)
		if member {
			b.memberWays[w.ID] = refs
		}
		if wanted {
			b.add(element{shape: refs, version: w.Version}, 'W', w.ID, w.Tags)
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
		if len(n.Tags) > 0 && rolesOf('N', n.Tags).any() {
			b.add(element{at: at, box: boxOf(at), version: n.Version}, 'N', n.ID, n.Tags)
		}
	}}
}

// addRefs keeps a list of ids as the steps from one to the next.
func (b *builder) addRefs(ids []int64) uint32 {
	b.record = b.record[:0]
	last := int64(0)
	for _, id := range ids {
		b.record = appendSigned(b.record, id-last)
		last = id
	}
	return b.refs.add(b.record)
}

// refsAt appends a list of ids to list.
func (b *builder) refsAt(list []int64, at uint32) []int64 {
	last := int64(0)
	for r := b.refs.get(at); len(r) > 0; {
		step, n := signed(r)
		r = r[n:]
		last += step
		list = append(list, last)
	}
	return list
}

// sortElements brings the elements into the order of their ids, and drops the
// older versions of those that several extracts hold.
func (b *builder) sortElements() {
	if !slices.IsSortedFunc(b.elements, compareElements) {
		slices.SortFunc(b.elements, compareElements)
	}
	b.elements = slices.CompactFunc(b.elements, func(x, y element) bool { return x.key == y.key })
}
