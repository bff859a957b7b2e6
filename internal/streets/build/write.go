package build

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"geogate/internal/streets/packed"
)

// writer makes the sections of the file.
type writer struct {
	*builder

	docs, rows, objects, shapes []byte

	texts     map[string]uint32
	text      []byte
	textEnds  []byte
	vocab     map[string]uint32
	nameWords []uint32 // for each doc: names; for each name: words; the words
	nameCount []uint32 // where the names of a doc begin in nameWords
	grid      []gridEntry
	ids       []gridEntry
}

type gridEntry struct {
	key   uint64
	entry uint32
}

func (b *builder) write(out string) (packed.Info, error) {
	w := &writer{builder: b, texts: map[string]uint32{}, vocab: map[string]uint32{}}
	w.string("") // number 0 means none
	for i := range b.areas {
		w.area(i)
	}
	for i := range b.postCodes {
		w.postCode(i)
	}
	for i := range b.streets {
		w.street(i)
	}
	b.sortPOIs()
	for i := range b.pois {
		w.poi(i)
	}
	for i := range b.houses {
		w.house(i)
	}
	info := packed.Info{
		Date: b.date, Areas: len(b.areas), PostCodes: len(b.postCodes), Streets: len(b.streets), POIs: len(b.pois),
		Houses: len(b.houses), Skipped: b.skipped,
	}
	b.progress(0.92)
	return info, w.file(out, info)
}

// sortPOIs puts those first that an encyclopedia knows.
func (b *builder) sortPOIs() {
	slices.SortStableFunc(b.pois, func(x, y poi) int {
		return cmp.Compare(fame(&b.elements[y.element]), fame(&b.elements[x.element]))
	})
}

func fame(e *element) int {
	if e.tag("wikidata") != "" || e.tag("wikipedia") != "" {
		return 1
	}
	return 0
}

// importance is what Nominatim gives a place that no encyclopedia tells of.
func importance(rank uint8) uint16 {
	return uint16(math.Round(max(0, 0.40001-float64(rank)/75) * math.MaxUint16))
}

func (w *writer) area(i int) {
	a := &w.areas[i]
	o := w.object(&a.element)
	o.Level, o.PlaceType, o.Country = uint8(a.level), w.string(a.placeType), w.string(a.country)
	if a.osmType == 0 {
		o.Class, o.Type = w.string("boundary"), w.string("administrative")
	}
	if a.closed {
		o.Shape = w.shape(a.lines) + 1
	}
	names := a.names
	if a.country != "" {
		names = append(slices.Clone(names), a.country)
	}
	d := packed.Doc{Kind: packed.Area, Rank: a.rank, Importance: importance(a.rank), Lat: a.at.Lat, Lon: a.at.Lon, Context: a.context}
	w.doc(d, o, names)
	w.index(a.osmType, a.id, packed.EntryDoc|uint32(i))
	if a.level == 0 || a.placeType != "" && a.country == "" {
		w.cell(a.at, packed.EntryDoc|uint32(i))
	}
}

func (w *writer) postCode(i int) {
	p := &w.postCodes[i]
	o := &packed.Object{Class: w.string("place"), Type: w.string("postcode"), Names: []packed.Tag{{Key: w.string("name"), Value: w.string(p.code)}}}
	o.Box = p.box.array()
	d := packed.Doc{Kind: packed.PostCode, Rank: 21, Importance: 7865, Lat: p.at.Lat, Lon: p.at.Lon, Context: p.context}
	w.doc(d, o, codeNames(p.code))
}

// codeNames are the ways to write a post code: AD500 is also 500 to those who
// write AD 500 or AD-500.
func codeNames(code string) []string {
	names := []string{folded(code)}
	if digits := strings.TrimLeftFunc(code, func(r rune) bool { return r < '0' || r > '9' }); digits != code && len(digits) > 1 && len(code)-len(digits) <= 3 {
		names = append(names, folded(digits))
	}
	if joined := strings.ReplaceAll(names[0], " ", ""); joined != names[0] {
		names = append(names, joined)
	}
	return names
}

func (w *writer) street(i int) {
	s := &w.streets[i]
	doc := uint32(len(w.areas) + len(w.postCodes) + i)
	var o *packed.Object
	rank := uint8(26)
	if s.element >= 0 {
		e := &w.elements[s.element]
		o = w.object(e)
		rank = streetRank(e.tag("highway"))
		cells := map[[2]int32]bool{}
		for _, way := range s.ways {
			e := &w.elements[way]
			o.Ways = append(o.Ways, packed.Way{ID: e.id, Type: w.string(e.tag("highway")), Shape: w.shape(e.lines)})
			w.index('W', e.id, packed.EntryStreet|doc)
			for c := range cellsOf(e.lines[0]) {
				if !cells[c] {
					cells[c] = true
					w.grid = append(w.grid, gridEntry{packed.CellKey(c[0], c[1]), packed.EntryStreet | doc})
				}
			}
		}
	} else {
		o = &packed.Object{Class: w.string("highway"), Type: w.string("residential"), Names: []packed.Tag{{Key: w.string("name"), Value: w.string(s.name)}}}
		if s.place {
			o.Class, o.Type = w.string("place"), w.string("locality")
		}
	}
	o.Box = s.box.array()
	d := packed.Doc{
		Kind: packed.Street, Rank: rank, Importance: importance(rank), Lat: s.at.Lat, Lon: s.at.Lon,
		Context: w.contexts.add(s.context), House: uint32(s.house), HouseCount: uint32(s.houses),
	}
	w.doc(d, o, s.names)
}

func streetRank(highway string) uint8 {
	switch highway {
	case "footway", "path", "track", "cycleway", "steps", "service", "bridleway", "via_ferrata":
		return 27
	default:
		return 26
	}
}

// cellsOf are the cells of the grid that a line touches.
func cellsOf(line []packed.Point) map[[2]int32]bool {
	cells := map[[2]int32]bool{}
	for i, p := range line {
		cells[[2]int32{packed.Cell(p.Lat), packed.Cell(p.Lon)}] = true
		if i == 0 {
			continue
		}
		q := line[i-1]
		n := max(abs(packed.Cell(p.Lat)-packed.Cell(q.Lat)), abs(packed.Cell(p.Lon)-packed.Cell(q.Lon))) * 2
		for k := int32(1); k < n && n < 1000; k++ {
			t := float64(k) / float64(n)
			lat, lon := float64(q.Lat)+t*(float64(p.Lat)-float64(q.Lat)), float64(q.Lon)+t*(float64(p.Lon)-float64(q.Lon))
			cells[[2]int32{packed.Cell(int32(lat)), packed.Cell(int32(lon))}] = true
		}
	}
	return cells
}

func abs(v int32) int32 { return max(v, -v) }

func (w *writer) poi(i int) {
	p := &w.pois[i]
	e := &w.elements[p.element]
	o := w.object(e)
	o.Number = w.string(e.tag("addr:housenumber"))
	if p.street >= 0 {
		p.context.also = append(p.context.also, len(w.areas)+len(w.postCodes)+p.street)
	}
	doc := uint32(len(w.areas) + len(w.postCodes) + len(w.streets) + i)
	d := packed.Doc{Kind: packed.POI, Rank: 30, Importance: importance(30), Lat: e.at.Lat, Lon: e.at.Lon, Context: w.contexts.add(p.context)}
	if fame(e) > 0 {
		d.Importance += 6554
	}
	w.doc(d, o, p.names)
	w.index(e.osmType, e.id, packed.EntryDoc|doc)
	w.cell(e.at, packed.EntryDoc|doc)
}

func (w *writer) house(i int) {
	h := &w.houses[i]
	e := &w.elements[h.element]
	o := w.object(e)
	o.Number = w.string(h.written)
	street := uint32(len(w.areas) + len(w.postCodes) + h.street)
	row := packed.House{Street: street, Number: packed.Hash(h.number), Lat: h.at.Lat, Lon: h.at.Lon, Object: w.objectAt(o), Context: h.context}
	w.rows = row.Append(w.rows)
	if first := houseNumbers(h.written); len(first) > 0 && first[0] == h.number {
		w.cell(h.at, packed.EntryHouse|uint32(i))
		if e.tag("addr:interpolation") == "" {
			w.index(e.osmType, e.id, packed.EntryHouse|uint32(i))
		}
	}
}

func (w *writer) object(e *element) *packed.Object {
	o := &packed.Object{OSMType: e.osmType, OSMID: e.id, Box: e.box.array()}
	if e.osmType != 0 {
		key, value := class(e.tags, rolesOf(e.osmType, e.tags))
		o.Class, o.Type = w.string(key), w.string(value)
	}
	for _, t := range e.tags {
		switch {
		case nameKey(t.Key) || t.Key == "ref":
			o.Names = append(o.Names, packed.Tag{Key: w.string(t.Key), Value: w.string(t.Value)})
		case extraKey(t.Key) || t.Key == "ISO3166-2" && o.Class != 0:
			o.Extra = append(o.Extra, packed.Tag{Key: w.string(t.Key), Value: w.string(t.Value)})
		}
	}
	return o
}

func (w *writer) objectAt(o *packed.Object) uint32 {
	at := uint32(len(w.objects))
	w.objects = o.Append(w.objects)
	return at
}

func (w *writer) doc(d packed.Doc, o *packed.Object, names []string) {
	d.Object = w.objectAt(o)
	d.Names = uint32(len(w.nameCount)) // replaced when the words have their numbers
	w.nameCount = append(w.nameCount, uint32(len(w.nameWords)))
	w.nameWords = append(w.nameWords, uint32(len(names)))
	for _, n := range names {
		list := strings.Fields(n)
		w.nameWords = append(w.nameWords, uint32(len(list)))
		for _, word := range list {
			v, ok := w.vocab[word]
			if !ok {
				v = uint32(len(w.vocab))
				w.vocab[word] = v
			}
			w.nameWords = append(w.nameWords, v)
		}
	}
	w.docs = d.Append(w.docs)
}

func (w *writer) shape(lines [][]packed.Point) uint32 {
	at := uint32(len(w.shapes))
	w.shapes = packed.AppendShape(w.shapes, lines)
	return at
}

func (w *writer) string(s string) uint32 {
	if v, ok := w.texts[s]; ok {
		return v
	}
	v := uint32(len(w.texts))
	w.texts[s] = v
	w.text = append(w.text, s...)
	w.textEnds = binary.LittleEndian.AppendUint32(w.textEnds, uint32(len(w.text)))
	return v
}

func (w *writer) cell(p packed.Point, entry uint32) {
	w.grid = append(w.grid, gridEntry{packed.CellKey(packed.Cell(p.Lat), packed.Cell(p.Lon)), entry})
}

func (w *writer) index(osmType byte, id int64, entry uint32) {
	if osmType != 0 {
		w.ids = append(w.ids, gridEntry{packed.IDKey(osmType, id), entry})
	}
}

func (b box) array() [4]int32 { return [4]int32{b.south, b.north, b.west, b.east} }
