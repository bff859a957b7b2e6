// Package packed is the file format of the gazetteer: one block of bytes that is
// built ahead of time and read where it lies. Opening it decodes nothing and
// allocates next to nothing; a lookup decodes the few rows it needs.
//
// ../DESIGN.md describes the layout. All numbers are little endian.
package packed

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"geogate/internal/geo"
)

// Level says what an area is.
type Level uint8

// The levels of areas, from the largest.
const (
	Country Level = iota // ISO 3166-1
	State                // first-order administrative division
	County               // second-order administrative division
	Island
	Region  // a landscape, such as the Riviera
	Quarter // a part of a town
)

// Feature is GeoNames' code of a populated place.
type Feature uint8

// The features that the gazetteer keeps. Abandoned, destroyed and historical
// places (PPLQ, PPLW, PPLH, PPLCH) are not among them.
const (
	PPL Feature = iota
	PPLC
	PPLA
	PPLA2
	PPLA3
	PPLA4
	PPLA5
	PPLX
	PPLL
	PPLF
	PPLG
	PPLR
	PPLS
	STLMT
)

var featureCodes = [...]string{"PPL", "PPLC", "PPLA", "PPLA2", "PPLA3", "PPLA4", "PPLA5", "PPLX", "PPLL", "PPLF", "PPLG", "PPLR", "PPLS", "STLMT"}

// String is GeoNames' code.
func (f Feature) String() string {
	if int(f) < len(featureCodes) {
		return featureCodes[f]
	}
	return fmt.Sprintf("Feature(%d)", uint8(f))
}

// ParseFeature finds the feature of a GeoNames code.
func ParseFeature(code string) (Feature, bool) {
	for i, c := range featureCodes {
		if c == code {
			return Feature(i), true
		}
	}
	return 0, false
}

// NoArea stands for no parent.
const NoArea = 0xFFFF

// Place is a populated place.
type Place struct {
	ID         int64 // GeoNames
	Name       string
	Point      geo.Point
	Population int64
	Feature    Feature
	Area       int // the smallest known area that it lies in
	// OtherNames is how many other names the place has in the source, which
	// tells how well it is known. The file keeps it to about a fifth.
	OtherNames int
	// Abroad says that the place lies outside of the outline of its country: at
	// a border that is drawn too coarsely, or that is disputed.
	Abroad bool
}

// Area is a country or one of its divisions.
type Area struct {
	Name       string
	Level      Level
	Code       string // of its country, two lower-case letters
	Parent     int    // NoArea for countries
	Point      geo.Point
	Population int64 // of its places in the data
	Box        Box
}

// Box is a bounding box in degrees.
type Box struct{ South, North, West, East float64 }

// Kind says what a name is to the place or area it leads to.
type Kind uint8

// The kinds of names.
const (
	Main      Kind = iota // the name that is shown, or its English form
	Near                  // the main name shortened or spelled another way: "Newcastle" upon Tyne
	Alternate             // another name, in whatever language
	Weak                  // a transliteration by machine, or the code of an airport
	Code                  // the short form of an area: "IL", "FR"
)

// Posting leads from a name to an area (Ref < File.Areas()) or to the place
// Ref - File.Areas().
type Posting struct {
	Ref  int
	Kind Kind
}

// Coordinates of places have the five decimals of GeoNames, those of outlines
// and boxes what their rows have room for.
const (
	placeUnit = 1e5
	ringUnit  = 1e4
	boxUnit   = 1e2
)

// A place's row has its population and whether it lies abroad in one word, and
// its feature and fame in one byte.
const (
	abroadBit   = 1 << 31
	featureMask = 0x0F
	fameShift   = 4
	fameUnit    = 6 // of the decimal logarithm of one more than the number of other names
	maxFame     = 15
)

const (
	magic      = "geogate gazetteer 2\n"
	placeBytes = 24
	areaBytes  = 32
	ringBytes  = 24
	blockKeys  = 16 // names that share one entry of the block table
)

// The sections of a file, in order. The header is the magic, the date of the
// data, the number of names, where each section ends, and a digest of all that.
const (
	placesAt = iota
	areasAt
	namesAt
	idsAt
	blocksAt
	keysAt
	ringsAt
	pointsAt
	sections
)

const (
	digestAt    = len(magic) + 8 + 4 + sections*4
	digestBytes = 8
	headerBytes = digestAt + digestBytes
)

// ErrFormat says that the bytes are not a gazetteer of this version.
var ErrFormat = errors.New("not a packed gazetteer")

// File reads a packed gazetteer. It keeps the bytes it was opened with, which
// must not change. It is safe for concurrent use.
type File struct {
	date    time.Time
	keys    int
	digest  string
	section [sections][]byte
}

// Open checks the header and the sizes of the sections.
func Open(b []byte) (*File, error) {
	if len(b) < headerBytes || string(b[:len(magic)]) != magic {
		return nil, ErrFormat
	}
	header := b[len(magic):headerBytes]
	f := &File{
		date:   time.Unix(int64(binary.LittleEndian.Uint64(header)), 0).UTC(),
		keys:   int(binary.LittleEndian.Uint32(header[8:])),
		digest: hex.EncodeToString(b[digestAt:headerBytes]),
	}
	start := headerBytes
	for i := range f.section {
		end := int(binary.LittleEndian.Uint32(header[12+4*i:]))
		if end < start || end > len(b) {
			return nil, fmt.Errorf("%w: section %d ends at %d of %d", ErrFormat, i, end, len(b))
		}
		f.section[i] = b[start:end:end]
		start = end
	}
	if start != len(b) {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrFormat, len(b)-start)
	}
	return f, nil
}

// Digest changes with every other byte of the file.
func (f *File) Digest() string { return f.digest }

// Date is when the places were taken from GeoNames.
func (f *File) Date() time.Time { return f.date }

// Places is the number of places.
func (f *File) Places() int { return len(f.section[placesAt]) / placeBytes }

// Areas is the number of areas. Countries come first.
func (f *File) Areas() int { return len(f.section[areasAt]) / areaBytes }

// Names is the number of distinct names that lead somewhere.
func (f *File) Names() int { return f.keys }

// Point is where place i lies.
func (f *File) Point(i int) geo.Point {
	row := f.section[placesAt][i*placeBytes:]
	return geo.Point{Lat: degrees(row[4:], placeUnit), Lon: degrees(row[8:], placeUnit)}
}

// Population of place i; 0 means unknown.
func (f *File) Population(i int) int64 {
	return int64(binary.LittleEndian.Uint32(f.section[placesAt][i*placeBytes+12:]) &^ abroadBit)
}

// Abroad reports whether place i lies outside of the outline of its country.
func (f *File) Abroad(i int) bool {
	return binary.LittleEndian.Uint32(f.section[placesAt][i*placeBytes+12:])&abroadBit != 0
}

// Fame is how well place i is known: the decimal logarithm of one more than the
// number of its other names, from 0 to 2.5 in steps of a sixth.
func (f *File) Fame(i int) float64 {
	return float64(f.section[placesAt][i*placeBytes+23]>>fameShift) / fameUnit
}

// PlaceArea is the smallest known area of place i.
func (f *File) PlaceArea(i int) int {
	return int(binary.LittleEndian.Uint16(f.section[placesAt][i*placeBytes+21:]))
}

// PlaceFeature is the feature of place i.
func (f *File) PlaceFeature(i int) Feature {
	return Feature(f.section[placesAt][i*placeBytes+23] & featureMask)
}

// Place decodes place i, 0 ≤ i < Places(). Places lie in the order of the
// spatial index, see [File.Nearest].
func (f *File) Place(i int) Place {
	row := f.section[placesAt][i*placeBytes:]
	return Place{
		ID:         int64(binary.LittleEndian.Uint32(row)),
		Name:       f.name(row[16:]),
		Point:      f.Point(i),
		Population: f.Population(i),
		Feature:    f.PlaceFeature(i),
		Area:       f.PlaceArea(i),
		OtherNames: int(math.Round(math.Pow(10, f.Fame(i)) - 1)),
		Abroad:     f.Abroad(i),
	}
}

// AreaLevel is the level of area i.
func (f *File) AreaLevel(i int) Level { return Level(f.section[areasAt][i*areaBytes+2]) }

// AreaParent is the area that area i lies in, or NoArea.
func (f *File) AreaParent(i int) int {
	return int(binary.LittleEndian.Uint16(f.section[areasAt][i*areaBytes:]))
}

// AreaCode is the country code of area i.
func (f *File) AreaCode(i int) string {
	row := f.section[areasAt][i*areaBytes:]
	return string(row[3:5])
}

// InCountry reports whether area i is a country, or lies in one, of that code.
func (f *File) InCountry(i int, code string) bool {
	row := f.section[areasAt][i*areaBytes:]
	return string(row[3:5]) == code
}

// AreaPoint is the middle of area i.
func (f *File) AreaPoint(i int) geo.Point {
	row := f.section[areasAt][i*areaBytes:]
	return geo.Point{Lat: degrees(row[10:], placeUnit), Lon: degrees(row[14:], placeUnit)}
}

// AreaPopulation is the number of people in the places of area i.
func (f *File) AreaPopulation(i int) int64 {
	return int64(binary.LittleEndian.Uint32(f.section[areasAt][i*areaBytes+18:]))
}

// PlaceID is the GeoNames id of place i.
func (f *File) PlaceID(i int) int64 {
	return int64(binary.LittleEndian.Uint32(f.section[placesAt][i*placeBytes:]))
}

// Area decodes area i, 0 ≤ i < Areas().
func (f *File) Area(i int) Area {
	row := f.section[areasAt][i*areaBytes:]
	box := func(at int) float64 { return float64(int16(binary.LittleEndian.Uint16(row[at:]))) / boxUnit }
	return Area{
		Parent:     f.AreaParent(i),
		Level:      f.AreaLevel(i),
		Code:       f.AreaCode(i),
		Name:       f.name(row[5:]),
		Point:      f.AreaPoint(i),
		Population: f.AreaPopulation(i),
		Box:        Box{South: box(22), North: box(24), West: box(26), East: box(28)},
	}
}

// ByID finds the place with a GeoNames id.
func (f *File) ByID(id int64) (i int, ok bool) {
	ids := f.section[idsAt]
	low, high := 0, len(ids)/4
	for low < high {
		middle := (low + high) / 2
		i := int(binary.LittleEndian.Uint32(ids[middle*4:]))
		switch got := int64(binary.LittleEndian.Uint32(f.section[placesAt][i*placeBytes:])); {
		case got == id:
			return i, true
		case got < id:
			low = middle + 1
		default:
			high = middle
		}
	}
	return 0, false
}

// name reads a reference into the slab of names: offset in four bytes, length
// in one.
func (f *File) name(ref []byte) string {
	at := int(binary.LittleEndian.Uint32(ref))
	return string(f.section[namesAt][at : at+int(ref[4])])
}

func degrees(b []byte, unit float64) float64 {
	return float64(int32(binary.LittleEndian.Uint32(b))) / unit
}
