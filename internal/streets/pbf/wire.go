package pbf

import "encoding/binary"

// message walks over the fields of an encoded protobuf message.
type message struct {
	b     []byte
	field int
	value uint64 // of a varint
	bytes []byte // of a length-delimited field
	bad   bool   // the message ended inside of a field
}

func (m *message) next() bool {
	if len(m.b) == 0 || m.bad {
		return false
	}
	key := m.varint()
	m.field, m.bytes, m.value = int(key>>3), nil, 0
	switch key & 7 {
	case 0:
		m.value = m.varint()
	case 1:
		m.skip(8)
	case 2:
		n := m.varint()
		if m.bad || n > uint64(len(m.b)) {
			m.bad = true
			return false
		}
		m.bytes, m.b = m.b[:n:n], m.b[n:]
	case 5:
		m.skip(4)
	default:
		m.bad = true
	}
	return !m.bad
}

func (m *message) varint() uint64 {
	v, n := binary.Uvarint(m.b)
	if n <= 0 {
		m.bad = true
		m.b = nil
		return 0
	}
	m.b = m.b[n:]
	return v
}

func (m *message) skip(n int) {
	if n > len(m.b) {
		m.bad = true
		return
	}
	m.b = m.b[n:]
}

// packed walks over the varints of a packed field. At its end it gives zeros.
type packed struct {
	b   []byte
	bad bool
}

func (p *packed) more() bool { return len(p.b) > 0 && !p.bad }

func (p *packed) uint() uint64 {
	if len(p.b) > 0 && p.b[0] < 0x80 {
		v := p.b[0]
		p.b = p.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(p.b)
	if n <= 0 {
		p.bad = true
		p.b = nil
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *packed) sint() int64 {
	v := p.uint()
	return int64(v>>1) ^ -int64(v&1)
}

func (p *packed) appendTo(list []uint64) []uint64 {
	for p.more() {
		list = append(list, p.uint())
	}
	return list
}
