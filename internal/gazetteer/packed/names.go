package packed

import (
	"bytes"
	"encoding/binary"
	"sort"
)

// kindBits is the room for the kind of a name in a posting.
const kindBits = 3

// Lookup returns where a folded name leads, or nil. It decodes at most one
// block of names.
func (f *File) Lookup(key string) []Posting {
	if key == "" {
		return nil
	}
	blocks := f.section[blocksAt]
	// The first block that begins after key; the name is in the one before.
	after := sort.Search(len(blocks)/4, func(i int) bool {
		return string(f.firstKey(i)) > key
	})
	if after == 0 {
		return nil
	}
	data := f.block(after - 1)
	var name []byte
	for len(data) > 0 {
		shared, n := binary.Uvarint(data)
		length, m := binary.Uvarint(data[n:])
		data = data[n+m:]
		name = append(name[:shared], data[:length]...)
		data = data[length:]
		switch c := bytes.Compare(name, []byte(key)); {
		case c == 0:
			return postings(data)
		case c > 0:
			return nil
		}
		data = skipPostings(data)
	}
	return nil
}

// block is the run of names from one entry of the block table to the next.
func (f *File) block(i int) []byte {
	blocks, keys := f.section[blocksAt], f.section[keysAt]
	start := binary.LittleEndian.Uint32(blocks[i*4:])
	if next := (i + 1) * 4; next < len(blocks) {
		return keys[start:binary.LittleEndian.Uint32(blocks[next:])]
	}
	return keys[start:]
}

// firstKey is the name that a block begins with, which is stored in full.
func (f *File) firstKey(block int) []byte {
	data := f.section[keysAt][binary.LittleEndian.Uint32(f.section[blocksAt][block*4:])+1:]
	length, n := binary.Uvarint(data)
	return data[n : n+int(length)]
}

// postings decodes what follows a name: the number of postings, then for each
// its reference as the difference from the one before, with the kind in the
// lowest bits.
func postings(data []byte) []Posting {
	count, _ := binary.Uvarint(data)
	return appendPostings(make([]Posting, 0, count), data)
}

func appendPostings(all []Posting, data []byte) []Posting {
	count, n := binary.Uvarint(data)
	ref := 0
	for range count {
		data = data[n:]
		var v uint64
		v, n = binary.Uvarint(data)
		ref += int(v >> kindBits)
		all = append(all, Posting{Ref: ref, Kind: Kind(v & (1<<kindBits - 1))})
	}
	return all
}

func skipPostings(data []byte) []byte {
	count, n := binary.Uvarint(data)
	for range count {
		data = data[n:]
		_, n = binary.Uvarint(data)
	}
	return data[n:]
}

func appendName(b []byte, before, name string, all []Posting) []byte {
	shared := 0
	for shared < len(before) && shared < len(name) && before[shared] == name[shared] {
		shared++
	}
	b = binary.AppendUvarint(b, uint64(shared))
	b = binary.AppendUvarint(b, uint64(len(name)-shared))
	b = append(b, name[shared:]...)
	b = binary.AppendUvarint(b, uint64(len(all)))
	ref := 0
	for _, p := range all {
		b = binary.AppendUvarint(b, uint64(p.Ref-ref)<<kindBits|uint64(p.Kind))
		ref = p.Ref
	}
	return b
}
