package packed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
)

// Prefixes finds the names that begin with some letters, or have a word that does,
// the most prominent first and without looking at all of them. It is an index
// beside a [File], read where it lies. Safe for concurrent use.
type Prefixes struct {
	file         *File
	names, words run
	wordRows     []byte // by word
	mainRows     []byte // by place
}

const (
	prefixesMagic  = "geogate prefixes 1\n"
	prefixesHeader = len(prefixesMagic) + digestBytes + 4

	wordBytes  = 4 // the number of a name, and in the lowest byte where the word begins in it
	mainBytes  = 4 // the number of a name
	blockWords = 4 // words that share one entry of their table of scores: each is in another block of names
)

// ErrOtherFile says that an index belongs to another gazetteer.
var ErrOtherFile = errors.New("the index of prefixes belongs to other places")

// OpenPrefixes opens the index of f.
func OpenPrefixes(f *File, b []byte) (*Prefixes, error) {
	if len(b) < prefixesHeader || string(b[:len(prefixesMagic)]) != prefixesMagic {
		return nil, ErrFormat
	}
	header, rest := b[len(prefixesMagic):prefixesHeader], b[prefixesHeader:]
	if fmt.Sprintf("%x", header[:digestBytes]) != f.digest {
		return nil, ErrOtherFile
	}
	words := int(binary.LittleEndian.Uint32(header[digestBytes:]))
	sizes := [...]int{blocksOf(f.keys, blockKeys), blocksOf(words, blockWords), words * wordBytes, f.Places() * mainBytes}
	var parts [len(sizes)][]byte
	for i, size := range sizes {
		if size > len(rest) {
			return nil, fmt.Errorf("%w: part %d of the index is cut off", ErrFormat, i)
		}
		parts[i], rest = rest[:size:size], rest[size:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes too many in the index", ErrFormat, len(rest))
	}
	return &Prefixes{
		file: f, names: newRun(parts[0], blockKeys), words: newRun(parts[1], blockWords), wordRows: parts[2], mainRows: parts[3],
	}, nil
}

func blocksOf(entries, each int) int { return (entries + each - 1) / each }

// A Range is a run of names in their order, from the first to before the last.
type Range struct{ From, To int }

// Range is where the names that begin with prefix lie.
func (p *Prefixes) Range(prefix string) Range {
	r := nameReader{file: p.file}
	return Range{
		From: r.search(func(name []byte) bool { return string(name) >= prefix }),
		To:   r.search(func(name []byte) bool { return beyond(name, prefix) }),
	}
}

// beyond reports whether a text comes after all that begin with prefix.
func beyond(text []byte, prefix string) bool {
	return string(text) > prefix && !bytes.HasPrefix(text, []byte(prefix))
}

// MainName is the number of the name under which place i is shown; it has its place
// in a [Range].
func (p *Prefixes) MainName(i int) int {
	return int(binary.LittleEndian.Uint32(p.mainRows[i*mainBytes:]))
}

// A Visit is told what a name leads to, and says below which score nothing is of
// use any more. Both are valid during the call.
type Visit func(name []byte, all []Posting) (least float64)

// Names visits the names of a range, the blocks with the highest scores first,
// until nothing of use is left or most blocks were opened, or maxBlocks.
func (p *Prefixes) Names(r Range, least float64, most int, visit Visit) {
	names := nameReader{file: p.file}
	p.names.visit(r, least, most, func(from, to int) float64 {
		names.each(from, to, func(name []byte, all []Posting) { least = visit(name, all) })
		return least
	})
}

// Words is Names for the names that have a word, but the first, that begins with
// prefix.
func (p *Prefixes) Words(prefix string, least float64, most int, visit Visit) {
	names := nameReader{file: p.file}
	// word is a name from where a word in it begins.
	word := func(i int) []byte {
		number, at := p.wordRow(i)
		return names.name(number)[at:]
	}
	count := len(p.wordRows) / wordBytes
	r := Range{
		From: sort.Search(count, func(i int) bool { return string(word(i)) >= prefix }),
		To:   sort.Search(count, func(i int) bool { return beyond(word(i), prefix) }),
	}
	p.words.visit(r, least, most, func(from, to int) float64 {
		for i := from; i < to; i++ {
			number, _ := p.wordRow(i)
			names.each(number, number+1, func(name []byte, all []Posting) { least = visit(name, all) })
		}
		return least
	})
}

func (p *Prefixes) wordRow(i int) (number, at int) {
	row := binary.LittleEndian.Uint32(p.wordRows[i*wordBytes:])
	return int(row >> 8), int(row & 0xFF)
}

// A nameReader decodes names of a file by their numbers, into memory that it uses
// again: what it returns and passes on is valid until the next call.
type nameReader struct {
	file *File
	text []byte
	all  []Posting
}

// search returns the number of the first name that reached is true of, as it has to
// be of all that follow.
func (r *nameReader) search(reached func(name []byte) bool) int {
	block := sort.Search(blocksOf(r.file.keys, blockKeys), func(i int) bool { return reached(r.file.firstKey(i)) })
	if block == 0 {
		return 0
	}
	// It is in the block before, or the first of this one.
	found := (block - 1) * blockKeys
	end := min(block*blockKeys, r.file.keys)
	r.decode(found, end, func(_ []byte) bool {
		if reached(r.text) {
			return false
		}
		found++
		return true
	})
	return found
}

// name decodes one name.
func (r *nameReader) name(number int) []byte {
	r.decode(number, number+1, func([]byte) bool { return true })
	return r.text
}

// each calls yield with the names from one number to before another, which have to
// be in one block, and where they lead.
func (r *nameReader) each(from, to int, yield func(name []byte, all []Posting)) {
	r.decode(from, to, func(postings []byte) bool {
		r.all = appendPostings(r.all[:0], postings)
		yield(r.text, r.all)
		return true
	})
}

// decode reads the names from one number to before another, which have to be in one
// block, and tells of each what stands after it, until yield returns false.
func (r *nameReader) decode(from, to int, yield func(postings []byte) bool) {
	data := r.file.block(from / blockKeys)
	for number := from - from%blockKeys; number < to; number++ {
		shared, n := binary.Uvarint(data)
		length, m := binary.Uvarint(data[n:])
		data = data[n+m:]
		r.text = append(r.text[:shared], data[:length]...)
		data = data[length:]
		if number >= from && !yield(data) {
			return
		}
		if number+1 < to {
			data = skipPostings(data)
		}
	}
}
