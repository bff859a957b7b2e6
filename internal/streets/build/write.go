package build

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"geogate/internal/streets/packed"
	"geogate/internal/streets/pbf"
)

// writer makes the sections of the file.
type writer struct {
	*builder

	out  *packed.Writer
	docs []byte

	used      []uint32 // for each text its number in the file plus 1, or 0
	strings   []byte
	ends      []byte
	vocab     map[string]uint32
	nameWords []uint32 // for each doc: names; for each name: words; the words
	nameCount []uint32 // where the names of a doc begin in nameWords
	grid      []gridEntry
	ids       []gridEntry
	tagList   []pbf.Tag
}

type gridEntry struct {
	key   uint64
	entry uint32
}

// write writes the file. What it is made of is given up on the way.
func (b *builder) write(path string) (packed.Info, error) {
	out, err := packed.Create(path)
	if err != nil {
		return packed.Info{}, err //nolint:wrapcheck // says what it did
	}
	b.near, b.byName, b.streetCells, b.areaNames, b.areaIndex, b.places = nil, nil, nil, nil, areaIndex{}, placeIndex{}
	w := &writer{builder: b, out: out, vocab: map[string]uint32{}}
	w.string("") // number 0 means none
	info, err := w.sections()
	if err != nil {
		out.Abort()
		return packed.Info{}, fmt.Errorf("write streets: %w", err)
	}
	return info, out.Close() //nolint:wrapcheck // says what it did
}

// records writes the shapes and the objects, and lists the docs.
func (w *writer) records() {
	w.out.Begin(packed.Shapes)
	w.lines.write(w.out.Append)
	w.out.Begin(packed.Objects)
	for i := range w.areas {
		w.area(i)
	}
	for i := range w.postCodes {
		w.postCode(i)
	}
	for i := range w.streets {
		w.street(i)
	}
	w.lines = arena{}
	w.sortPOIs()
	for i := range w.pois {
		w.poi(i)
	}
	for i := range w.houses {
		w.house(i)
	}
}

// sortPOIs puts those first that an encyclopedia knows.
func (b *builder) sortPOIs() {
	slices.SortStableFunc(b.pois, func(x, y poi) int {
		return cmp.Compare(b.fame(y.element), b.fame(x.element))
	})
}

func (b *builder) fame(i int) int {
	if e := &b.elements[i]; b.tag(e, "wikidata") != "" || b.tag(e, "wikipedia") != "" {
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
	o := w.object(a.osmType, a.id, a.box, a.roles, a.tags)
	o.Level, o.PlaceType, o.Country = uint8(a.level), w.string(a.placeType), w.string(a.country)
	if a.osmType == 0 {
		o.Class, o.Type = w.string("boundary"), w.string("administrative")
	}
	if a.closed {
		o.Shape = a.shape + 1
	}
	names := a.names
	if a.country != "" {
		names = append(slices.Clone(names), a.country)
	}
	d := packed.Doc{Kind: packed.Area, Rank: a.rank, Importance: importance(a.rank), Lat: a.at.Lat, Lon: a.at.Lon, Context: a.context}
	w.doc(d, o, names)
	w.index(a.osmType, a.id, packed.EntryDoc|uint32(i))
	box := a.box
	if !a.closed {
		box = boxOf(a.at)
	}
	for _, key := range packed.AreaKeys(box.array()) {
		w.grid = append(w.grid, gridEntry{key, packed.EntryDoc | uint32(i)})
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
		o = w.objectOf(e)
		rank = streetRank(w.tag(e, "highway"))
		cells := map[[2]int32]bool{}
		for _, way := range s.ways {
			e := &w.elements[way]
			o.Ways = append(o.Ways, packed.Way{ID: e.id(), Type: w.string(w.tag(e, "highway")), Shape: e.shape})
			w.index('W', e.id(), packed.EntryStreet|doc)
			for c := range cellsOf(w.pointsOf(e)) {
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
	o := w.objectOf(e)
	o.Number = w.string(w.tag(e, "addr:housenumber"))
	if p.street >= 0 {
		p.context.also = append(p.context.also, len(w.areas)+len(w.postCodes)+p.street)
	}
	doc := uint32(len(w.areas) + len(w.postCodes) + len(w.streets) + i)
	d := packed.Doc{Kind: packed.POI, Rank: 30, Importance: importance(30), Lat: e.at.Lat, Lon: e.at.Lon, Context: w.contexts.add(p.context)}
	if w.fame(p.element) > 0 {
		d.Importance += 6554
	}
	w.doc(d, o, w.namesOf(e))
	w.index(e.osmType(), e.id(), packed.EntryDoc|doc)
	w.cell(e.at, packed.EntryDoc|doc)
}

func (w *writer) house(i int) {
	h := &w.houses[i]
	e := &w.elements[h.element]
	o := w.objectOf(e)
	o.Number = w.text(h.written)
	h.object = w.objectAt(o)
	if first := houseNumbers(w.texts.list[h.written]); len(first) > 0 && first[0] == w.texts.list[h.number] {
		w.cell(h.at, packed.EntryHouse|uint32(i))
		if w.tag(e, "addr:interpolation") == "" {
			w.index(e.osmType(), e.id(), packed.EntryHouse|uint32(i))
		}
	}
}

// rows writes the houses.
func (w *writer) rows() {
	w.out.Begin(packed.Houses)
	var row []byte
	for _, h := range w.houses {
		street := uint32(len(w.areas) + len(w.postCodes) + int(h.street))
		row = packed.House{
			Street: street, Number: packed.Hash(w.texts.list[h.number]), Lat: h.at.Lat, Lon: h.at.Lon, Object: h.object, Context: h.context,
		}.Append(row[:0])
		w.out.Append(row)
	}
}

func (w *writer) objectOf(e *element) *packed.Object {
	w.tagList = w.tagsOf(w.tagList[:0], e)
	return w.object(e.osmType(), e.id(), e.box, e.roles, w.tagList)
}

func (w *writer) object(osmType byte, id int64, box box, r roles, tags []pbf.Tag) *packed.Object {
	o := &packed.Object{OSMType: osmType, OSMID: id, Box: box.array()}
	if osmType != 0 {
		key, value := class(tags, r)
		o.Class, o.Type = w.string(key), w.string(value)
	}
	for _, t := range tags {
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
	at := uint32(w.out.Size())
	w.record = o.Append(w.record[:0])
	w.out.Append(w.record)
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

func (w *writer) string(s string) uint32 { return w.text(w.texts.number(s)) }

// text is the number in the file of a text of the extracts.
func (w *writer) text(n uint32) uint32 {
	if int(n) >= len(w.used) {
		w.used = append(w.used, make([]uint32, len(w.texts.list)-len(w.used))...)
	}
	if w.used[n] == 0 {
		w.strings = append(w.strings, w.texts.list[n]...)
		w.ends = binary.LittleEndian.AppendUint32(w.ends, uint32(len(w.strings)))
		w.used[n] = uint32(len(w.ends) / 4)
	}
	return w.used[n] - 1
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
