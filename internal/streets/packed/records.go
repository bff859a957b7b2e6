package packed

import (
	"encoding/binary"
	"math"
)

// Kind is what a doc is.
type Kind uint8

// The kinds, in the order of their docs in the file.
const (
	Area Kind = iota // a boundary or a place
	PostCode
	Street
	POI
)

// None is the index of nothing.
const None = math.MaxUint32

// Doc is something with a name that can be searched for.
type Doc struct {
	Kind       Kind
	Rank       uint8  // Nominatim's rank_search
	Importance uint16 // 0…65535 for 0…1
	Lat, Lon   int32  // 1e-7 degrees
	Names      uint32 // in Names
	Object     uint32 // in Objects
	Context    uint32 // in Contexts
	House      uint32 // the first of its houses
	HouseCount uint32
}

const docBytes = 32

// Append encodes d.
func (d Doc) Append(b []byte) []byte {
	b = append(b, byte(d.Kind), d.Rank)
	b = binary.LittleEndian.AppendUint16(b, d.Importance)
	for _, v := range [...]uint32{uint32(d.Lat), uint32(d.Lon), d.Names, d.Object, d.Context, d.House, d.HouseCount} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// DocCount is the number of docs.
func (f *File) DocCount() int { return f.rows(Docs, docBytes) }

// Doc reads a doc.
func (f *File) Doc(i uint32) (d Doc) {
	b := f.at(Docs, uint64(i)*docBytes, docBytes)
	if len(b) < docBytes {
		return d
	}
	d.Kind, d.Rank, d.Importance = Kind(b[0]), b[1], binary.LittleEndian.Uint16(b[2:])
	d.Lat, d.Lon = int32(binary.LittleEndian.Uint32(b[4:])), int32(binary.LittleEndian.Uint32(b[8:]))
	d.Names, d.Object = binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[16:])
	d.Context = binary.LittleEndian.Uint32(b[20:])
	d.House, d.HouseCount = binary.LittleEndian.Uint32(b[24:]), binary.LittleEndian.Uint32(b[28:])
	return d
}

// KindOf tells the kind of a doc by its place in the file.
func (f *File) KindOf(doc uint32) Kind {
	switch n := int(doc); {
	case n < f.Areas:
		return Area
	case n < f.Areas+f.PostCodes:
		return PostCode
	case n < f.Areas+f.PostCodes+f.Streets:
		return Street
	default:
		return POI
	}
}

// House is an address. The houses of a street lie together.
type House struct {
	Street   uint32 // a doc
	Number   uint32 // the hash of the number, see Hash
	Lat, Lon int32
	Object   uint32
	Context  uint32
}

const houseBytes = 24

// Hash is what stands for a house number.
func Hash(number string) uint32 {
	h := uint32(2166136261)
	for i := range len(number) {
		h = (h ^ uint32(number[i])) * 16777619
	}
	return h
}

// Append encodes h.
func (h House) Append(b []byte) []byte {
	for _, v := range [...]uint32{h.Street, h.Number, uint32(h.Lat), uint32(h.Lon), h.Object, h.Context} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// House reads a house.
func (f *File) House(i uint32) (h House) {
	b := f.at(Houses, uint64(i)*houseBytes, houseBytes)
	if len(b) < houseBytes {
		return h
	}
	h.Street, h.Number = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	h.Lat, h.Lon = int32(binary.LittleEndian.Uint32(b[8:])), int32(binary.LittleEndian.Uint32(b[12:]))
	h.Object, h.Context = binary.LittleEndian.Uint32(b[16:]), binary.LittleEndian.Uint32(b[20:])
	return h
}

// Numbered calls yield with those of count houses from first on whose number has
// a hash.
func (f *File) Numbered(first, count, hash uint32, yield func(house uint32)) {
	rows := f.at(Houses, uint64(first)*houseBytes, uint64(count)*houseBytes)
	for i := uint32(0); len(rows) >= houseBytes; i++ {
		if binary.LittleEndian.Uint32(rows[4:]) == hash {
			yield(first + i)
		}
		rows = rows[houseBytes:]
	}
}

// String reads a string. It is a copy.
func (f *File) String(i uint32) string { return string(f.text(i)) }

// Is reports whether a string is s, without a copy.
func (f *File) Is(i uint32, s string) bool { return string(f.text(i)) == s }

func (f *File) text(i uint32) []byte { return f.entry(Strings, StringEnds, i) }

// Numbers reads a list of numbers from a record: the words of names, contexts.
type Numbers struct{ b []byte }

// More tells whether there are any left.
func (n *Numbers) More() bool { return len(n.b) > 0 }

// Next reads the next one, 0 at the end.
func (n *Numbers) Next() uint32 {
	if len(n.b) > 0 && n.b[0] < 0x80 { // most are small
		v := uint32(n.b[0])
		n.b = n.b[1:]
		return v
	}
	return n.long32()
}

func (n *Numbers) long32() uint32 {
	v := uint32(0)
	for i := 0; i < len(n.b) && i < 5; i++ {
		c := n.b[i]
		v |= uint32(c&0x7F) << (7 * i)
		if c < 0x80 {
			n.b = n.b[i+1:]
			return v
		}
	}
	n.b = nil
	return v
}

// Signed reads a signed number.
func (n *Numbers) Signed() int32 {
	v := n.Next()
	return int32(v>>1) ^ -int32(v&1)
}

// AppendSigned encodes a number for Signed.
func AppendSigned(b []byte, v int32) []byte {
	return binary.AppendUvarint(b, uint64(uint32(v)<<1^uint32(v>>31)))
}

// AppendRecord encodes a record: its length and its bytes.
func AppendRecord(b, record []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(record))), record...)
}

// NameWords reads the names of a doc as lists of words: for each name the
// number of its words, then the words.
func (f *File) NameWords(off uint32) Numbers { return Numbers{f.record(Names, off)} }

// Context reads where something lies: the number of docs that make its
// address, those docs from the smallest, then docs that people may also name.
func (f *File) Context(off uint32) Numbers { return Numbers{f.record(Contexts, off)} }

// Record reads the record at off of a section that is not yet in a file.
func Record(section []byte, off uint32) Numbers {
	n, k := binary.Uvarint(section[off:])
	start := int(off) + k
	return Numbers{section[start : start+int(n)]}
}
