package build

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"geogate/internal/streets/packed"
)

// areaIndex finds the areas with an outline that hold a point.
type areaIndex struct {
	areas  []area
	cells  map[[2]int32][]int32
	bounds map[int32][][]segment // for each area its segments by bands of latitude
}

type segment struct{ a, b packed.Point }

// Cells and bands are 0.05° wide.
const areaBits = 19

func indexAreas(areas []area) areaIndex {
	x := areaIndex{areas, map[[2]int32][]int32{}, map[int32][][]segment{}}
	for i, a := range areas {
		if !a.closed {
			continue
		}
		for lat := a.box.south >> areaBits; lat <= a.box.north>>areaBits; lat++ {
			for lon := a.box.west >> areaBits; lon <= a.box.east>>areaBits; lon++ {
				x.cells[[2]int32{lat, lon}] = append(x.cells[[2]int32{lat, lon}], int32(i))
			}
		}
		first := a.box.south >> areaBits
		bands := make([][]segment, a.box.north>>areaBits-first+1)
		for _, line := range a.lines {
			for j := 1; j < len(line); j++ {
				p, q := line[j-1], line[j]
				for band := min(p.Lat, q.Lat) >> areaBits; band <= max(p.Lat, q.Lat)>>areaBits; band++ {
					bands[band-first] = append(bands[band-first], segment{p, q})
				}
			}
		}
		x.bounds[int32(i)] = bands
	}
	return x
}

// holding are the areas around a point, the smallest rank of address first.
func (x *areaIndex) holding(p packed.Point) []int {
	var found []int
	for _, i := range x.cells[[2]int32{p.Lat >> areaBits, p.Lon >> areaBits}] {
		a := &x.areas[i]
		if a.box.holds(p) && crossed(x.bounds[i][p.Lat>>areaBits-a.box.south>>areaBits], p) {
			found = append(found, int(i))
		}
	}
	slices.SortStableFunc(found, func(i, j int) int { return cmp.Compare(x.areas[j].addr, x.areas[i].addr) })
	return found
}

func crossed(list []segment, p packed.Point) bool {
	in := false
	for _, s := range list {
		in = in != packed.Crosses(s.a, s.b, p)
	}
	return in
}

// inside tells whether rings hold a point.
func inside(rings [][]packed.Point, p packed.Point) bool {
	in := false
	for _, ring := range rings {
		for i := 1; i < len(ring); i++ {
			in = in != packed.Crosses(ring[i-1], ring[i], p)
		}
	}
	return in
}

// reach is how far the name of a place without an outline is used, in metres.
var reach = map[string]float64{
	"city": 15000, "town": 5000, "village": 2500, "suburb": 2000, "borough": 3000, "hamlet": 1000, "quarter": 1000,
	"neighbourhood": 800, "isolated_dwelling": 300, "farm": 300, "locality": 300, "allotments": 300, "square": 100,
	"island": 5000, "islet": 500,
}

// placeIndex finds places without an outline near a point, in cells of 0.1°
// for the large ones and of 0.01° for the small.
type placeIndex struct {
	areas        []area
	large, small map[[2]int32][]int32
}

const largeBits, smallBits = 20, 17

func indexPlaces(areas []area) placeIndex {
	x := placeIndex{areas, map[[2]int32][]int32{}, map[[2]int32][]int32{}}
	for i, a := range areas {
		if a.level != 0 || a.closed {
			continue
		}
		if reach[a.placeType] > 1000 {
			c := [2]int32{a.at.Lat >> largeBits, a.at.Lon >> largeBits}
			x.large[c] = append(x.large[c], int32(i))
		} else {
			c := [2]int32{a.at.Lat >> smallBits, a.at.Lon >> smallBits}
			x.small[c] = append(x.small[c], int32(i))
		}
	}
	return x
}

type nearPlace struct {
	area   int
	metres float64
}

// near are the places whose name is used at a point, the nearest first.
func (x *placeIndex) near(p packed.Point) []nearPlace {
	var found []nearPlace
	look := func(list []int32) {
		for _, i := range list {
			if d := metres(p, x.areas[i].at); d < reach[x.areas[i].placeType] {
				found = append(found, nearPlace{int(i), d})
			}
		}
	}
	for dlat := int32(-2); dlat <= 2; dlat++ {
		for dlon := int32(-3); dlon <= 3; dlon++ {
			look(x.large[[2]int32{p.Lat>>largeBits + dlat, p.Lon>>largeBits + dlon}])
		}
	}
	for dlat := int32(-1); dlat <= 1; dlat++ {
		for dlon := int32(-1); dlon <= 1; dlon++ {
			look(x.small[[2]int32{p.Lat>>smallBits + dlat, p.Lon>>smallBits + dlon}])
		}
	}
	slices.SortStableFunc(found, func(a, b nearPlace) int { return cmp.Compare(a.metres, b.metres) })
	return found
}

// located is where something lies: the areas of its address, from the
// smallest, then areas that people may also name.
type located struct{ address, also []int }

// contextOf finds where a point lies. self is the area that asks, or -1; more
// are areas that its tags name.
func (b *builder) contextOf(p packed.Point, self int, more []int) located {
	var c located
	top := uint8(30)
	if self >= 0 {
		top = b.areas[self].addr
		if top == 0 {
			top = 26
		}
	}
	holding := b.areaIndex.holding(p)
	ranks := map[uint8]bool{}
	use := func(i int) {
		a := &b.areas[i]
		if i == self || self >= 0 && (a.addr == 0 || a.addr >= top) {
			return
		}
		if a.addr != 0 && a.addr < top && !ranks[a.addr] {
			ranks[a.addr] = true
			c.address = append(c.address, i)
		} else {
			c.also = append(c.also, i)
		}
	}
	for _, i := range holding {
		use(i)
	}
	settled := slices.ContainsFunc(c.address, func(i int) bool { return b.settlement(i) })
	for _, n := range b.places.near(p) {
		a := &b.areas[n.area]
		// A town has one name: that of its boundary, or of the nearest place.
		if town := a.addr == 16; town && settled && n.metres > reach[a.placeType]/2 {
			c.also = append(c.also, n.area)
			continue
		}
		use(n.area)
	}
	for _, i := range more {
		if !slices.Contains(c.address, i) && !slices.Contains(c.also, i) && i != self {
			c.also = append(c.also, i)
		}
	}
	if !slices.ContainsFunc(c.address, func(i int) bool { return b.areas[i].country != "" }) && (self < 0 || b.areas[self].country == "") {
		if i, ok := b.countries[b.countryOf(holding, p)]; ok {
			c.address = append(c.address, i)
		}
	}
	slices.SortStableFunc(c.address, func(i, j int) int { return cmp.Compare(b.areas[j].addr, b.areas[i].addr) })
	return c
}

// countryOf is the country of a point outside of all countries' boundaries: the
// one that a boundary around it names, or the one that the option knows.
func (b *builder) countryOf(holding []int, p packed.Point) string {
	for _, i := range holding {
		if code, _, ok := strings.Cut(b.areas[i].tag("ISO3166-2"), "-"); ok && len(code) == 2 {
			return strings.ToLower(code)
		}
	}
	return b.countryAt(p)
}

// countryAt asks for the country of a cell of some 400 m once.
func (b *builder) countryAt(p packed.Point) string {
	if b.Country == nil {
		return ""
	}
	cell := [2]int32{p.Lat >> 15, p.Lon >> 15}
	code, asked := b.countryCells[cell]
	if !asked {
		code = b.Country(float64(p.Lat)*1e-7, float64(p.Lon)*1e-7)
		b.countryCells[cell] = code
	}
	return code
}

// settlement tells whether an area is what people call the town of an address.
func (b *builder) settlement(i int) bool {
	a := &b.areas[i]
	return a.addr >= 14 && a.addr <= 16 && a.closed
}

// town is the municipality or place that names streets: no two streets of one
// town bear the same name. It is -1 where there is none.
func (c located) town(b *builder) int {
	best := -1
	for _, i := range c.address {
		if a := &b.areas[i]; a.addr >= 12 && a.addr <= 16 {
			if best < 0 || a.closed && !b.areas[best].closed {
				best = i
			}
		}
	}
	return best
}

// contextTable keeps every context once.
type contextTable struct {
	bytes []byte
	have  map[string]uint32
}

func (t *contextTable) add(c located) uint32 {
	r := binary.AppendUvarint(nil, uint64(len(c.address)))
	for _, list := range [...][]int{c.address, c.also} {
		for _, i := range list {
			r = binary.AppendUvarint(r, uint64(i))
		}
	}
	if t.have == nil {
		t.have = map[string]uint32{}
	}
	if at, ok := t.have[string(r)]; ok {
		return at
	}
	at := uint32(len(t.bytes))
	t.bytes = packed.AppendRecord(t.bytes, r)
	t.have[string(r)] = at
	return at
}
