package streets

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"geogate/internal/geo"
	"geogate/internal/streets/packed"
)

// How far an answer may lie from the point that was asked for, in metres.
const (
	streetReach = 450
	houseReach  = 100
	poiReach    = 60
	// A house is an answer rather than the nearer street when it stands at it or
	// nearly as near.
	houseLead = 35
)

// ReverseQuery is a question for the place at a position.
type ReverseQuery struct {
	Point  geo.Point
	Zoom   int // 0…18, as Nominatim's
	Layers Layers
}

// Reverse finds the place at a position; ok is false where the file knows none.
// The error is that of a damaged file.
func (s *Streets) Reverse(q ReverseQuery) (m Match, ok bool, err error) { return Files{s}.reverse(q) }

// reverse looks in all files as if they were one. At a border, an extract that
// knows little of this side must not answer for the one that lies there.
func (o Files) reverse(q ReverseQuery) (m Match, ok bool, err error) {
	p := packed.Point{Lat: int32(math.Round(q.Point.Lat * 1e7)), Lon: int32(math.Round(q.Point.Lon * 1e7))}
	if q.Layers == 0 {
		q.Layers = Addresses | POIs
	}
	switch {
	case q.Zoom >= 18:
		m, ok = o.nearestAddress(p, q.Layers)
	case q.Zoom >= 16:
		m, ok = o.nearestStreet(p, q.Zoom)
	}
	if !ok {
		m, ok = o.area(p, q.Zoom)
	}
	for _, s := range o {
		if err := s.file.Err(); err != nil {
			return Match{}, false, fmt.Errorf("reverse streets: %w", err)
		}
	}
	return m, ok, nil
}

// zoomRanks is the highest address rank for each zoom, as in Nominatim.
var zoomRanks = [...]int{4, 4, 4, 4, 4, 8, 10, 10, 12, 12, 16, 17, 18, 19, 22, 25, 26, 27, 30}

// area is the smallest area around p that the zoom shows. Place nodes count
// from villages on, if they lie in the municipality around p.
func (o Files) area(p packed.Point, zoom int) (m Match, ok bool) {
	most := zoomRanks[max(0, min(zoom, len(zoomRanks)-1))]
	bestRank := -1
	towns := make([]uint32, len(o)) // the municipality, None where the file has none
	settled := false
	for i, s := range o {
		towns[i] = packed.None
		for _, doc := range s.around(p) {
			_, rank := s.label(s.object(doc), s.file.Doc(doc))
			if rank == 0 {
				continue
			}
			if rank >= 12 && rank <= 16 && towns[i] == packed.None {
				towns[i], settled = doc, true
			}
			if rank <= most && (rank > bestRank || rank == bestRank && m.streets == s) {
				m, ok, bestRank = s.docMatch(doc), true, rank
			}
		}
	}
	for i, s := range o {
		if settled && towns[i] == packed.None {
			continue // its places lie on the other side of the border
		}
		if doc, rank := s.nearestPlace(p, most, towns[i]); doc != packed.None && rank > bestRank {
			m, ok, bestRank = s.docMatch(doc), true, rank
		}
	}
	return m, ok
}

func (s *Streets) holds(shape uint32, p packed.Point) bool {
	in := false
	s.file.Walk(shape, func(a, b packed.Point) { in = in != packed.Crosses(a, b, p) })
	return in
}

// placeReach is how far a place without an outline answers for, in metres.
var placeReach = map[string]float64{
	"city": 10000, "town": 4000, "village": 2000, "suburb": 1500, "hamlet": 1000, "quarter": 800, "neighbourhood": 500,
	"isolated_dwelling": 200, "farm": 200, "borough": 2000,
}

// maxReach is the most of placeReach.
const maxReach = 10000

// nearestPlace is the place of the highest rank that answers for p.
func (s *Streets) nearestPlace(p packed.Point, most int, inside uint32) (uint32, int) {
	best, bestRank, least := uint32(packed.None), -1, math.Inf(1)
	// The farthest reach is less than a cell of areas, at the equator.
	columns := int32(1 / max(math.Cos(float64(p.Lat)*1e-7*math.Pi/180), 0.02))
	s.file.AreasNear(p, 1, columns+1, func(doc uint32) {
		d := s.file.Doc(doc)
		m := metres(p, packed.Point{Lat: d.Lat, Lon: d.Lon})
		if m > maxReach {
			return
		}
		o := s.object(doc)
		if o.Shape != 0 || o.Country != 0 {
			return
		}
		_, rank := s.label(o, d)
		if rank > most || rank < bestRank || inside != packed.None && (rank <= 16 || !s.liesIn(d.Context, inside)) {
			return
		}
		if m < placeReach[s.file.String(o.PlaceType)] && (rank > bestRank || m < least) {
			best, bestRank, least = doc, rank, m
		}
	})
	return best, bestRank
}

// liesIn tells whether a context names an area in its address.
func (s *Streets) liesIn(context, area uint32) bool {
	n := s.file.Context(context)
	for count := n.Next(); count > 0 && n.More(); count-- {
		if n.Next() == area {
			return true
		}
	}
	return false
}

// metres is the distance of two near points.
func metres(a, b packed.Point) float64 {
	y := (float64(a.Lat) - float64(b.Lat)) * perUnit
	x := (float64(a.Lon) - float64(b.Lon)) * perUnit * math.Cos(float64(a.Lat)*1e-7*math.Pi/180)
	return math.Hypot(x, y)
}

const perUnit = 111_195e-7 // metres in 1e-7 degrees of latitude

// spot is something near a point, and how far it is.
type spot struct {
	in     *Streets // nil: nothing
	number uint32
	metres float64
}

// nearest is what lies around a point.
type nearest struct {
	house, poi, street spot
	way                uint32
	foot               packed.Point // the nearest point of the street
}

// look finds what is nearest in all files.
func (o Files) look(p packed.Point, wantHouses bool, worst uint8) nearest {
	n := nearest{house: spot{metres: houseReach}, poi: spot{metres: poiReach}, street: spot{metres: streetReach}}
	for _, s := range o {
		s.look(&n, p, wantHouses, worst)
	}
	return n
}

// look searches the grid in growing rings until nothing nearer can follow.
func (s *Streets) look(n *nearest, p packed.Point, wantHouses bool, worst uint8) {
	seen := map[uint32]bool{}
	shrink := math.Cos(float64(p.Lat) * 1e-7 * math.Pi / 180)
	const cell = 1 << 14 * perUnit
	for _, reach := range [...]float64{60, 180, streetReach} {
		rows := int32(reach/cell) + 1
		columns := int32(reach/(cell*max(shrink, 0.02))) + 1
		lat, lon := packed.Cell(p.Lat), packed.Cell(p.Lon)
		for row := lat - rows; row <= lat+rows; row++ {
			s.file.Around(row, lon-columns, lon+columns, func(entry uint32) {
				if !seen[entry] {
					seen[entry] = true
					s.consider(n, p, entry, wantHouses, worst)
				}
			})
		}
		if n.street.metres < reach && (!wantHouses || n.house.metres < reach || reach > houseReach) {
			return
		}
	}
}

func (s *Streets) consider(n *nearest, p packed.Point, entry uint32, wantHouses bool, worst uint8) {
	number := entry &^ packed.EntryMask
	switch entry & packed.EntryMask {
	case packed.EntryHouse:
		if !wantHouses {
			return
		}
		h := s.file.House(number)
		if m := metres(p, packed.Point{Lat: h.Lat, Lon: h.Lon}); m < n.house.metres {
			n.house = spot{s, number, m}
		}
	case packed.EntryDoc:
		if !wantHouses || s.file.KindOf(number) != packed.POI {
			return
		}
		d := s.file.Doc(number)
		if m := metres(p, packed.Point{Lat: d.Lat, Lon: d.Lon}); m < n.poi.metres && s.poiLayer(d) == POIs {
			n.poi = spot{s, number, m}
		}
	default:
		d := s.file.Doc(number)
		if d.Rank > worst {
			return
		}
		for i, w := range s.file.Object(d.Object).Ways {
			s.file.Walk(w.Shape, func(a, b packed.Point) {
				foot := packed.Foot(p, a, b)
				if m := metres(p, foot); m < n.street.metres {
					n.street, n.way, n.foot = spot{s, number, m}, uint32(i), foot
				}
			})
		}
	}
}

// nearestAddress is the house at a point, or its street.
func (o Files) nearestAddress(p packed.Point, layers Layers) (m Match, ok bool) {
	n := o.look(p, true, 27)
	switch house, poi, street := n.house, n.poi, n.street; {
	case house.in != nil && layers&Addresses != 0 && (house.metres <= houseLead || house.metres <= street.metres):
		m = house.in.houseMatch(house.number)
		m.Distance = house.metres
	case poi.in != nil && layers&POIs != 0 && poi.metres < street.metres && poi.metres < house.metres:
		m = poi.in.docMatch(poi.number)
		m.Distance = poi.metres
	case street.in != nil && layers&Addresses != 0:
		m = n.onStreet()
	default:
		return m, false
	}
	return m, true
}

func (o Files) nearestStreet(p packed.Point, zoom int) (Match, bool) {
	worst := uint8(26)
	if zoom > 16 {
		worst = 27
	}
	n := o.look(p, false, worst)
	if n.street.in == nil {
		return Match{}, false
	}
	return n.onStreet(), true
}

func (n nearest) onStreet() Match {
	m := n.street.in.docMatch(n.street.number)
	m.way = n.way + 1
	m.Point = degrees(n.foot.Lat, n.foot.Lon)
	m.Distance = n.street.metres
	m.around = n.street.in.around(n.foot)
	return m
}

// around lists the areas with an outline that hold p, the smallest first. A
// long street may be in another town here than where it has its address.
func (s *Streets) around(p packed.Point) (docs []uint32) {
	s.file.AreasAt(p, func(doc uint32) {
		o := s.object(doc)
		if o.Shape != 0 && p.Lat >= o.Box[0] && p.Lat <= o.Box[1] && p.Lon >= o.Box[2] && p.Lon <= o.Box[3] && s.holds(o.Shape-1, p) {
			docs = append(docs, doc)
		}
	})
	slices.SortFunc(docs, func(a, b uint32) int { return cmp.Compare(b, a) })
	return docs
}
