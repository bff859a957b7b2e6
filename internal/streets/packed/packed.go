// Package packed is the file of a streets upstream: how it is laid out, written
// and read where it lies. internal/streets/DESIGN.md draws the layout.
//
// A File never panics on damaged bytes and never answers from them: each page
// is checked against its checksum before its first use, and [File.Err] tells of
// damage that was met. A File is safe for concurrent use.
package packed

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"
	"time"

	"github.com/blevesearch/vellum"
)

// Version is the version of the layout. A file of another one is refused.
const Version = 2

const (
	magic     = "geogate streets\n"
	pageBits  = 16
	pageBytes = 1 << pageBits
)

// Errors of Open and of reading.
var (
	ErrNotStreets = errors.New("not a streets file")
	ErrVersion    = errors.New("a streets file of another version: import the extract again")
	ErrDamaged    = errors.New("the streets file is damaged or cut off: import the extract again")
)

// Section is a part of the file.
type Section int

// The sections.
const (
	Meta Section = iota
	StringEnds
	Strings
	Words
	PostingEnds
	Postings
	Docs
	Names
	Houses
	Objects
	Contexts
	Shapes
	GridKeys
	GridEnds
	GridEntries
	IDs
	ResidentEnds
	Residents
	sections
)

// headerBytes is the size of the header: magic, version, where the checksums
// are and their checksum, the sections, and the header's own checksum. Offsets
// count from its end.
const headerBytes = len(magic) + 4 + 16 + int(sections)*16 + 4

// Info is what a file says of itself.
type Info struct {
	Date      time.Time `json:"date"` // of the map data
	Areas     int       `json:"areas"`
	PostCodes int       `json:"post_codes"`
	Streets   int       `json:"streets"`
	POIs      int       `json:"pois"`
	Houses    int       `json:"houses"`
	Skipped   int       `json:"skipped"` // objects of the extract that were broken
}

// File is an open file.
type File struct {
	Info

	data    []byte
	span    [sections]struct{ off, len uint64 }
	sums    []byte
	sum     uint32          // of sums
	checked []atomic.Uint32 // a bit a page
	damaged atomic.Bool
	words   *vellum.FST
	close   func() error

	// Memory that looks for words use again.
	lookups   sync.Pool // of *lookup
	iterators sync.Pool // of *vellum.FSTIterator
}

// Open opens a file. It reads the header and the words, and nothing else.
func Open(path string) (*File, error) {
	data, unmap, err := mapFile(path)
	if err != nil {
		return nil, fmt.Errorf("open streets: %w", err)
	}
	var f *File
	err = Guard(func() (err error) {
		f, err = New(data)
		return err
	})
	if err != nil {
		_ = unmap()
		return nil, fmt.Errorf("open streets %s: %w", path, err)
	}
	f.close = unmap
	return f, nil
}

// New reads a file from memory. The caller must not change data.
func New(data []byte) (*File, error) {
	if len(data) < headerBytes || string(data[:len(magic)]) != magic {
		return nil, ErrNotStreets
	}
	h := data[len(magic):headerBytes]
	if binary.LittleEndian.Uint32(h) != Version {
		return nil, ErrVersion
	}
	if crc32.Checksum(data[:headerBytes-4], castagnoli) != binary.LittleEndian.Uint32(data[headerBytes-4:]) {
		return nil, ErrDamaged
	}
	data = data[headerBytes:]
	f := &File{close: func() error { return nil }}
	sumsAt, size := binary.LittleEndian.Uint64(h[4:]), uint64(len(data))
	for i := range f.span {
		f.span[i].off = binary.LittleEndian.Uint64(h[20+16*i:])
		f.span[i].len = binary.LittleEndian.Uint64(h[28+16*i:])
		if s := f.span[i]; s.off > sumsAt || s.len > sumsAt-s.off {
			return nil, ErrDamaged
		}
	}
	if sumsAt > size {
		return nil, ErrDamaged
	}
	pages := (sumsAt + pageBytes - 1) >> pageBits
	if size-sumsAt != 4*pages {
		return nil, ErrDamaged
	}
	f.sums = data[sumsAt:]
	f.sum = crc32.Checksum(f.sums, castagnoli)
	if f.sum != binary.LittleEndian.Uint32(h[12:]) {
		return nil, ErrDamaged
	}
	f.data = data[:sumsAt]
	f.checked = make([]atomic.Uint32, (pages+31)/32)
	if err := json.Unmarshal(f.section(Meta), &f.Info); err != nil || f.Err() != nil {
		return nil, ErrDamaged
	}
	fst, err := vellum.Load(f.section(Words))
	if err != nil || f.Err() != nil {
		return nil, ErrDamaged
	}
	f.words = fst
	return f, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Close gives the memory back. Nothing may be read from the file then.
func (f *File) Close() error { return f.close() }

// Err is ErrDamaged when a damaged page was met since the file was opened.
// What was read since then is not to be trusted.
func (f *File) Err() error {
	if f.damaged.Load() {
		return ErrDamaged
	}
	return nil
}

// Spoil marks the file as damaged: somebody writes to it.
func (f *File) Spoil() { f.damaged.Store(true) }

// Sum tells files of different content apart.
func (f *File) Sum() uint32 { return f.sum }

// Bytes is the size of the file.
func (f *File) Bytes() int { return headerBytes + len(f.data) + len(f.sums) }

// at returns n bytes of a section, checked. Out of range it returns zeros and
// marks the file damaged.
func (f *File) at(s Section, off, n uint64) []byte {
	span := &f.span[s]
	if off > span.len || n > span.len-off {
		f.damaged.Store(true)
		return make([]byte, min(n, pageBytes))
	}
	if n == 0 {
		return nil
	}
	start := span.off + off
	for page := start >> pageBits; page <= (start+n-1)>>pageBits; page++ {
		if f.checked[page>>5].Load()&(1<<(page&31)) == 0 && !f.check(page) {
			return make([]byte, n)
		}
	}
	return f.data[start : start+n : start+n]
}

func (f *File) check(page uint64) bool {
	end := min((page+1)<<pageBits, uint64(len(f.data)))
	if crc32.Checksum(f.data[page<<pageBits:end], castagnoli) != binary.LittleEndian.Uint32(f.sums[4*page:]) {
		f.damaged.Store(true)
		return false
	}
	f.checked[page>>5].Or(1 << (page & 31))
	return true
}

func (f *File) section(s Section) []byte { return f.at(s, 0, f.span[s].len) }

// rows is the number of rows of size bytes in a section.
func (f *File) rows(s Section, size uint64) int { return int(f.span[s].len / size) }

func (f *File) uint32(s Section, i int) uint32 {
	if b := f.at(s, uint64(i)*4, 4); len(b) == 4 {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// record returns a record that begins with its length.
func (f *File) record(s Section, off uint32) []byte {
	span := f.span[s].len
	if uint64(off) >= span {
		f.damaged.Store(true)
		return nil
	}
	head := f.at(s, uint64(off), min(5, span-uint64(off)))
	n, k := binary.Uvarint(head)
	if k <= 0 {
		f.damaged.Store(true)
		return nil
	}
	return f.at(s, uint64(off)+uint64(k), n)
}
