package streets

import (
	"fmt"
	"slices"

	"geogate/internal/geo"
	"geogate/internal/streets/packed"
)

// Match is an answer.
type Match struct {
	ID    int64   // of the place in this file
	Score float64 // how well it answers; above 1 for all that was asked
	Point geo.Point
	// Distance in metres from the point asked for, in reverse.
	Distance float64

	streets *Streets
	doc     uint32
	house   uint32   // plus 1
	way     uint32   // plus 1: a piece of a street
	around  []uint32 // the areas around the piece of a street, where they were looked up
}

// housesFrom is where the ids of houses begin; those of docs are below.
const housesFrom = 1 << 31

func idOf(doc, house uint32) int64 {
	if house != 0 {
		return housesFrom + int64(house)
	}
	return int64(doc) + 1
}

// ByID finds a place by its id in this file.
func (s *Streets) ByID(id int64) (Match, bool) {
	switch {
	case id > housesFrom && id-housesFrom <= int64(s.file.Houses):
		return s.houseMatch(uint32(id - housesFrom - 1)), true
	case id > 0 && id <= int64(s.file.DocCount()):
		return s.docMatch(uint32(id - 1)), true
	default:
		return Match{}, false
	}
}

func (s *Streets) houseMatch(house uint32) Match {
	h := s.file.House(house)
	return Match{ID: idOf(0, house+1), Point: degrees(h.Lat, h.Lon), streets: s, doc: h.Street, house: house + 1}
}

func (s *Streets) docMatch(doc uint32) Match {
	d := s.file.Doc(doc)
	return Match{ID: idOf(doc, 0), Point: degrees(d.Lat, d.Lon), streets: s, doc: doc}
}

func degrees(lat, lon int32) geo.Point {
	return geo.Point{Lat: float64(lat) / 1e7, Lon: float64(lon) / 1e7}
}

// Lookup finds an element of OpenStreetMap; osmType is N, W or R. ok is false
// when the file lacks it.
func (s *Streets) Lookup(osmType byte, id int64) (m Match, ok bool) {
	s.file.ByID(osmType, id, func(entry uint32) {
		if ok {
			return
		}
		ok = true
		number := entry &^ packed.EntryMask
		switch entry & packed.EntryMask {
		case packed.EntryHouse:
			m = s.houseMatch(number)
		case packed.EntryDoc:
			m = s.docMatch(number)
		default:
			m = s.docMatch(number)
			for i, w := range s.file.Object(s.file.Doc(number).Object).Ways {
				if w.ID == id {
					m.way = uint32(i) + 1
				}
			}
		}
	})
	return m, ok
}

// matches turns the results into answers, as many as were asked for. The error
// is that of a damaged file.
func (s *search) matches() ([]Match, error) {
	limit := s.query.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	var list []Match
	for _, c := range s.results {
		if len(list) == limit {
			break
		}
		// Answers far worse than the best are noise.
		if len(list) > 0 && float64(c.score) < list[0].Score-0.35 {
			break
		}
		var m Match
		if c.house != 0 {
			m = s.houseMatch(c.house - 1)
		} else {
			m = s.docMatch(c.doc)
		}
		m.Score = float64(c.score)
		if slices.Contains(s.query.Exclude, m.ID) {
			continue
		}
		if slices.ContainsFunc(list, func(o Match) bool { return o.ID == m.ID }) {
			continue
		}
		list = append(list, m)
	}
	if err := s.file.Err(); err != nil {
		return nil, fmt.Errorf("search streets: %w", err)
	}
	return list, nil
}

// admits tells whether the filters of the question let a doc through.
func (s *search) admits(d packed.Doc, doc uint32) bool {
	q := &s.query
	if q.Bounded && q.Viewbox != nil && !inBox(q.Viewbox, d.Lat, d.Lon) {
		return false
	}
	if q.MaxRank > 0 {
		if d.Kind != packed.Area {
			return false
		}
		if _, rank := s.label(s.object(doc), d); rank < q.MinRank || rank > q.MaxRank {
			return false
		}
	}
	if q.Layers != 0 {
		layer := Addresses
		if d.Kind == packed.POI {
			layer = s.poiLayer(d)
		}
		if q.Layers&layer == 0 {
			return false
		}
	}
	return len(q.CountryCodes) == 0 || slices.Contains(q.CountryCodes, s.countryOf(d, doc))
}

// countryOf is the code of the country that a doc lies in or is.
func (s *Streets) countryOf(d packed.Doc, doc uint32) string {
	if code, ok := s.countries[doc]; ok {
		return code
	}
	n := s.file.Context(d.Context)
	for count := n.Next(); count > 0 && n.More(); count-- {
		if code, ok := s.countries[n.Next()]; ok {
			return code
		}
	}
	return ""
}

func (s *Streets) poiLayer(d packed.Doc) Layers {
	o := s.file.Object(d.Object)
	switch s.file.String(o.Class) {
	case "natural", "waterway", "railway", "man_made", "highway", "landuse", "bridge", "mountain_pass":
		return Other
	default:
		return POIs
	}
}
