package build

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/blevesearch/vellum"

	"geogate/internal/streets/packed"
)

// file writes the sections.
func (w *writer) file(path string, info packed.Info) error {
	meta, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("write streets: %w", err)
	}
	fst, err := w.numberWords()
	if err != nil {
		return fmt.Errorf("write streets: %w", err)
	}
	postings, postingEnds := w.postings()
	names := w.names()
	gridKeys, gridEnds, gridEntries := cells(w.grid)
	out, err := packed.Create(path)
	if err != nil {
		return err //nolint:wrapcheck // says what it did
	}
	out.Section(packed.Meta, meta)
	out.Section(packed.StringEnds, w.textEnds)
	out.Section(packed.Strings, w.text)
	out.Section(packed.Words, fst)
	out.Section(packed.PostingEnds, postingEnds)
	out.Section(packed.Postings, postings)
	out.Section(packed.Docs, w.docs)
	out.Section(packed.Names, names)
	out.Section(packed.Houses, w.rows)
	out.Section(packed.Objects, w.objects)
	out.Section(packed.Contexts, w.contexts.bytes)
	out.Section(packed.Shapes, w.shapes)
	out.Section(packed.GridKeys, gridKeys)
	out.Section(packed.GridEnds, gridEnds)
	out.Section(packed.GridEntries, gridEntries)
	out.Section(packed.IDs, idTable(w.ids))
	w.progress(1)
	return out.Close() //nolint:wrapcheck // says what it did
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
		return nil, err //nolint:wrapcheck // wrapped by file
	}
	numbers := make([]uint32, len(list))
	for i, word := range list {
		numbers[w.vocab[word]] = uint32(i)
		if err := fst.Insert([]byte(word), uint64(i)); err != nil {
			return nil, err //nolint:wrapcheck // wrapped by file
		}
	}
	if err := fst.Close(); err != nil {
		return nil, err //nolint:wrapcheck // wrapped by file
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

// postings lists the docs of each word: their number, then the gaps.
func (w *writer) postings() (list, ends []byte) {
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
	for _, l := range docs {
		list = binary.AppendUvarint(list, uint64(len(l)))
		next := uint32(0)
		for _, doc := range l {
			list = binary.AppendUvarint(list, uint64(doc-next))
			next = doc + 1
		}
		ends = binary.LittleEndian.AppendUint32(ends, uint32(len(list)))
	}
	return list, ends
}

// names encodes the names and tells the docs where theirs are.
func (w *writer) names() (list []byte) {
	const docBytes, namesAt = 32, 12
	var r []byte
	for doc, at := range w.nameCount {
		end := len(w.nameWords)
		if doc+1 < len(w.nameCount) {
			end = int(w.nameCount[doc+1])
		}
		r = r[:0]
		for _, v := range w.nameWords[at+1 : end] {
			r = binary.AppendUvarint(r, uint64(v))
		}
		binary.LittleEndian.PutUint32(w.docs[doc*docBytes+namesAt:], uint32(len(list)))
		list = packed.AppendRecord(list, r)
	}
	return list
}

func cells(grid []gridEntry) (keys, ends, entries []byte) {
	slices.SortFunc(grid, func(x, y gridEntry) int { return cmp.Or(cmp.Compare(x.key, y.key), cmp.Compare(x.entry, y.entry)) })
	for i, g := range grid {
		entries = binary.LittleEndian.AppendUint32(entries, g.entry)
		if i+1 == len(grid) || grid[i+1].key != g.key {
			keys = binary.LittleEndian.AppendUint64(keys, g.key)
			ends = binary.LittleEndian.AppendUint32(ends, uint32(i+1))
		}
	}
	return keys, ends, entries
}

func idTable(ids []gridEntry) (table []byte) {
	slices.SortFunc(ids, func(x, y gridEntry) int { return cmp.Or(cmp.Compare(x.key, y.key), cmp.Compare(x.entry, y.entry)) })
	for _, g := range ids {
		table = binary.LittleEndian.AppendUint64(table, g.key)
	}
	for _, g := range ids {
		table = binary.LittleEndian.AppendUint32(table, g.entry)
	}
	return table
}
