package packed

import (
	"encoding/binary"
	"math"
)

// Part is a range of docs that are listed by themselves.
type Part int

// The parts, in the order of their docs in the file.
const (
	AreaPart Part = iota // areas and post codes
	StreetPart
	POIPart
	Parts
)

// PartOf tells the part of a doc.
func (f *File) PartOf(doc uint32) Part {
	switch n := int(doc); {
	case n < f.Areas+f.PostCodes:
		return AreaPart
	case n < f.Areas+f.PostCodes+f.Streets:
		return StreetPart
	default:
		return POIPart
	}
}

// begin is the first doc of a part.
func (f *File) begin(p Part) uint32 {
	switch p {
	case AreaPart:
		return 0
	case StreetPart:
		return uint32(f.Areas + f.PostCodes)
	default:
		return uint32(f.Areas + f.PostCodes + f.Streets)
	}
}

// Posting is the docs that bear a word.
type Posting struct {
	Len int
	Of  [Parts]List
}

// List is a list of docs in ascending order.
type List struct {
	Len  int
	gaps Numbers
	last uint32
}

// Next reads the next doc; ok is false at the end.
func (l *List) Next() (doc uint32, ok bool) {
	if !l.gaps.More() {
		return 0, false
	}
	l.last += l.gaps.Next() + 1
	return l.last, true
}

// mixed marks words that docs of several parts bear. It stands where the part of
// the others does.
const mixed = uint32(Parts)

// Posting reads the docs that bear a word.
func (f *File) Posting(word uint32) (p Posting) {
	n := Numbers{f.entry(Postings, PostingEnds, word)}
	head := n.Next()
	p.Len = int(head >> 2)
	if part := head & 3; part != mixed {
		p.Of[part] = List{p.Len, n, f.begin(Part(part)) - 1}
		return p
	}
	areas, streets := int(n.Next()), int(n.Next())
	sizes := [...]uint32{n.Next(), n.Next(), math.MaxUint32}
	for part, count := range [...]int{areas, streets, p.Len - areas - streets} {
		size := min(uint64(sizes[part]), uint64(len(n.b)))
		p.Of[part] = List{count, Numbers{n.b[:size:size]}, f.begin(Part(part)) - 1}
		n.b = n.b[size:]
	}
	return p
}

// Frequency is the number of docs that bear a word.
func (f *File) Frequency(word uint32) int {
	n := Numbers{f.entry(Postings, PostingEnds, word)}
	return int(n.Next() >> 2)
}

// AppendPosting encodes a list of docs for Posting. first is the first doc of
// each part.
func AppendPosting(b []byte, docs []uint32, first [Parts]uint32) []byte {
	var lists [Parts][]byte
	var counts [Parts]int
	part := AreaPart
	next := uint32(0)
	for _, doc := range docs {
		for part+1 < Parts && doc >= first[part+1] {
			part++
			next = first[part]
		}
		lists[part] = binary.AppendUvarint(lists[part], uint64(doc-next)) // the gap
		counts[part]++
		next = doc + 1
	}
	total := uint64(len(docs)) << 2
	for part, count := range counts {
		if count == len(docs) {
			return append(binary.AppendUvarint(b, total|uint64(part)), lists[part]...)
		}
	}
	b = binary.AppendUvarint(b, total|uint64(mixed))
	for _, v := range [...]int{counts[AreaPart], counts[StreetPart], len(lists[AreaPart]), len(lists[StreetPart])} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	for _, l := range lists {
		b = append(b, l...)
	}
	return b
}

// MaxResidents is the most streets and points of interest that are listed for
// an area.
const MaxResidents = 1000

// Residents are the streets and points of interest that have an area or a post
// code in their context, for the areas that have few of them.
func (f *File) Residents(area uint32) List {
	n := Numbers{f.entry(Residents, ResidentEnds, area)}
	return List{int(n.Next()), n, f.begin(StreetPart) - 1}
}

// AppendList encodes docs for Residents. first is the first street.
func AppendList(b []byte, docs []uint32, first uint32) []byte {
	b = binary.AppendUvarint(b, uint64(len(docs)))
	for _, doc := range docs {
		b = binary.AppendUvarint(b, uint64(doc-first))
		first = doc + 1
	}
	return b
}

// entry is a record of a section whose ends lie in another.
func (f *File) entry(s, ends Section, i uint32) []byte {
	start := uint32(0)
	if i > 0 {
		start = f.uint32(ends, int(i)-1)
	}
	end := f.uint32(ends, int(i))
	if end < start {
		f.damaged.Store(true)
		return nil
	}
	return f.at(s, uint64(start), uint64(end-start))
}
