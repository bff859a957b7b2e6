package build

import (
	"cmp"
	"slices"
	"strings"

	"geogate/internal/streets/packed"
	"geogate/internal/streets/words"
)

// street is all ways of one name in one town.
type street struct {
	names   []string // folded, the main one first
	town    int      // area, or -1
	ways    []int32  // elements
	length  float64  // of the way that it shows, in metres
	at      packed.Point
	box     box
	context located
	house   int // the first of its houses
	houses  int
	element int // whose tags it shows, -1 for a street that only addresses know
	name    string
	place   bool // addr:place: no street at all
}

type streetKey struct {
	name string
	town int
}

// makeStreets joins ways by name and town.
func (b *builder) makeStreets() {
	b.byName = map[streetKey]int{}
	b.near = map[string][]int32{}
	for i := range b.elements {
		e := &b.elements[i]
		if !e.roles.street {
			continue
		}
		names := b.namesOf(e)
		if len(names) == 0 {
			continue
		}
		line := b.pointsOf(e)
		at, long := onLine(line), length(line)
		context := b.contextOf(at, -1, nil)
		key := streetKey{names[0], context.town(b)}
		s, ok := b.byName[key]
		if !ok {
			s = len(b.streets)
			b.streets = append(b.streets, street{names: names, town: key.town, at: at, box: e.box, context: context, element: i, length: long, name: b.tag(e, "name")})
			b.byName[key] = s
		}
		st := &b.streets[s]
		for _, n := range names {
			if !slices.Contains(st.names, n) {
				st.names = append(st.names, n)
			}
		}
		if long > st.length {
			st.element, st.at, st.context, st.length = i, at, context, long
		}
		st.ways = append(st.ways, int32(i))
		st.box.join(e.box)
	}
	for i := range b.streets {
		for _, n := range b.streets[i].names {
			for _, spelled := range spellings(n) {
				if l := b.near[spelled]; len(l) == 0 || l[len(l)-1] != int32(i) {
					b.near[spelled] = append(l, int32(i))
				}
			}
		}
	}
}

// pointsOf are the points of a street's way, valid until the next call.
func (b *builder) pointsOf(e *element) []packed.Point {
	b.points = packed.AppendPoints(b.points[:0], b.lines.get(e.shape))
	return b.points
}

// onLine is the point half way along a line.
func onLine(line []packed.Point) packed.Point {
	rest := length(line) / 2
	for i := 1; i < len(line); i++ {
		d := metres(line[i-1], line[i])
		if d >= rest && d > 0 {
			t := rest / d
			return packed.Point{
				Lat: line[i-1].Lat + int32(t*float64(line[i].Lat-line[i-1].Lat)),
				Lon: line[i-1].Lon + int32(t*float64(line[i].Lon-line[i-1].Lon)),
			}
		}
		rest -= d
	}
	return line[len(line)-1]
}

func length(line []packed.Point) (sum float64) {
	for i := 1; i < len(line); i++ {
		sum += metres(line[i-1], line[i])
	}
	return sum
}

// spellings are keys under which a street is found by the addresses that
// spell it another way: joined, and without particles and abbreviations.
func spellings(name string) []string {
	var full strings.Builder
	list := strings.Fields(name)
	for i, w := range list {
		if words.Particle(w) && len(list) > 1 {
			continue
		}
		if short := words.Full(w); short != "" && i == 0 {
			w = short
		}
		full.WriteString(w)
	}
	joined := strings.ReplaceAll(name, " ", "")
	if full.String() == joined {
		return []string{joined}
	}
	return []string{joined, "~" + full.String()}
}

// farStreet is how far from a house its street may lie, in metres.
const farStreet = 3000

// streetOf finds the street of an address, and makes it when there is none.
func (b *builder) streetOf(name string, at packed.Point, c located, place bool) int {
	f := folded(name)
	town := c.town(b)
	if s, ok := b.byName[streetKey{f, town}]; ok {
		return s
	}
	best, least := -1, float64(farStreet)
	for _, key := range spellings(f) {
		for _, s := range b.near[key] {
			d := b.distance(int(s), at)
			if b.streets[s].town == town {
				d /= 4
			}
			if d < least {
				best, least = int(s), d
			}
		}
		if best >= 0 {
			break
		}
	}
	if best < 0 {
		best = len(b.streets)
		b.streets = append(b.streets, street{names: []string{f}, town: town, at: at, box: boxOf(at), context: c, element: -1, name: name, place: place})
		for _, key := range spellings(f) {
			b.near[key] = append(b.near[key], int32(best))
		}
	}
	b.byName[streetKey{f, town}] = best
	return best
}

// distance is how far a street is, in metres.
func (b *builder) distance(s int, at packed.Point) float64 {
	st := &b.streets[s]
	best := metres(st.at, at)
	for _, w := range st.ways {
		line := b.pointsOf(&b.elements[w])
		for i := 1; i < len(line); i++ {
			best = min(best, metres(packed.Foot(at, line[i-1], line[i]), at))
		}
	}
	return best
}

// nearestStreet is the street that a house without a street's name stands at.
func (b *builder) nearestStreet(at packed.Point) int {
	best, least := -1, 150.0
	for dlat := int32(-1); dlat <= 1; dlat++ {
		for dlon := int32(-1); dlon <= 1; dlon++ {
			for _, s := range b.streetCells[[2]int32{at.Lat>>smallBits + dlat, at.Lon>>smallBits + dlon}] {
				if b.streets[s].box.metres(at) > least {
					continue
				}
				if d := b.distance(int(s), at); d < least {
					best, least = int(s), d
				}
			}
		}
	}
	return best
}

func (b *builder) indexStreets() {
	b.streetCells = map[[2]int32][]int32{}
	for i := range b.streets {
		for _, w := range b.streets[i].ways {
			for _, p := range b.pointsOf(&b.elements[w]) {
				c := [2]int32{p.Lat >> smallBits, p.Lon >> smallBits}
				if l := b.streetCells[c]; len(l) == 0 || l[len(l)-1] != int32(i) {
					b.streetCells[c] = append(l, int32(i))
				}
			}
		}
	}
}

// sortStreets puts important streets first: where many bear a word, the first
// are looked at.
func (b *builder) sortStreets() {
	order := make([]int, len(b.streets))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		return cmp.Compare(len(b.streets[y].ways)+b.streets[y].houses, len(b.streets[x].ways)+b.streets[x].houses)
	})
	moved, to := make([]street, len(order)), make([]int, len(order))
	for n, old := range order {
		moved[n], to[old] = b.streets[old], n
	}
	b.streets = moved
	for i := range b.houses {
		b.houses[i].street = int32(to[b.houses[i].street])
	}
	for i := range b.pois {
		if b.pois[i].street >= 0 {
			b.pois[i].street = to[b.pois[i].street]
		}
	}
	slices.SortFunc(b.houses, func(x, y house) int {
		if x.street != y.street {
			return cmp.Compare(x.street, y.street)
		}
		p, q := b.texts.list[x.number], b.texts.list[y.number]
		return cmp.Or(cmp.Compare(number(p), number(q)), cmp.Compare(p, q), cmp.Compare(x.object, y.object))
	})
	for i := range b.houses {
		s := &b.streets[b.houses[i].street]
		if i == 0 || b.houses[i-1].street != b.houses[i].street {
			s.house = i
			s.houses = 0
		}
		s.houses++
	}
}

// number is the number that a house number begins with.
func number(s string) int {
	n := 0
	for i := 0; i < len(s) && i < 7 && s[i] >= '0' && s[i] <= '9'; i++ {
		n = 10*n + int(s[i]-'0')
	}
	return n
}
