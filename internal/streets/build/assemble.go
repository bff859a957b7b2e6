package build

import (
	"cmp"
	"math"
	"slices"

	"geogate/internal/streets/packed"
)

// assemble gives every element its position, and streets and areas their
// lines. Elements without a position are dropped. Positions of nodes are not
// needed after it.
func (b *builder) assemble() {
	b.sortElements()
	kept := b.elements[:0]
	for i := range b.elements {
		e := b.elements[i]
		var lines [][]packed.Point
		if e.osmType() != 'N' {
			var ok bool
			if lines, ok = b.locate(&e); !ok {
				b.skipped++
				continue
			}
		}
		if e.roles.interpolation {
			b.interpolated(len(kept), e.shape)
		}
		// Of a building its place and its box are enough.
		if e.shape = 0; lines != nil && (e.roles.boundary || e.roles.place || e.roles.street) {
			b.record = packed.AppendLines(b.record[:0], lines)
			e.shape = b.lines.add(b.record)
		}
		kept = append(kept, e)
	}
	b.elements = kept
	b.refs, b.nodes, b.memberWays = arena{}, nodeStore{}, nil
}

func compareElements(x, y element) int {
	return cmp.Or(cmp.Compare(x.key, y.key), cmp.Compare(y.version, x.version), cmp.Compare(x.tags, y.tags))
}

// interpolation is a way along which house numbers are interpolated.
type interpolation struct {
	element int
	ids     []int64
	at      []packed.Point
}

func (b *builder) interpolated(element int, refs uint32) {
	n := interpolation{element: element, ids: b.refsAt(nil, refs)}
	for _, id := range n.ids {
		n.at = append(n.at, b.nodes.get(id))
	}
	b.numbered = append(b.numbered, n)
}

// locate finds the lines of a way or a relation, and its position. The lines
// are valid until the next call.
func (b *builder) locate(e *element) (lines [][]packed.Point, ok bool) {
	if e.osmType() == 'W' {
		b.ids = b.refsAt(b.ids[:0], e.shape)
		b.points = b.line(b.points[:0], b.ids)
		line := b.points
		if len(line) == 0 || len(line) == 1 && len(b.ids) > 1 {
			return nil, false
		}
		lines = [][]packed.Point{line}
		closed := len(line) > 3 && line[0] == line[len(line)-1]
		switch {
		case closed && b.tag(e, "highway") == "":
			e.at = centre(lines)
		case len(line) == 2:
			e.at = middle(line[0], line[1])
		default:
			e.at = line[len(line)/2]
		}
	} else {
		if lines, ok = b.rings(e.shape); !ok {
			return nil, false
		}
		e.at = centre(lines)
	}
	e.box = boxOf(lines[0][0])
	for _, line := range lines {
		for _, p := range line {
			e.box.add(p)
		}
	}
	return lines, true
}

// line appends the positions of nodes, apart from those that are missing.
func (b *builder) line(line []packed.Point, ids []int64) []packed.Point {
	for _, id := range ids {
		if p := b.nodes.get(id); p != missing {
			line = append(line, p)
		}
	}
	return line
}

// rings joins the ways of a relation to closed rings. A relation that does not
// close is not ok: half a boundary would take in half a country.
func (b *builder) rings(members uint32) (rings [][]packed.Point, ok bool) {
	var open [][]int64
	for _, way := range b.refsAt(nil, members) {
		at := b.memberWays[way]
		if at == unread {
			return nil, false
		}
		if refs := b.refsAt(nil, at); len(refs) > 1 {
			open = append(open, refs)
		}
	}
	ends := map[int64][]int{}
	for i, refs := range open {
		ends[refs[0]] = append(ends[refs[0]], i)
		ends[refs[len(refs)-1]] = append(ends[refs[len(refs)-1]], i)
	}
	used := make([]bool, len(open))
	for i := range open {
		if used[i] {
			continue
		}
		used[i] = true
		ring := open[i]
		for ring[0] != ring[len(ring)-1] {
			next := -1
			for _, j := range ends[ring[len(ring)-1]] {
				if !used[j] {
					next = j
					break
				}
			}
			if next < 0 {
				return nil, false
			}
			used[next] = true
			more := open[next]
			if more[0] != ring[len(ring)-1] {
				slices.Reverse(more)
			}
			ring = append(ring, more[1:]...)
		}
		line := b.line(nil, ring)
		if len(line) != len(ring) || len(line) < 4 {
			return nil, false
		}
		rings = append(rings, line)
	}
	return rings, len(rings) > 0
}

func middle(a, b packed.Point) packed.Point {
	return packed.Point{Lat: int32((int64(a.Lat) + int64(b.Lat)) / 2), Lon: int32((int64(a.Lon) + int64(b.Lon)) / 2)}
}

// centre is the centroid of the largest ring.
func centre(rings [][]packed.Point) packed.Point {
	best, most := rings[0][0], -1.0
	for _, ring := range rings {
		var area, lat, lon float64
		o := ring[0]
		for i := range ring {
			p, q := ring[i], ring[(i+1)%len(ring)]
			x1, y1, x2, y2 := float64(p.Lon-o.Lon), float64(p.Lat-o.Lat), float64(q.Lon-o.Lon), float64(q.Lat-o.Lat)
			c := x1*y2 - x2*y1
			area += c
			lon += (x1 + x2) * c
			lat += (y1 + y2) * c
		}
		if math.Abs(area) <= most {
			continue
		}
		most = math.Abs(area)
		best = o
		if area != 0 {
			best = packed.Point{Lat: o.Lat + int32(lat/(3*area)), Lon: o.Lon + int32(lon/(3*area))}
		}
	}
	return best
}

// box is a bounding box in 1e-7 degrees.
type box struct{ south, north, west, east int32 }

func boxOf(p packed.Point) box { return box{p.Lat, p.Lat, p.Lon, p.Lon} }

func (b *box) add(p packed.Point) {
	b.south, b.north = min(b.south, p.Lat), max(b.north, p.Lat)
	b.west, b.east = min(b.west, p.Lon), max(b.east, p.Lon)
}

func (b *box) join(o box) {
	b.south, b.north = min(b.south, o.south), max(b.north, o.north)
	b.west, b.east = min(b.west, o.west), max(b.east, o.east)
}

func (b box) holds(p packed.Point) bool {
	return p.Lat >= b.south && p.Lat <= b.north && p.Lon >= b.west && p.Lon <= b.east
}

// metres is how far a point lies from the box, at least.
func (b box) metres(p packed.Point) float64 {
	const slack = 0.98 // a degree of longitude is not as long everywhere in the box
	return slack * metres(p, packed.Point{Lat: min(max(p.Lat, b.south), b.north), Lon: min(max(p.Lon, b.west), b.east)})
}

// metres is the distance of two near points.
func metres(a, b packed.Point) float64 {
	const perUnit = 111_195e-7
	y := float64(a.Lat-b.Lat) * perUnit
	x := (float64(a.Lon) - float64(b.Lon)) * perUnit * math.Cos(float64(a.Lat)*1e-7*math.Pi/180)
	return math.Hypot(x, y)
}
