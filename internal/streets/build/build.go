// Package build makes a streets file out of OpenStreetMap extracts.
//
// The extracts are read three times: relations, then the ways that are wanted
// or that relations need, then the nodes that are wanted or that ways need.
// Only what is kept takes memory. The same extracts give the same bytes.
// Broken data is skipped and counted.
package build

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"geogate/internal/streets/packed"
	"geogate/internal/streets/pbf"
)

// Options say how to import. The zero value works.
type Options struct {
	// Country gives the ISO code of the country at a position in degrees, ""
	// when there is none. It is asked where the extract lacks the country's
	// boundary.
	Country func(lat, lon float64) string
	// Progress is called now and then with the share that is done, 0…1.
	Progress func(done float64)
}

// Import reads the extracts and writes the streets file out. It returns what
// the file says of itself.
func Import(ctx context.Context, extracts []string, out string, o Options) (packed.Info, error) {
	b := &builder{
		Options: o, strings: map[string]string{},
		houseStreets: map[uint64]string{}, memberWays: map[int64]bool{},
		countryCells: map[[2]int32]string{},
	}
	for pass, read := range []func() pbf.Visitor{b.readRelations, b.readWays, b.readNodes} {
		if err := b.read(ctx, extracts, pass, read()); err != nil {
			return packed.Info{}, err
		}
		b.endPass(pass)
	}
	b.assemble()
	b.makeAreas()
	b.makeStreets()
	b.makeHouses()
	b.nodes, b.strings = nodeStore{}, nil
	b.makePOIs()
	b.makePostCodes()
	b.progress(0.85)
	if err := ctx.Err(); err != nil {
		return packed.Info{}, fmt.Errorf("import: %w", err)
	}
	return b.write(out)
}

// builder holds what has been read and made so far.
type builder struct {
	Options

	date    time.Time
	skipped int

	strings map[string]string

	elements     []element
	houseStreets map[uint64]string // by id key: the street that a relation gives a house
	memberWays   map[int64]bool
	memberLines  map[int64][]int64 // nodes of ways that only relations need
	nodes        nodeStore

	areas        []area
	areaIndex    areaIndex
	places       placeIndex
	countries    map[string]int // code → area
	countryCells map[[2]int32]string
	contexts     contextTable
	postCodes    []postCode
	codeIndex    map[string]int
	streets      []street
	byName       map[streetKey]int
	near         map[string][]int // folded name → streets
	streetCells  map[[2]int32][]int32
	areaNames    map[string][]int
	houses       []house
	pois         []poi
}

// element is an object of the extract that becomes part of the file.
type element struct {
	osmType byte // 'N', 'W', 'R'
	id      int64
	version int32
	at      packed.Point
	tags    []pbf.Tag
	refs    []int64      // of a way
	members []pbf.Member // of a relation
	lines   [][]packed.Point
	box     box
}

func (e *element) tag(key string) string {
	for _, t := range e.tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}

func (b *builder) read(ctx context.Context, extracts []string, pass int, v pbf.Visitor) error {
	var total, before int64
	for _, path := range extracts {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("read extract: %w", err)
		}
		total += info.Size()
	}
	for _, path := range extracts {
		file, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("read extract: %w", err)
		}
		var last int64
		v.Progress = func(n int64) {
			last = n
			b.progress(0.8 * (float64(pass) + float64(before+n)/float64(total)) / 3)
		}
		header, err := pbf.Read(interruptible{ctx, file}, v)
		_ = file.Close()
		if err != nil {
			return fmt.Errorf("read extract %s: %w", path, err)
		}
		before += last
		if header.Date.After(b.date) {
			b.date = header.Date
		}
	}
	return nil
}

// interruptible is a reader that ends with its context.
type interruptible struct {
	ctx context.Context //nolint:containedctx // lives for one read
	io.Reader
}

func (r interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err //nolint:wrapcheck // wrapped by pbf
	}
	return r.Reader.Read(p) //nolint:wrapcheck // wrapped by pbf
}

func (b *builder) progress(done float64) {
	if b.Progress != nil {
		b.Progress(done)
	}
}

// maxText is the most bytes of a value that are kept. Longer ones are mistakes.
const maxText = 255

// keep copies tags out of the block that they were read in.
func (b *builder) keep(tags []pbf.Tag) []pbf.Tag {
	kept := make([]pbf.Tag, 0, len(tags))
	for _, t := range tags {
		if !wantedKey(t.Key) {
			continue
		}
		if len(t.Value) > maxText {
			b.skipped++
			continue
		}
		kept = append(kept, pbf.Tag{Key: b.intern(t.Key), Value: b.intern(t.Value)})
	}
	return kept
}

func (b *builder) intern(s string) string {
	if have, ok := b.strings[s]; ok {
		return have
	}
	s = string(append([]byte(nil), s...))
	b.strings[s] = s
	return s
}
