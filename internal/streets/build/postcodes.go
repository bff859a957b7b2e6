package build

import (
	"cmp"
	"slices"
	"strings"

	"geogate/internal/streets/packed"
)

// postCode is a post code of a country. It lies in the middle of its addresses.
type postCode struct {
	code     string
	country  int // area, or -1
	lat, lon int64
	count    int64
	at       packed.Point
	box      box
	context  uint32
}

// codeBase is added to the number of a post code in contexts: post codes come
// after the areas.
func (b *builder) codeBase() int { return len(b.areas) }

// code is the post code of an address, or -1. It is made when it is new.
func (b *builder) code(e *element, at packed.Point, c located) int {
	text := b.tag(e, "addr:postcode")
	if text == "" {
		text = b.tag(e, "postal_code")
	}
	text, _, _ = strings.Cut(text, ";")
	text = strings.TrimSpace(text)
	if text == "" || len(text) > 12 || !strings.ContainsAny(text, "0123456789") {
		return -1
	}
	country := -1
	for _, i := range c.address {
		if b.areas[i].addr == 4 {
			country = i
		}
	}
	key := text
	if country >= 0 {
		key += " " + b.areas[country].country
	}
	i, ok := b.codeIndex[key]
	if !ok {
		i = len(b.postCodes)
		b.codeIndex[key] = i
		b.postCodes = append(b.postCodes, postCode{code: text, country: country, box: boxOf(at)})
	}
	p := &b.postCodes[i]
	p.lat += int64(at.Lat)
	p.lon += int64(at.Lon)
	p.count++
	p.box.add(at)
	return i
}

// makePostCodes places the post codes, and gives to streets and points of
// interest that have none the nearest.
func (b *builder) makePostCodes() {
	for i := range b.postCodes {
		p := &b.postCodes[i]
		p.at = packed.Point{Lat: int32(p.lat / p.count), Lon: int32(p.lon / p.count)}
		p.context = b.contexts.add(b.contextOf(p.at, -1, nil))
	}
	b.sortStreets()
	b.streetCodes()
	near := b.indexPostCodes()
	for i := range b.streets {
		b.addNearestCode(near, b.streets[i].at, &b.streets[i].context)
	}
	for i := range b.pois {
		b.addNearestCode(near, b.elements[b.pois[i].element].at, &b.pois[i].context)
	}
}

// farCode is how far the middle of a post code may lie from what it is given to,
// in metres.
const farCode = 5000

// indexPostCodes lists the post codes by cells of 0.1°.
func (b *builder) indexPostCodes() map[[2]int32][]int {
	cells := map[[2]int32][]int{}
	for i, p := range b.postCodes {
		c := [2]int32{p.at.Lat >> largeBits, p.at.Lon >> largeBits}
		cells[c] = append(cells[c], i)
	}
	return cells
}

// addNearestCode adds the nearest post code of the country to a context that has none.
func (b *builder) addNearestCode(near map[[2]int32][]int, at packed.Point, c *located) {
	if slices.ContainsFunc(c.also, func(v int) bool { return v >= b.codeBase() }) {
		return
	}
	best, least := -1, float64(farCode)
	for dlat := int32(-1); dlat <= 1; dlat++ {
		for dlon := int32(-1); dlon <= 1; dlon++ {
			for _, i := range near[[2]int32{at.Lat>>largeBits + dlat, at.Lon>>largeBits + dlon}] {
				p := &b.postCodes[i]
				if d := metres(at, p.at); d < least && (p.country < 0 || slices.Contains(c.address, p.country)) {
					best, least = i, d
				}
			}
		}
	}
	if best >= 0 {
		c.also = append(c.also, b.codeBase()+best)
	}
}

// streetCodes adds to each street the post codes of its houses, the most
// frequent first.
func (b *builder) streetCodes() {
	for i := range b.streets {
		s := &b.streets[i]
		counts := map[int]int{}
		for _, h := range b.houses[s.house : s.house+s.houses] {
			n := packed.Record(b.contexts.bytes, h.context)
			n.Next()
			for n.More() {
				if v := int(n.Next()); v >= b.codeBase() {
					counts[v]++
				}
			}
		}
		codes := make([]int, 0, len(counts))
		for c := range counts {
			codes = append(codes, c)
		}
		slices.SortFunc(codes, func(x, y int) int { return cmp.Or(cmp.Compare(counts[y], counts[x]), cmp.Compare(x, y)) })
		s.context.also = append(s.context.also, codes...)
		// Houses may have other names for where they lie than their street.
		seen := map[int]bool{}
		for _, h := range b.houses[s.house : s.house+s.houses] {
			n := packed.Record(b.contexts.bytes, h.context)
			n.Next()
			for n.More() {
				v := int(n.Next())
				if v < b.codeBase() && !seen[v] && len(seen) < 40 {
					seen[v] = true
					if !slices.Contains(s.context.address, v) && !slices.Contains(s.context.also, v) {
						s.context.also = append(s.context.also, v)
					}
				}
			}
		}
	}
}
