package streets

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"geogate/internal/place"
	"geogate/internal/streets/packed"
)

// Details says what of a place is wanted besides the usual.
type Details struct {
	Languages Languages
	Outline   Notation // zero: none
	Tags      bool     // its names in all languages, and what else is known of it
}

// Place is the answer in the words of Nominatim.
func (m Match) Place(want Details) place.Place {
	s := m.streets
	d := s.file.Doc(m.doc)
	o := s.file.Object(d.Object)
	context := d.Context
	p := place.Place{ID: m.ID, Point: m.Point, Importance: round(float64(d.Importance) / math.MaxUint16)}
	rank := int(d.Rank)
	lines := addressLines{streets: s, languages: want.Languages}
	if m.house != 0 {
		h := s.file.House(m.house - 1)
		street := s.file.Object(d.Object)
		o, context, rank = s.file.Object(h.Object), h.Context, 30
		p.Importance = round(0.40001 - 30/75.0)
		lines.self(s.file.String(o.Class), s.name(o.Names, want.Languages), 30)
		lines.add(place.AddressLine{Label: "house_number", Name: s.file.String(o.Number), Rank: 28})
		label := "road"
		if s.file.String(street.Class) == "place" {
			label = s.file.String(street.Type)
		}
		lines.add(place.AddressLine{Label: label, Name: s.name(street.Names, want.Languages), Rank: 26})
		p.AddressType, p.AddressRank = s.file.String(o.Class), 30
	} else {
		label, addressRank := s.label(o, d)
		p.AddressType, p.AddressRank = label, addressRank
		lines.self(label, s.name(o.Names, want.Languages), addressRank)
		if d.Kind == packed.POI {
			lines.add(place.AddressLine{Label: "house_number", Name: s.file.String(o.Number), Rank: 28})
			lines.road(context)
		}
	}
	p.Name = s.name(o.Names, want.Languages)
	p.PlaceRank = rank
	p.OSMType, p.OSMID = osmTypes[o.OSMType], o.OSMID
	p.Category, p.Type = s.file.String(o.Class), s.file.String(o.Type)
	if m.way != 0 && int(m.way) <= len(o.Ways) {
		w := o.Ways[m.way-1]
		p.OSMID, p.Type = w.ID, s.file.String(w.Type)
	}
	lines.context(m, context, d, o)
	p.Address, p.CountryCode = lines.list, lines.country
	p.DisplayName = lines.displayName()
	p.Box = s.box(m, o)
	if want.Tags {
		p.NameDetails, p.ExtraTags = s.tags(o.Names), s.tags(o.Extra)
	}
	if want.Outline != 0 {
		p.Geometry = s.outline(m, o).in(want.Outline)
	}
	return p
}

func round(v float64) float64 { return math.Round(v*1e5) / 1e5 }

var osmTypes = map[byte]string{'N': "node", 'W': "way", 'R': "relation"}

func (s *Streets) tags(list []packed.Tag) []place.Tag {
	tags := make([]place.Tag, 0, len(list))
	for _, t := range list {
		tags = append(tags, place.Tag{Key: s.file.String(t.Key), Value: s.file.String(t.Value)})
	}
	return tags
}

// addressLines makes the address of a place, from the smallest part.
type addressLines struct {
	streets   *Streets
	languages Languages
	list      []place.AddressLine
	country   string
}

func (a *addressLines) add(l place.AddressLine) {
	if l.Name != "" {
		a.list = append(a.list, l)
	}
}

func (a *addressLines) self(label, name string, rank int) {
	a.add(place.AddressLine{Label: label, Name: name, Rank: rank, Self: true})
}

// road adds the street that a context names.
func (a *addressLines) road(context uint32) {
	f := a.streets.file
	n := f.Context(context)
	n.Next()
	for n.More() {
		if doc := n.Next(); f.KindOf(doc) == packed.Street {
			a.add(place.AddressLine{Label: "road", Name: a.streets.name(a.streets.object(doc).Names, a.languages), Rank: 26})
			return
		}
	}
}

// context adds the areas of a context and the post code.
func (a *addressLines) context(m Match, context uint32, d packed.Doc, o *packed.Object) {
	s := a.streets
	if code, ok := s.countries[m.doc]; ok {
		a.country = code
	}
	a.iso(o)
	var country []place.AddressLine
	for _, doc := range s.areasOf(m, context) {
		area, ao := s.file.Doc(doc), s.object(doc)
		label, rank := s.label(ao, area)
		line := place.AddressLine{Label: label, Name: s.name(ao.Names, a.languages), Rank: rank, AdminLevel: int(ao.Level)}
		if code, ok := s.countries[doc]; ok {
			a.country = code
			country = append(country, line)
			continue
		}
		a.add(line)
		a.iso(ao)
	}
	if code := a.postCode(context, d); code != "" && d.Kind != packed.PostCode && (d.Kind != packed.Area || d.Rank > 16) {
		a.add(place.AddressLine{Label: "postcode", Name: code, Rank: 5})
	}
	for _, l := range country {
		a.add(l)
	}
}

// areasOf are the areas of an address. Those that were found around the very
// point replace the ones with outlines of the context.
func (s *Streets) areasOf(m Match, context uint32) (docs []uint32) {
	moved := false
	n := s.file.Context(context)
	for count := n.Next(); count > 0 && n.More(); count-- {
		doc := n.Next()
		if len(m.around) > 0 && !slices.Contains(m.around, doc) && s.object(doc).Shape != 0 {
			moved = true
		}
		docs = append(docs, doc)
	}
	for _, doc := range m.around {
		moved = moved || !slices.Contains(docs, doc)
	}
	if len(m.around) == 0 || !moved {
		return docs
	}
	docs = slices.DeleteFunc(docs, func(doc uint32) bool {
		_, isCountry := s.countries[doc]
		return !isCountry
	})
	for _, doc := range m.around {
		if _, rank := s.label(s.object(doc), s.file.Doc(doc)); rank > 0 && !slices.Contains(docs, doc) {
			docs = append(docs, doc)
		}
	}
	return docs
}

// iso adds the code that ISO 3166-2 gives a boundary.
func (a *addressLines) iso(o *packed.Object) {
	for _, t := range o.Extra {
		if a.streets.file.String(t.Key) == "ISO3166-2" {
			a.add(place.AddressLine{Label: "ISO3166-2-lvl" + strconv.Itoa(int(o.Level)), Name: a.streets.file.String(t.Value)})
		}
	}
}

// postCode is the post code of a context, or that of the street.
func (a *addressLines) postCode(context uint32, d packed.Doc) string {
	for _, c := range [...]uint32{context, d.Context} {
		n := a.streets.file.Context(c)
		n.Next()
		for n.More() {
			if doc := n.Next(); a.streets.file.KindOf(doc) == packed.PostCode {
				return a.streets.name(a.streets.object(doc).Names, nil)
			}
		}
	}
	return ""
}

// displayName joins the names of the lines; codes are not for reading.
func (a *addressLines) displayName() string {
	var names []string
	for _, l := range a.list {
		if !strings.HasPrefix(l.Label, "ISO3166-2") && (len(names) == 0 || names[len(names)-1] != l.Name) {
			names = append(names, l.Name)
		}
	}
	return strings.Join(names, ", ")
}

func (s *Streets) box(m Match, o *packed.Object) place.Box {
	b := place.Box{
		South: float64(o.Box[0]) / 1e7, North: float64(o.Box[1]) / 1e7, West: float64(o.Box[2]) / 1e7, East: float64(o.Box[3]) / 1e7,
	}
	if b.South != b.North || b.West != b.East {
		return b
	}
	extent := houseExtent
	if s.file.String(o.Class) == "place" {
		if e, ok := extents[s.file.String(o.Type)]; ok {
			extent = e
		}
	} else if o.Country != 0 {
		extent = extents["country"]
	}
	p := m.Point
	return place.Box{South: max(p.Lat-extent, -90), North: min(p.Lat+extent, 90), West: max(p.Lon-extent, -180), East: min(p.Lon+extent, 180)}
}
