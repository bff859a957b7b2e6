package build

import (
	"cmp"
	"math"
	"slices"

	"geogate/internal/streets/packed"
	"geogate/internal/streets/pbf"
)

// assemble gives every element its lines and its position, and drops those
// that have none and the older versions of those that several extracts hold.
func (b *builder) assemble() {
	slices.SortStableFunc(b.elements, func(x, y element) int {
		return cmp.Or(cmp.Compare(packed.IDKey(x.osmType, x.id), packed.IDKey(y.osmType, y.id)), cmp.Compare(y.version, x.version))
	})
	b.elements = slices.CompactFunc(b.elements, func(x, y element) bool { return x.osmType == y.osmType && x.id == y.id })
	kept := b.elements[:0]
	for _, e := range b.elements {
		if !b.locate(&e) {
			b.skipped++
			continue
		}
		e.refs = b.interpolated(&e)
		if r := rolesOf(e.osmType, e.tags); !r.boundary && !r.place && !r.street {
			e.lines = nil // of a building its place and its box are enough
		}
		e.members = slices.DeleteFunc(e.members, func(m pbf.Member) bool { return m.Kind != pbf.NodeMember })
		kept = append(kept, e)
	}
	clear(b.elements[len(kept):])
	b.elements = kept
	b.memberLines, b.memberWays = nil, nil
}

// interpolated is the nodes of a way where house numbers are interpolated. No
// other way needs its nodes any longer.
func (b *builder) interpolated(e *element) []int64 {
	if e.osmType == 'W' && e.tag("addr:interpolation") != "" {
		return e.refs
	}
	return nil
}

func (b *builder) locate(e *element) bool {
	switch e.osmType {
	case 'N':
		e.box = boxOf(e.at)
		return true
	case 'W':
		line := b.line(e.refs)
		if len(line) == 0 || len(line) == 1 && len(e.refs) > 1 {
			return false
		}
		e.lines = [][]packed.Point{line}
		closed := len(line) > 3 && line[0] == line[len(line)-1]
		if closed && e.tag("highway") == "" {
			e.at = centre(e.lines)
		} else {
			e.at = line[len(line)/2]
			if len(line) == 2 {
				e.at = middle(line[0], line[1])
			}
		}
	default:
		rings, ok := b.rings(e.members)
		if !ok {
			return false
		}
		e.lines = rings
		e.at = centre(rings)
	}
	e.box = boxOf(e.lines[0][0])
	for _, line := range e.lines {
		for _, p := range line {
			e.box.add(p)
		}
	}
	return true
}

func (b *builder) line(refs []int64) []packed.Point {
	line := make([]packed.Point, 0, len(refs))
	for _, id := range refs {
		if p := b.nodes.get(id); p != missing {
			line = append(line, p)
		}
	}
	return line
}

// rings joins the ways of a relation to closed rings. A relation that does not
// close is not ok: half a boundary would take in half a country.
func (b *builder) rings(members []pbf.Member) (rings [][]packed.Point, ok bool) {
	var open [][]int64
	for _, m := range members {
		if m.Kind != pbf.WayMember || m.Role != "outer" && m.Role != "inner" && m.Role != "" {
			continue
		}
		refs, found := b.memberLines[m.ID]
		if !found {
			return nil, false
		}
		if len(refs) > 1 {
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
		ring := slices.Clone(open[i])
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
			more := slices.Clone(open[next])
			if more[0] != ring[len(ring)-1] {
				slices.Reverse(more)
			}
			ring = append(ring, more[1:]...)
		}
		line := b.line(ring)
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

// metres is the distance of two near points.
func metres(a, b packed.Point) float64 {
	const perUnit = 111_195e-7
	y := float64(a.Lat-b.Lat) * perUnit
	x := (float64(a.Lon) - float64(b.Lon)) * perUnit * math.Cos(float64(a.Lat)*1e-7*math.Pi/180)
	return math.Hypot(x, y)
}
