package region

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"geogate/internal/geo"
)

const (
	// MaxBytes is the largest file.
	MaxBytes = 4 << 20
	// MaxRegions is how many regions a file may have.
	MaxRegions = 1000
	// maxPoints is how many points all their outlines may have: some 20 MiB.
	maxPoints = 200_000
	// maxMistakes is how many mistakes are told at once.
	maxMistakes = 50
)

type feature struct {
	Type       string `json:"type"`
	Properties struct {
		Name *string `json:"name"`
	} `json:"properties"`
	Geometry json.RawMessage `json:"geometry"`
}

// Parse reads a FeatureCollection whose features have a name among their properties,
// which valid accepts, and a Polygon or MultiPolygon. The error holds all mistakes,
// each with its feature.
func Parse(text []byte, valid func(name string) bool) (*Map, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("the file is larger than %d bytes", MaxBytes)
	}
	var file struct {
		Type     string    `json:"type"`
		Features []feature `json:"features"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("not GeoJSON: %w", err)
	}
	switch {
	case file.Type != "FeatureCollection":
		return nil, fmt.Errorf("expected a FeatureCollection, not %.40q", file.Type)
	case len(file.Features) == 0:
		return nil, errors.New("there are no features")
	case len(file.Features) > MaxRegions:
		return nil, fmt.Errorf("there are more than %d features", MaxRegions)
	}
	p := parser{points: maxPoints}
	sum := sha256.Sum256(text)
	m := &Map{digest: hex.EncodeToString(sum[:8])}
	names := map[string]bool{}
	for i, f := range file.Features {
		name := ""
		if f.Properties.Name != nil {
			name = *f.Properties.Name
		}
		p.where = fmt.Sprintf("feature %d (%.40s)", i+1, name)
		switch {
		case f.Properties.Name == nil:
			p.mistake("it has no name in its properties")
		case !valid(name):
			p.mistake("a name is 1 to 32 of a-z, 0-9, - and _, and begins with a letter or digit")
		case names[name]:
			p.mistake("another feature has this name; use one MultiPolygon")
		}
		names[name] = true
		m.regions = append(m.regions, Region{Name: name, Geometry: f.Geometry})
		m.shapes = append(m.shapes, newShape(p.rings(f.Geometry)))
	}
	if len(p.mistakes) > 0 {
		return nil, errors.Join(p.mistakes...)
	}
	return m, nil
}

// parser collects mistakes.
type parser struct {
	where    string
	points   int // that may still come
	mistakes []error
}

func (p *parser) mistake(format string, args ...any) {
	switch n := len(p.mistakes); {
	case n < maxMistakes:
		p.mistakes = append(p.mistakes, fmt.Errorf("%s: %w", p.where, fmt.Errorf(format, args...)))
	case n == maxMistakes:
		p.mistakes = append(p.mistakes, errors.New("and more"))
	}
}

// rings reads all rings of a geometry.
func (p *parser) rings(text json.RawMessage) (rings [][]geo.Point) {
	var g struct {
		Type        string          `json:"type"`
		Coordinates json.RawMessage `json:"coordinates"`
	}
	if err := json.Unmarshal(text, &g); err != nil || g.Type == "" {
		p.mistake("it has no geometry")
		return nil
	}
	var polygons [][][][]float64
	var err error
	switch g.Type {
	case "Polygon":
		polygons = make([][][][]float64, 1)
		err = json.Unmarshal(g.Coordinates, &polygons[0])
	case "MultiPolygon":
		err = json.Unmarshal(g.Coordinates, &polygons)
	default:
		p.mistake("expected a Polygon or MultiPolygon, not %.40q", g.Type)
		return nil
	}
	if err != nil {
		p.mistake("the coordinates are not those of a %s", g.Type)
		return nil
	}
	if len(polygons) == 0 {
		p.mistake("it has no polygon")
	}
	for i, polygon := range polygons {
		if len(polygon) == 0 {
			p.mistake("polygon %d has no outline", i+1)
		}
		for j, ring := range polygon {
			if points := p.ring(fmt.Sprintf("ring %d of polygon %d", j+1, i+1), ring); points != nil {
				rings = append(rings, points)
			}
		}
	}
	return rings
}

// ring reads one ring; nil where it has a mistake.
func (p *parser) ring(name string, ring [][]float64) []geo.Point {
	if p.points -= len(ring); p.points < 0 {
		p.mistake("the file has more than %d points", maxPoints)
		return nil
	}
	points := make([]geo.Point, len(ring))
	for i, c := range ring {
		if len(c) < 2 {
			p.mistake("point %d of %s has no longitude and latitude", i+1, name)
			return nil
		}
		points[i] = geo.Point{Lat: c[1], Lon: c[0]}
		if !points[i].Valid() || math.Abs(c[1]) > geo.MaxMercatorLat {
			p.mistake("point %d of %s is out of range: [longitude, latitude], latitude within ±%g", i+1, name, geo.MaxMercatorLat)
			return nil
		}
	}
	switch {
	case len(points) < 4:
		p.mistake("%s has fewer than 4 points", name)
	case points[0] != points[len(points)-1]:
		p.mistake("%s is not closed: its last point must be its first", name)
	case flat(points):
		p.mistake("%s has no area", name)
	default:
		return points
	}
	return nil
}

// flat reports whether a ring encloses nothing.
func flat(ring []geo.Point) bool {
	area := 0.0
	for i := 1; i < len(ring); i++ {
		area += (ring[i].Lon-ring[0].Lon)*(ring[i-1].Lat-ring[0].Lat) - (ring[i-1].Lon-ring[0].Lon)*(ring[i].Lat-ring[0].Lat)
	}
	return area == 0
}
