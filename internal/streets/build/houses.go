package build

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"geogate/internal/streets/packed"
	"geogate/internal/streets/words"
)

// house is an address under one of its numbers.
type house struct {
	street  int32
	number  uint32 // a text, as it is compared
	written uint32 // a text
	at      packed.Point
	element int32
	context uint32
	object  uint32 // when it was made; in the end where its object is in the file
}

// poi is a point of interest.
type poi struct {
	element int
	context located
	street  int // of its address, or -1
}

// makeHouses gives every address to its street.
func (b *builder) makeHouses() {
	b.indexStreets()
	b.codeIndex = map[string]int{}
	numbered := map[int64]int{} // nodes with a number, for interpolation
	for _, n := range b.numbered {
		for _, id := range n.ids {
			numbered[id] = -1
		}
	}
	for i := range b.elements {
		e := &b.elements[i]
		if !e.roles.house {
			continue
		}
		if e.osmType() == 'N' {
			if _, ok := numbered[e.id()]; ok {
				numbered[e.id()] = i
			}
		}
		b.addHouse(i, e.at, b.tag(e, "addr:housenumber"))
	}
	for i := range b.numbered {
		b.interpolate(&b.numbered[i], numbered)
	}
	b.numbered = nil
}

func (b *builder) addHouse(i int, at packed.Point, written string) {
	if !b.addNumbers(&b.elements[i], i, at, houseNumbers(written), written) {
		b.skipped++
	}
}

// addNumbers adds an address, which the tags of e name, under its numbers.
func (b *builder) addNumbers(e *element, shown int, at packed.Point, numbers []string, written string) bool {
	c := b.contextOf(at, -1, b.namedTown(e, at))
	s := b.addressStreet(e, at, c)
	if s < 0 || len(numbers) == 0 {
		return false
	}
	if code := b.code(e, at, c); code >= 0 {
		c.also = append(c.also, b.codeBase()+code)
	}
	h := house{street: int32(s), written: b.texts.number(written), at: at, element: int32(shown), context: b.contexts.add(c)}
	for _, n := range numbers {
		h.number, h.object = b.texts.number(n), uint32(len(b.houses))
		b.houses = append(b.houses, h)
	}
	b.streets[s].houses++
	return true
}

// addressStreet is the street of an address, or -1.
func (b *builder) addressStreet(e *element, at packed.Point, c located) int {
	if name := b.tag(e, "addr:street"); folded(name) != "" {
		return b.streetOf(name, at, c, false)
	}
	if name := b.texts.list[b.houseStreets[e.key]]; folded(name) != "" {
		return b.streetOf(name, at, c, false)
	}
	if name := b.tag(e, "addr:place"); folded(name) != "" {
		return b.streetOf(name, at, c, true)
	}
	return b.nearestStreet(at)
}

// namedTown is the area that addr:city and its kin name, if it is near.
func (b *builder) namedTown(e *element, at packed.Point) (found []int) {
	for _, key := range []string{"addr:city", "addr:suburb", "addr:hamlet", "addr:district", "addr:place"} {
		name := folded(b.tag(e, key))
		if name == "" {
			continue
		}
		best, least := -1, 30_000.0
		for _, i := range b.areasNamed(name) {
			if d := metres(b.areas[i].at, at); d < least {
				best, least = i, d
			}
		}
		if best >= 0 {
			found = append(found, best)
		}
	}
	return found
}

func (b *builder) areasNamed(name string) []int {
	if b.areaNames == nil {
		b.areaNames = map[string][]int{}
		for i, a := range b.areas {
			for _, n := range a.names {
				b.areaNames[n] = append(b.areaNames[n], i)
			}
		}
	}
	return b.areaNames[name]
}

// houseNumbers are the numbers that people may ask a house by: all that is
// written, and each of "12-14", "12;14" and "12,14".
func houseNumbers(written string) []string {
	if len(written) > 40 {
		return nil
	}
	var list []string
	add := func(s string) {
		if s = words.Number(s); s != "" && len(s) <= 20 && len(list) < 8 && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	parts := strings.FieldsFunc(written, func(r rune) bool { return r == ';' || r == ',' })
	if len(parts) == 1 {
		add(written)
	}
	for _, part := range parts {
		add(part)
		if sides := strings.FieldsFunc(part, func(r rune) bool { return r == '-' || r == '/' || r == '–' }); len(sides) > 1 {
			for _, side := range sides {
				if words.Digits(strings.TrimSpace(side)) {
					add(side)
				}
			}
		}
	}
	return list
}

// maxInterpolated is the most houses that one way may stand for.
const maxInterpolated = 500

// interpolate adds the houses between the numbered nodes of a way.
func (b *builder) interpolate(way *interpolation, numbered map[int64]int) {
	step := 2
	switch v := b.tag(&b.elements[way.element], "addr:interpolation"); v {
	case "odd", "even":
	case "all":
		step = 1
	default:
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			b.skipped++
			return
		}
		step = n
	}
	var line []packed.Point
	from, last := -1, 0
	for i, id := range way.ids {
		p := way.at[i]
		if p == missing {
			continue
		}
		line = append(line, p)
		j := numbered[id]
		if j < 0 {
			continue
		}
		n, err := strconv.Atoi(b.tag(&b.elements[j], "addr:housenumber"))
		if err != nil {
			continue
		}
		if from >= 0 && n != last && len(line) > 1 {
			count := int(math.Abs(float64(n-last))) / step
			for k := 1; k < count && count <= maxInterpolated; k++ {
				number := last + k*step
				if n < last {
					number = last - k*step
				}
				// It has its street from the node where its stretch begins,
				// and its id from the way.
				written := strconv.Itoa(number)
				b.addNumbers(&b.elements[from], way.element, along(line, float64(k)/float64(count)), []string{written}, written)
			}
		}
		from, last = j, n
		line = append(line[:0], p)
	}
}

// along is the point at a share of a line's length.
func along(line []packed.Point, share float64) packed.Point {
	rest := length(line) * share
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

// makePOIs collects the points of interest.
func (b *builder) makePOIs() {
	for i := range b.elements {
		e := &b.elements[i]
		if !e.roles.poi || len(b.namesOf(e)) == 0 {
			continue
		}
		p := poi{element: i, street: -1}
		p.context = b.contextOf(e.at, -1, b.namedTown(e, e.at))
		if b.tag(e, "addr:street") != "" || b.tag(e, "addr:place") != "" && b.tag(e, "addr:housenumber") != "" {
			p.street = b.addressStreet(e, e.at, p.context)
		} else {
			p.street = b.nearestStreet(e.at)
		}
		if code := b.code(e, e.at, p.context); code >= 0 {
			p.context.also = append(p.context.also, b.codeBase()+code)
		}
		b.pois = append(b.pois, p)
	}
}

// namesOf are the folded names of an element, the main one first.
func (b *builder) namesOf(e *element) []string {
	b.kept = b.tagsOf(b.kept[:0], e)
	return namesOf(b.kept)
}
