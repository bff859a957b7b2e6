package packed

import "encoding/binary"

// Tag is a key and a value, as numbers of strings.
type Tag struct{ Key, Value uint32 }

// Object is an element of OpenStreetMap as answers show it.
type Object struct {
	OSMType   byte // 'N', 'W' or 'R'; 0 for what is none
	OSMID     int64
	Class     uint32 // strings
	Type      uint32
	PlaceType uint32 // the place=* that names a boundary in addresses, or 0
	Level     uint8  // admin_level
	Number    uint32 // the house number as it is written, or 0
	Country   uint32 // ISO code, for countries
	Names     []Tag
	Extra     []Tag
	Box       [4]int32 // south, north, west, east
	Shape     uint32   // in Shapes, plus 1; 0: none
	Ways      []Way    // of a street
}

// Way is a piece of a street.
type Way struct {
	ID    int64
	Type  uint32
	Shape uint32 // in Shapes
}

// Append encodes o.
func (o *Object) Append(b []byte) []byte {
	r := []byte{o.OSMType}
	r = binary.AppendUvarint(r, uint64(o.OSMID))
	for _, v := range [...]uint32{o.Class, o.Type, o.PlaceType, uint32(o.Level), o.Number, o.Country} {
		r = binary.AppendUvarint(r, uint64(v))
	}
	for _, tags := range [...][]Tag{o.Names, o.Extra} {
		r = binary.AppendUvarint(r, uint64(len(tags)))
		for _, t := range tags {
			r = binary.AppendUvarint(r, uint64(t.Key))
			r = binary.AppendUvarint(r, uint64(t.Value))
		}
	}
	r = AppendSigned(r, o.Box[0])
	r = AppendSigned(r, o.Box[1]-o.Box[0])
	r = AppendSigned(r, o.Box[2])
	r = AppendSigned(r, o.Box[3]-o.Box[2])
	r = binary.AppendUvarint(r, uint64(o.Shape))
	r = binary.AppendUvarint(r, uint64(len(o.Ways)))
	for _, w := range o.Ways {
		r = binary.AppendUvarint(r, uint64(w.ID))
		r = binary.AppendUvarint(r, uint64(w.Type))
		r = binary.AppendUvarint(r, uint64(w.Shape))
	}
	return AppendRecord(b, r)
}

// Object reads an object.
func (f *File) Object(off uint32) *Object {
	o := &Object{}
	r := f.record(Objects, off)
	if len(r) == 0 {
		return o
	}
	o.OSMType = r[0]
	n := Numbers{r[1:]}
	o.OSMID = n.long()
	o.Class, o.Type, o.PlaceType, o.Level = n.Next(), n.Next(), n.Next(), uint8(n.Next())
	o.Number, o.Country = n.Next(), n.Next()
	o.Names, o.Extra = n.tags(), n.tags()
	o.Box[0] = n.Signed()
	o.Box[1] = o.Box[0] + n.Signed()
	o.Box[2] = n.Signed()
	o.Box[3] = o.Box[2] + n.Signed()
	o.Shape = n.Next()
	for count := n.Next(); count > 0 && n.More(); count-- {
		o.Ways = append(o.Ways, Way{n.long(), n.Next(), n.Next()})
	}
	return o
}

// Element reads what an object is in OpenStreetMap: 'N', 'W' or 'R', or 0, and
// its id.
func (f *File) Element(off uint32) (osmType byte, id int64) {
	r := f.record(Objects, off)
	if len(r) == 0 {
		return 0, 0
	}
	n := Numbers{r[1:]}
	return r[0], n.long()
}

func (n *Numbers) long() int64 {
	v, k := binary.Uvarint(n.b)
	if k <= 0 {
		n.b = nil
		return 0
	}
	n.b = n.b[k:]
	return int64(v)
}

func (n *Numbers) tags() []Tag {
	count := n.Next()
	tags := make([]Tag, 0, min(int(count), len(n.b)/2))
	for ; count > 0 && n.More(); count-- {
		tags = append(tags, Tag{n.Next(), n.Next()})
	}
	return tags
}

// Point is a position in 1e-7 degrees.
type Point struct{ Lat, Lon int32 }

// AppendLines encodes rings or lines, to be kept as a record in Shapes.
func AppendLines(b []byte, lines [][]Point) []byte {
	b = binary.AppendUvarint(b, uint64(len(lines)))
	var last Point
	for _, line := range lines {
		b = binary.AppendUvarint(b, uint64(len(line)))
		for _, p := range line {
			b = AppendSigned(b, p.Lat-last.Lat)
			b = AppendSigned(b, p.Lon-last.Lon)
			last = p
		}
	}
	return b
}

// Lines decodes what AppendLines made.
func Lines(record []byte) [][]Point {
	n := Numbers{record}
	var lines [][]Point
	var last Point
	for count := n.Next(); count > 0 && n.More(); count-- {
		size := n.Next()
		line := make([]Point, 0, min(int(size), len(n.b)))
		for ; size > 0 && n.More(); size-- {
			last.Lat += n.Signed()
			last.Lon += n.Signed()
			line = append(line, last)
		}
		lines = append(lines, line)
	}
	return lines
}

// AppendPoints appends the points of what AppendLines made to list, without
// telling its lines apart.
func AppendPoints(list []Point, record []byte) []Point {
	n := Numbers{record}
	var last Point
	for count := n.Next(); count > 0 && n.More(); count-- {
		for size := n.Next(); size > 0 && n.More(); size-- {
			last.Lat += n.Signed()
			last.Lon += n.Signed()
			list = append(list, last)
		}
	}
	return list
}

// Shape reads rings or lines.
func (f *File) Shape(off uint32) [][]Point { return Lines(f.record(Shapes, off)) }

// Walk calls yield with the segments of a shape without keeping them.
func (f *File) Walk(off uint32, yield func(a, b Point)) {
	n := Numbers{f.record(Shapes, off)}
	var last Point
	for count := n.Next(); count > 0 && n.More(); count-- {
		for i, size := uint32(0), n.Next(); i < size && n.More(); i++ {
			next := Point{last.Lat + n.Signed(), last.Lon + n.Signed()}
			if i > 0 {
				yield(last, next)
			}
			last = next
		}
	}
}
