package pbf

import "fmt"

// scale turns the coordinates of a block into units of 1e-7 degrees.
type scale struct{ granularity, lat, lon int64 }

func (s scale) degrees(offset, v int64) int32 { return int32((offset + s.granularity*v) / 100) }

func (d *decoder) block(b []byte) error {
	s := scale{granularity: 100}
	var table []byte
	var groups [][]byte
	m := message{b: b}
	for m.next() {
		switch m.field {
		case 1:
			table = m.bytes
		case 2:
			groups = append(groups, m.bytes)
		case 17:
			s.granularity = int64(m.value)
		case 19:
			s.lat = int64(m.value)
		case 20:
			s.lon = int64(m.value)
		}
	}
	if m.bad {
		return fmt.Errorf("%w: a bad block", ErrFormat)
	}
	tableRead := false
	for _, group := range groups {
		g := message{b: group}
		for g.next() {
			if !d.wanted(g.field) {
				continue
			}
			if !tableRead {
				tableRead = true
				if err := d.stringTable(table); err != nil {
					return err
				}
			}
			ok := false
			switch g.field {
			case 1:
				ok = d.node(g.bytes, s)
			case 2:
				ok = d.dense(g.bytes, s)
			case 3:
				ok = d.way(g.bytes)
			case 4:
				ok = d.relation(g.bytes)
			}
			if !ok {
				return fmt.Errorf("%w: a bad element", ErrFormat)
			}
		}
		if g.bad {
			return fmt.Errorf("%w: a bad group", ErrFormat)
		}
	}
	return nil
}

func (d *decoder) wanted(field int) bool {
	switch field {
	case 1, 2:
		return d.visit.Node != nil
	case 3:
		return d.visit.Way != nil
	case 4:
		return d.visit.Relation != nil
	default:
		return false
	}
}

// stringTable copies the strings once, into one allocation.
func (d *decoder) stringTable(b []byte) error {
	all := string(b)
	d.strings = d.strings[:0]
	m := message{b: b}
	for m.next() {
		if m.field == 1 {
			end := len(b) - len(m.b)
			d.strings = append(d.strings, all[end-len(m.bytes):end])
		}
	}
	if m.bad {
		return fmt.Errorf("%w: a bad string table", ErrFormat)
	}
	return nil
}

func (d *decoder) str(i uint64) (string, bool) {
	if i >= uint64(len(d.strings)) {
		return "", false
	}
	return d.strings[i], true
}

func (d *decoder) pairs() bool {
	d.tags = d.tags[:0]
	if len(d.keys) != len(d.vals) {
		return false
	}
	for i := range d.keys {
		k, ok := d.str(d.keys[i])
		v, ok2 := d.str(d.vals[i])
		if !ok || !ok2 {
			return false
		}
		d.tags = append(d.tags, Tag{k, v})
	}
	return true
}

// element is what the encodings of all elements begin with.
type element struct {
	id      int64
	version int32
}

// common reads the fields that all elements have, and tells whether f is one.
func (d *decoder) common(m *message, e *element) bool {
	switch m.field {
	case 2:
		p := packed{b: m.bytes}
		d.keys = p.appendTo(d.keys[:0])
		m.bad = m.bad || p.bad
	case 3:
		p := packed{b: m.bytes}
		d.vals = p.appendTo(d.vals[:0])
		m.bad = m.bad || p.bad
	case 4:
		info := message{b: m.bytes}
		for info.next() {
			if info.field == 1 {
				e.version = int32(info.value)
			}
		}
		m.bad = m.bad || info.bad
	default:
		return false
	}
	return true
}

func (d *decoder) reset() { d.keys, d.vals = d.keys[:0], d.vals[:0] }

func zigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

func (d *decoder) node(b []byte, s scale) bool {
	d.reset()
	var e element
	var lat, lon int64
	m := message{b: b}
	for m.next() {
		if d.common(&m, &e) {
			continue
		}
		switch m.field {
		case 1:
			e.id = zigzag(m.value)
		case 8:
			lat = zigzag(m.value)
		case 9:
			lon = zigzag(m.value)
		}
	}
	if m.bad || !d.pairs() {
		return false
	}
	d.visit.Node(&Node{e.id, e.version, s.degrees(s.lat, lat), s.degrees(s.lon, lon), d.tags})
	return true
}

func (d *decoder) dense(b []byte, s scale) bool {
	var ids, lats, lons, kvs packed
	d.versions = d.versions[:0]
	m := message{b: b}
	for m.next() {
		switch m.field {
		case 1:
			ids.b = m.bytes
		case 5:
			info := message{b: m.bytes}
			for info.next() {
				if info.field == 1 {
					for p := (packed{b: info.bytes}); p.more(); {
						d.versions = append(d.versions, int32(p.uint()))
					}
				}
			}
		case 8:
			lats.b = m.bytes
		case 9:
			lons.b = m.bytes
		case 10:
			kvs.b = m.bytes
		}
	}
	if m.bad {
		return false
	}
	var id, lat, lon int64
	var n Node
	for i := 0; ids.more(); i++ {
		if !lats.more() || !lons.more() {
			return false
		}
		id += ids.sint()
		lat += lats.sint()
		lon += lons.sint()
		d.tags = d.tags[:0]
		for kvs.more() {
			k := kvs.uint()
			if k == 0 {
				break
			}
			key, ok := d.str(k)
			value, ok2 := d.str(kvs.uint())
			if !ok || !ok2 {
				return false
			}
			d.tags = append(d.tags, Tag{key, value})
		}
		n = Node{ID: id, Lat: s.degrees(s.lat, lat), Lon: s.degrees(s.lon, lon), Tags: d.tags}
		if i < len(d.versions) {
			n.Version = d.versions[i]
		}
		d.visit.Node(&n)
	}
	return !ids.bad && !lats.bad && !lons.bad && !kvs.bad
}

func (d *decoder) way(b []byte) bool {
	d.reset()
	d.refs = d.refs[:0]
	var e element
	m := message{b: b}
	for m.next() {
		if d.common(&m, &e) {
			continue
		}
		switch m.field {
		case 1:
			e.id = int64(m.value)
		case 8:
			p, ref := packed{b: m.bytes}, int64(0)
			for p.more() {
				ref += p.sint()
				d.refs = append(d.refs, ref)
			}
			m.bad = m.bad || p.bad
		}
	}
	if m.bad || !d.pairs() {
		return false
	}
	d.visit.Way(&Way{e.id, e.version, d.tags, d.refs})
	return true
}

func (d *decoder) relation(b []byte) bool {
	d.reset()
	d.members = d.members[:0]
	var e element
	var roles, ids, kinds packed
	m := message{b: b}
	for m.next() {
		if d.common(&m, &e) {
			continue
		}
		switch m.field {
		case 1:
			e.id = int64(m.value)
		case 8:
			roles.b = m.bytes
		case 9:
			ids.b = m.bytes
		case 10:
			kinds.b = m.bytes
		}
	}
	id := int64(0)
	for ids.more() {
		id += ids.sint()
		role, ok := d.str(roles.uint())
		kind := kinds.uint()
		if !ok || kind > uint64(RelationMember) {
			return false
		}
		d.members = append(d.members, Member{MemberKind(kind), id, role})
	}
	if m.bad || ids.bad || roles.bad || kinds.bad || !d.pairs() {
		return false
	}
	d.visit.Relation(&Relation{e.id, e.version, d.tags, d.members})
	return true
}
