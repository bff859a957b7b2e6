package build

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/blevesearch/vellum"

	"geogate/internal/streets/packed"
)

// sections writes the sections one after the other, and gives up what no later
// one needs.
func (w *writer) sections() (packed.Info, error) {
	w.records()
	w.rows()
	info := packed.Info{
		Date: w.date, Areas: len(w.areas), PostCodes: len(w.postCodes), Streets: len(w.streets), POIs: len(w.pois),
		Houses: len(w.houses), Skipped: w.skipped,
	}
	w.elements, w.tags, w.texts, w.areas, w.streets, w.pois, w.houses = nil, arena{}, nil, nil, nil, nil, nil
	w.progress(0.92)
	meta, err := json.Marshal(info)
	if err != nil {
		return info, err //nolint:wrapcheck // wrapped by write
	}
	fst, err := w.numberWords()
	if err != nil {
		return info, err
	}
	w.out.Section(packed.Meta, meta)
	w.out.Section(packed.StringEnds, w.ends)
	w.out.Section(packed.Strings, w.strings)
	w.out.Section(packed.Words, fst)
	first := [packed.Parts]uint32{packed.StreetPart: uint32(info.Areas + info.PostCodes), packed.POIPart: uint32(info.Areas + info.PostCodes + info.Streets)}
	w.postings(first)
	w.names()
	w.residents(first[packed.StreetPart])
	w.out.Section(packed.Docs, w.docs)
	w.out.Section(packed.Contexts, w.contexts.bytes)
	w.cells()
	w.idTable()
	w.progress(1)
	return info, nil
}

// numberWords numbers the words in their order and makes the FST of them.
func (w *writer) numberWords() ([]byte, error) {
	list := make([]string, 0, len(w.vocab))
	for word := range w.vocab {
		list = append(list, word)
	}
	slices.Sort(list)
	var out bytes.Buffer
	fst, err := vellum.New(&out, nil)
	if err != nil {
		return nil, err //nolint:wrapcheck // wrapped by write
	}
	numbers := make([]uint32, len(list))
	for i, word := range list {
		numbers[w.vocab[word]] = uint32(i)
		if err := fst.Insert([]byte(word), uint64(i)); err != nil {
			return nil, err //nolint:wrapcheck // wrapped by write
		}
	}
	if err := fst.Close(); err != nil {
		return nil, err //nolint:wrapcheck // wrapped by write
	}
	for i := 0; i < len(w.nameWords); {
		names := w.nameWords[i]
		for i++; names > 0; names-- {
			n := int(w.nameWords[i])
			for i++; n > 0; n-- {
				w.nameWords[i] = numbers[w.nameWords[i]]
				i++
			}
		}
	}
	return out.Bytes(), nil
}

// postings lists the docs of each word. first is the first doc of each part.
func (w *writer) postings(first [packed.Parts]uint32) {
	docs := make([][]uint32, len(w.vocab))
	for doc, at := range w.nameCount {
		i := int(at)
		names := w.nameWords[i]
		for i++; names > 0; names-- {
			n := int(w.nameWords[i])
			for i++; n > 0; n-- {
				word := w.nameWords[i]
				i++
				if l := docs[word]; len(l) == 0 || l[len(l)-1] != uint32(doc) {
					docs[word] = append(l, uint32(doc))
				}
			}
		}
	}
	var ends []byte
	w.out.Begin(packed.Postings)
	for _, l := range docs {
		w.record = packed.AppendPosting(w.record[:0], l, first)
		w.out.Append(w.record)
		ends = binary.LittleEndian.AppendUint32(ends, uint32(w.out.Size()))
	}
	w.out.Section(packed.PostingEnds, ends)
}

// residents lists for each area and post code what has it in its context, unless
// that is very much. first is the first street.
func (w *writer) residents(first uint32) {
	const docBytes, contextAt = 32, 20
	each := func(yield func(area, doc uint32)) {
		for at := int(first) * docBytes; at < len(w.docs); at += docBytes {
			n := packed.Record(w.contexts.bytes, binary.LittleEndian.Uint32(w.docs[at+contextAt:]))
			n.Next()
			for n.More() {
				if area := n.Next(); area < first {
					yield(area, uint32(at/docBytes))
				}
			}
		}
	}
	counts := make([]uint32, first)
	each(func(area, _ uint32) { counts[area]++ })
	lists := make([][]uint32, first)
	each(func(area, doc uint32) {
		l := lists[area]
		if counts[area] <= packed.MaxResidents && (len(l) == 0 || l[len(l)-1] != doc) {
			lists[area] = append(l, doc)
		}
	})
	var ends []byte
	w.out.Begin(packed.Residents)
	for _, list := range lists {
		w.record = packed.AppendList(w.record[:0], list, first)
		w.out.Append(w.record)
		ends = binary.LittleEndian.AppendUint32(ends, uint32(w.out.Size()))
	}
	w.out.Section(packed.ResidentEnds, ends)
}

// names encodes the names and tells the docs where theirs are.
func (w *writer) names() {
	const docBytes, namesAt = 32, 12
	var r, record []byte
	w.out.Begin(packed.Names)
	for doc, at := range w.nameCount {
		end := len(w.nameWords)
		if doc+1 < len(w.nameCount) {
			end = int(w.nameCount[doc+1])
		}
		r = r[:0]
		for _, v := range w.nameWords[at+1 : end] {
			r = binary.AppendUvarint(r, uint64(v))
		}
		binary.LittleEndian.PutUint32(w.docs[doc*docBytes+namesAt:], uint32(w.out.Size()))
		record = packed.AppendRecord(record[:0], r)
		w.out.Append(record)
	}
}

// cells writes the grid: its cells, where the entries of each end, the entries.
func (w *writer) cells() {
	sortEntries(w.grid)
	last := func(i int) bool { return i+1 == len(w.grid) || w.grid[i+1].key != w.grid[i].key }
	w.column(packed.GridKeys, w.grid, func(b []byte, i int) []byte {
		if last(i) {
			b = binary.LittleEndian.AppendUint64(b, w.grid[i].key)
		}
		return b
	})
	w.column(packed.GridEnds, w.grid, func(b []byte, i int) []byte {
		if last(i) {
			b = binary.LittleEndian.AppendUint32(b, uint32(i+1))
		}
		return b
	})
	w.column(packed.GridEntries, w.grid, func(b []byte, i int) []byte {
		return binary.LittleEndian.AppendUint32(b, w.grid[i].entry)
	})
}

// idTable writes the ids of OpenStreetMap, then what they name.
func (w *writer) idTable() {
	sortEntries(w.ids)
	w.column(packed.IDs, w.ids, func(b []byte, i int) []byte { return binary.LittleEndian.AppendUint64(b, w.ids[i].key) })
	for _, g := range w.ids {
		w.record = binary.LittleEndian.AppendUint32(w.record[:0], g.entry)
		w.out.Append(w.record)
	}
}

// column writes a section that has something of each entry.
func (w *writer) column(s packed.Section, list []gridEntry, add func(b []byte, i int) []byte) {
	w.out.Begin(s)
	for i := range list {
		w.record = add(w.record[:0], i)
		w.out.Append(w.record)
	}
}

func sortEntries(list []gridEntry) {
	slices.SortFunc(list, func(x, y gridEntry) int { return cmp.Or(cmp.Compare(x.key, y.key), cmp.Compare(x.entry, y.entry)) })
}
