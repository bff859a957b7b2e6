// Package region tells which region a point lies in, by the polygons of a GeoJSON
// file.
package region

import (
	"encoding/json"
	"math"
	"slices"

	"geogate/internal/geo"
)

// A Region is an area with a name.
type Region struct {
	Name     string          `json:"name"`
	Geometry json.RawMessage `json:"geometry"` // GeoJSON, a Polygon or MultiPolygon
}

// Map is all regions. It never changes and is safe for concurrent use.
type Map struct {
	regions []Region
	shapes  []shape
	digest  string
}

// Digest tells maps of different files apart. That of nil is empty.
func (m *Map) Digest() string {
	if m == nil {
		return ""
	}
	return m.digest
}

// Regions are the regions in the order of the file.
func (m *Map) Regions() []Region { return slices.Clone(m.regions) }

// Names are those of the regions.
func (m *Map) Names() []string {
	names := make([]string, len(m.regions))
	for i, r := range m.regions {
		names[i] = r.Name
	}
	return names
}

// At returns the region that p lies in: where several overlap, the first of the file.
// A point on the border between two regions that share it lies in exactly one.
func (m *Map) At(p geo.Point) (name string, found bool) {
	for i := range m.shapes {
		if m.shapes[i].holds(p) {
			return m.regions[i].Name, true
		}
	}
	return "", false
}

// edge is a side of a ring, its south end first.
type edge struct{ south, north geo.Point }

// shape is the sides of all rings of a region, holes and islands alike, by bands of
// latitude: a point meets only those of its own band.
type shape struct {
	south, north, west, east float64
	bands                    [][]edge
}

// maxBands bounds the bands of one region.
const maxBands = 1024

func newShape(rings [][]geo.Point) shape {
	s := shape{south: math.Inf(1), north: math.Inf(-1), west: math.Inf(1), east: math.Inf(-1)}
	var edges []edge
	heights := 0.0
	for _, ring := range rings {
		for i, p := range ring {
			s.south, s.north = min(s.south, p.Lat), max(s.north, p.Lat)
			s.west, s.east = min(s.west, p.Lon), max(s.east, p.Lon)
			if i == 0 || ring[i-1].Lat == p.Lat {
				continue // level sides decide nothing
			}
			e := edge{ring[i-1], p}
			if e.south.Lat > e.north.Lat {
				e.south, e.north = e.north, e.south
			}
			edges = append(edges, e)
			heights += e.north.Lat - e.south.Lat
		}
	}
	// So many that a side stands in two bands on average.
	n := 1
	if heights > 0 {
		n = max(1, min(maxBands, int((s.north-s.south)*float64(len(edges))/heights)))
	}
	s.bands = make([][]edge, n)
	for _, e := range edges {
		for b := s.band(e.south.Lat); b <= s.band(e.north.Lat); b++ {
			s.bands[b] = append(s.bands[b], e)
		}
	}
	return s
}

func (s *shape) band(lat float64) int {
	if s.north == s.south {
		return 0
	}
	return min(len(s.bands)-1, int((lat-s.south)/(s.north-s.south)*float64(len(s.bands))))
}

// holds counts the sides to the east of p: within the region they are odd in number.
func (s *shape) holds(p geo.Point) bool {
	if p.Lat < s.south || p.Lat > s.north || p.Lon < s.west || p.Lon > s.east {
		return false
	}
	inside := false
	for _, e := range s.bands[s.band(p.Lat)] {
		// The south end belongs to a side, the north end to the next one.
		if p.Lat < e.south.Lat || p.Lat >= e.north.Lat {
			continue
		}
		t := (p.Lat - e.south.Lat) / (e.north.Lat - e.south.Lat)
		if p.Lon < e.south.Lon+t*(e.north.Lon-e.south.Lon) {
			inside = !inside
		}
	}
	return inside
}
