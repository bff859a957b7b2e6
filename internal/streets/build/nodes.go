package build

import (
	"slices"

	"geogate/internal/streets/packed"
)

// nodeStore holds the positions of the nodes that ways need. Ids that differ in
// their last 16 bits only lie in one block, so a node takes some 10 bytes.
type nodeStore struct {
	blocks map[int64]*nodeBlock
	number int64 // of the block that was asked for last
	last   *nodeBlock
}

type nodeBlock struct {
	ids    []uint16
	sorted int // how many of ids were left when they were sorted last
	at     []packed.Point
	next   int // extracts are sorted: the next id is most often the one after
}

const nodeBits = 16

// block is the block of an id, nil when there is none.
func (s *nodeStore) block(id int64) *nodeBlock {
	if n := id >> nodeBits; s.last == nil || n != s.number {
		s.number, s.last = n, s.blocks[n]
	}
	return s.last
}

// need asks for the positions of nodes.
func (s *nodeStore) need(refs []int64) {
	if s.blocks == nil {
		s.blocks = map[int64]*nodeBlock{}
	}
	for _, id := range refs {
		b := s.block(id)
		if b == nil {
			b = &nodeBlock{}
			s.blocks[id>>nodeBits], s.last = b, b
		}
		b.ids = append(b.ids, uint16(id))
		// Neighbouring ways share nodes. Sorting now and then keeps the list short.
		if len(b.ids) > 2*b.sorted+64 {
			b.unique()
		}
	}
}

func (b *nodeBlock) unique() {
	slices.Sort(b.ids)
	b.ids = slices.Compact(b.ids)
	b.sorted = len(b.ids)
}

// sort makes room for the positions of all nodes that were asked for.
func (s *nodeStore) sort() {
	for _, b := range s.blocks {
		b.unique()
		b.ids = append(make([]uint16, 0, len(b.ids)), b.ids...)
		b.at = make([]packed.Point, len(b.ids))
		for i := range b.at {
			b.at[i] = missing
		}
	}
}

// missing stands for a node that the extract does not hold.
var missing = packed.Point{Lat: 1<<31 - 1, Lon: 1<<31 - 1}

// put notes the position of a node if it was asked for.
func (s *nodeStore) put(id int64, at packed.Point) {
	b := s.block(id)
	if b == nil {
		return
	}
	low := uint16(id)
	if b.next >= len(b.ids) || b.ids[b.next] < low || b.next > 0 && b.ids[b.next-1] >= low {
		b.next, _ = slices.BinarySearch(b.ids, low)
	}
	if b.next < len(b.ids) && b.ids[b.next] == low {
		b.at[b.next] = at
		b.next++
	}
}

// get is the position of a node, or missing.
func (s *nodeStore) get(id int64) packed.Point {
	if b := s.block(id); b != nil {
		if i, ok := slices.BinarySearch(b.ids, uint16(id)); ok {
			return b.at[i]
		}
	}
	return missing
}
