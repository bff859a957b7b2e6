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
		Options: o, texts: newTexts(), labels: map[uint64][]int64{},
		houseStreets: map[uint64]uint32{}, memberWays: map[int64]uint32{},
		countryCells: map[[2]int32]string{},
	}
	for pass, read := range []func() pbf.Visitor{b.readRelations, b.readWays, b.readNodes} {
		if err := b.read(ctx, extracts, pass, read()); err != nil {
			return packed.Info{}, err
		}
		if b.tags.full() || b.refs.full() {
			return packed.Info{}, fmt.Errorf("import: %w", packed.ErrTooLarge)
		}
		b.endPass(pass)
	}
	b.assemble()
	if b.lines.full() {
		return packed.Info{}, fmt.Errorf("import: %w", packed.ErrTooLarge)
	}
	b.makeAreas()
	b.makeStreets()
	b.makeHouses()
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

	texts    *texts
	elements []element
	tags     arena // of elements, as pairs of texts
	refs     arena // the nodes of ways, the ways of relations
	lines    arena // of streets and areas, as they are in the file

	houseStreets map[uint64]uint32  // by id key: the street that a relation gives a house, a text
	memberWays   map[int64]uint32   // ways that relations need, and their nodes in refs
	labels       map[uint64][]int64 // by id key of a boundary: nodes that stand for it
	nodes        nodeStore
	numbered     []interpolation

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
	near         map[string][]int32 // folded name → streets
	streetCells  map[[2]int32][]int32
	areaNames    map[string][]int
	houses       []house
	pois         []poi

	// Memory that is used again and again.
	kept   []pbf.Tag
	record []byte
	ids    []int64
	points []packed.Point
}

// endPass prepares what the next pass looks up.
func (b *builder) endPass(pass int) {
	if pass == 1 {
		b.nodes.sort()
	}
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
