// Package streets answers geocoding requests from one file that `geogate
// import` makes of OpenStreetMap extracts: streets, house numbers, places,
// post codes and points of interest, forward and back.
//
// It promises to answer only what it understood: a question that names a town
// or a street that the file lacks finds nothing, so that another geocoder can
// be asked. The data is OpenStreetMap's, under the ODbL: show [Attribution]
// wherever a place is shown.
//
// The file is mapped into memory and read where it lies (see DESIGN.md). A
// Streets is safe for concurrent use until it is closed.
package streets

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"geogate/internal/place"
	"geogate/internal/streets/packed"
)

// Attribution is what OpenStreetMap's licence requires, in Nominatim's words.
var Attribution = place.Attribution{
	Text:    "Data © OpenStreetMap contributors, ODbL 1.0. http://osm.org/copyright",
	Licence: "ODbL",
}

// Streets is an open file.
type Streets struct {
	file      *packed.File
	countries map[uint32]string // docs of countries, and their codes
	scratch   sync.Pool
	known     []atomic.Pointer[packed.Object] // those of areas that were asked for
}

// maxKnown is how many areas are kept decoded, the largest first: each answer
// names some of them, and countries have names in a hundred languages.
const maxKnown = 4096

// object reads the object of a doc. The caller must not change it.
func (s *Streets) object(doc uint32) *packed.Object {
	if int(doc) >= len(s.known) {
		return s.file.Object(s.file.Doc(doc).Object)
	}
	o := s.known[doc].Load()
	if o == nil {
		o = s.file.Object(s.file.Doc(doc).Object)
		s.known[doc].Store(o)
	}
	return o
}

// Open opens a file. It takes milliseconds whatever the file's size.
func Open(path string) (s *Streets, err error) {
	f, err := packed.Open(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // says what it did
	}
	err = packed.Guard(func() error {
		s, err = read(f)
		return err
	})
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open streets %s: %w", path, err)
	}
	return s, nil
}

// New reads a file from memory, which must not be changed.
func New(data []byte) (*Streets, error) {
	f, err := packed.New(data)
	if err != nil {
		return nil, fmt.Errorf("read streets: %w", err)
	}
	return read(f)
}

func read(f *packed.File) (*Streets, error) {
	s := &Streets{file: f, countries: map[uint32]string{}}
	s.known = make([]atomic.Pointer[packed.Object], max(0, min(f.Areas+f.PostCodes, f.DocCount(), maxKnown)))
	s.scratch.New = func() any { return &search{} }
	for doc := range uint32(f.Areas) {
		d := f.Doc(doc)
		if d.Rank > 4 {
			break // areas are sorted by rank
		}
		if o := f.Object(d.Object); o.Country != 0 {
			s.countries[doc] = f.String(o.Country)
		}
	}
	if err := f.Err(); err != nil {
		return nil, fmt.Errorf("read streets: %w", err)
	}
	return s, nil
}

// Close gives the memory back. No call may be under way or follow.
func (s *Streets) Close() error { return s.file.Close() } //nolint:wrapcheck // nothing to add

// Info is what the file says of itself.
func (s *Streets) Info() packed.Info { return s.file.Info }

// Date is the date of the map data.
func (s *Streets) Date() time.Time { return s.file.Date }

// Err tells of damage that was met since the file was opened. A Place that was
// made before it is not to be trusted.
func (s *Streets) Err() error {
	if err := s.file.Err(); err != nil {
		return fmt.Errorf("read streets: %w", err)
	}
	return nil
}
