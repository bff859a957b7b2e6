package streets

import "math/bits"

// table collects for each doc, each context or each word the terms that it holds.
// It keeps its memory for the next search.
type table struct {
	slots []slot
	used  []uint32 // slots in use
	shift uint
}

type slot struct {
	doc    uint32 // plus 1; 0: free
	mask   uint32 // terms
	slip   uint32 // terms that only a slip of the pen brought here
	read   bool   // all words of its names were looked at
	chosen bool
}

// add notes that terms are held.
func (s *slot) add(mask uint32, slip bool) {
	if slip {
		s.slip |= mask &^ s.mask
	} else {
		s.slip &^= mask
	}
	s.mask |= mask
}

// join adds what another holds.
func (s *slot) join(o slot) {
	s.add(o.mask&^o.slip, false)
	s.add(o.slip, true)
}

const tableBits = 10

func (t *table) reset() {
	if t.slots == nil {
		t.slots = make([]slot, 1<<tableBits)
		t.shift = 32 - tableBits
	}
	for _, i := range t.used {
		t.slots[i] = slot{}
	}
	t.used = t.used[:0]
}

func (t *table) find(doc uint32) uint32 {
	i := (doc * 2654435769) >> t.shift
	for t.slots[i].doc != 0 && t.slots[i].doc != doc+1 {
		i = (i + 1) & uint32(len(t.slots)-1)
	}
	return i
}

// add notes that a doc holds terms.
func (t *table) add(doc, mask uint32, slip bool) {
	i := t.find(doc)
	if t.slots[i].doc == 0 {
		if len(t.used)*2 > len(t.slots) {
			t.grow()
			i = t.find(doc)
		}
		t.slots[i].doc = doc + 1
		t.used = append(t.used, i)
	}
	t.slots[i].add(mask, slip)
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	t.shift--
	for n, i := range t.used {
		j := t.find(old[i].doc - 1)
		t.slots[j] = old[i]
		t.used[n] = j
	}
}

// get returns what is known of a doc.
func (t *table) get(doc uint32) slot { return t.slots[t.find(doc)] }

func ones(mask uint32) int { return bits.OnesCount32(mask) }
