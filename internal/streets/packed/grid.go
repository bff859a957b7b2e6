package packed

import (
	"encoding/binary"
	"math"
)

// Cells of the grid are 2^cellBits units of 1e-7 degrees wide, some 180 m.
const cellBits = 14

// Cell is the cell of a coordinate.
func Cell(v int32) int32 { return v >> cellBits }

// CellKey names a cell.
func CellKey(lat, lon int32) uint64 { return uint64(uint32(lat)^1<<31)<<32 | uint64(uint32(lon)^1<<31) }

// The entries of the grid say in their highest bits what they are.
const (
	EntryHouse  = 0 << 30
	EntryDoc    = 1 << 30
	EntryStreet = 2 << 30
	EntryMask   = 3 << 30
)

// Around calls yield with the entries of the cells of one row, from west to
// east in cells.
func (f *File) Around(lat, west, east int32, yield func(entry uint32)) {
	n := f.rows(GridKeys, 8)
	low, high := CellKey(lat, west), CellKey(lat, east)
	for i := f.search(GridKeys, n, low); i < n; i++ {
		if f.uint64(GridKeys, i) > high {
			return
		}
		start := uint32(0)
		if i > 0 {
			start = f.uint32(GridEnds, i-1)
		}
		for end := f.uint32(GridEnds, i); start < end && f.Err() == nil; start++ {
			yield(f.uint32(GridEntries, int(start)))
		}
	}
}

// Areas have cells of some 12 km, in rows that no latitude has.
const (
	coarseBits = 20
	coarseRow  = 1 << 20
	// A box of more cells than this is listed once, for everywhere.
	maxCoarse = 20_000
)

var everywhere = [2]int32{2 * coarseRow, 0}

// AreaKeys are the cells in which an area of a box is listed: south, north,
// west, east.
func AreaKeys(box [4]int32) (keys []uint64) {
	south, north, west, east := box[0]>>coarseBits, box[1]>>coarseBits, box[2]>>coarseBits, box[3]>>coarseBits
	if int64(north-south+1)*int64(east-west+1) > maxCoarse {
		return []uint64{CellKey(everywhere[0], everywhere[1])}
	}
	for lat := south; lat <= north; lat++ {
		for lon := west; lon <= east; lon++ {
			keys = append(keys, CellKey(coarseRow+lat, lon))
		}
	}
	return keys
}

// AreasAt calls yield with the docs of the areas whose box may hold p, in
// ascending order, and at last those that are listed for everywhere.
func (f *File) AreasAt(p Point, yield func(doc uint32)) { f.AreasNear(p, 0, 0, yield) }

// AreasNear also looks at so many rows and columns of cells around that of p.
// It may call yield with a doc more than once.
func (f *File) AreasNear(p Point, rows, columns int32, yield func(doc uint32)) {
	doc := func(entry uint32) { yield(entry &^ EntryMask) }
	lat, lon := p.Lat>>coarseBits, p.Lon>>coarseBits
	for row := lat - rows; row <= lat+rows; row++ {
		f.Around(coarseRow+row, lon-columns, lon+columns, doc)
	}
	f.Around(everywhere[0], everywhere[1], everywhere[1], doc)
}

func (f *File) uint64(s Section, i int) uint64 {
	if b := f.at(s, uint64(i)*8, 8); len(b) == 8 {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// search finds the first of n sorted keys that is not below key.
func (f *File) search(s Section, n int, key uint64) int {
	low, high := 0, n
	for low < high {
		mid := (low + high) / 2
		if f.uint64(s, mid) < key {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// IDKey names an element of OpenStreetMap in the index of ids.
func IDKey(osmType byte, id int64) uint64 {
	kind := uint64(0)
	switch osmType {
	case 'W':
		kind = 1
	case 'R':
		kind = 2
	}
	return kind<<60 | uint64(id)&(1<<60-1)
}

// ByID finds the entries of an element: a doc, a house or a street, with the
// bits of the grid's entries. Ids come first in the section, then the entries.
func (f *File) ByID(osmType byte, id int64, yield func(entry uint32)) {
	n := f.rows(IDs, 12)
	key := IDKey(osmType, id)
	for i := f.search(IDs, n, key); i < n && f.uint64(IDs, i) == key; i++ {
		yield(f.uint32(IDs, 2*n+i))
	}
}

// Crosses tells whether the ray from p to the east crosses the segment ab. A
// point is inside of rings when it crosses an odd number of their segments.
func Crosses(a, b, p Point) bool {
	if (a.Lat > p.Lat) == (b.Lat > p.Lat) {
		return false
	}
	slope := (float64(b.Lon) - float64(a.Lon)) / (float64(b.Lat) - float64(a.Lat))
	return float64(p.Lon) < slope*(float64(p.Lat)-float64(a.Lat))+float64(a.Lon)
}

// Foot is the point of the segment ab that is nearest to p.
func Foot(p, a, b Point) Point {
	shrink := math.Cos(float64(p.Lat) * 1e-7 * math.Pi / 180)
	dx, dy := (float64(b.Lon)-float64(a.Lon))*shrink, float64(b.Lat)-float64(a.Lat)
	px, py := (float64(p.Lon)-float64(a.Lon))*shrink, float64(p.Lat)-float64(a.Lat)
	length := dx*dx + dy*dy
	if length == 0 {
		return a
	}
	t := max(0, min(1, (px*dx+py*dy)/length))
	return Point{Lat: a.Lat + int32(t*(float64(b.Lat)-float64(a.Lat))), Lon: a.Lon + int32(t*(float64(b.Lon)-float64(a.Lon)))}
}
