package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/text/language"

	"geogate/internal/geo"
)

// topology is a TopoJSON document: outlines as chains of arcs, so that two
// neighbours share the line between them.
type topology struct {
	Transform struct {
		Scale, Translate [2]float64
	}
	Objects struct {
		Countries struct {
			Geometries []geometry
		}
	}
	Arcs [][][2]int64
}

type geometry struct {
	Type       string
	ID         string // ISO 3166-1 numeric
	Properties struct{ Name string }
	Arcs       json.RawMessage
}

// withoutNumber has the outlines of Natural Earth that have no number in ISO
// 3166-1, and the country whose code GeoNames gives the places in them. The
// Indian Ocean Territories are Christmas Island and the Cocos Islands. The
// Siachen Glacier is claimed by two and home to nobody: it is left out.
var withoutNumber = map[string]string{
	"Kosovo":            "xk",
	"Somaliland":        "so",
	"N. Cyprus":         "cy",
	"Indian Ocean Ter.": "cx",
	"Siachen Glacier":   "",
}

// country is the two-letter code of an outline, empty when it belongs to none.
func (g geometry) country() (string, error) {
	if g.ID == "" {
		code, ok := withoutNumber[g.Properties.Name]
		if !ok {
			return "", fmt.Errorf("outline %q has no number", g.Properties.Name)
		}
		return code, nil
	}
	number, err := strconv.Atoi(g.ID)
	if err != nil {
		return "", fmt.Errorf("outline %q: %w", g.Properties.Name, err)
	}
	region, err := language.EncodeM49(number)
	if err != nil || len(region.String()) != 2 {
		return "", fmt.Errorf("outline %q: no country has the number %d", g.Properties.Name, number)
	}
	return lower(region.String()), nil
}

// polygon is a connected piece of land: the ring around it, then those around
// the holes in it.
type polygon struct {
	country string // two-letter code
	rings   [][]geo.Point
}

// outlines returns the pieces of all countries.
func outlines(file []byte) ([]polygon, error) {
	var t topology
	if err := json.Unmarshal(file, &t); err != nil {
		return nil, fmt.Errorf("read outlines: %w", err)
	}
	arcs := make([][]geo.Point, len(t.Arcs))
	for i, arc := range t.Arcs {
		var x, y int64
		for _, step := range arc {
			x, y = x+step[0], y+step[1]
			arcs[i] = append(arcs[i], geo.Point{
				Lat: float64(y)*t.Transform.Scale[1] + t.Transform.Translate[1],
				Lon: float64(x)*t.Transform.Scale[0] + t.Transform.Translate[0],
			})
		}
	}
	var all []polygon
	for _, g := range t.Objects.Countries.Geometries {
		code, err := g.country()
		if err != nil {
			return nil, fmt.Errorf("read outlines: %w", err)
		}
		if code == "" {
			continue
		}
		polygons, err := g.polygons()
		if err != nil {
			return nil, fmt.Errorf("read outlines: %w", err)
		}
		for _, rings := range polygons {
			p := polygon{country: code}
			for _, ring := range rings {
				if points := chain(ring, arcs); !polar(points) {
					p.rings = append(p.rings, points)
				}
			}
			if len(p.rings) > 0 {
				all = append(all, p)
			}
		}
	}
	return all, nil
}

func (g geometry) polygons() ([][][]int, error) {
	var polygons [][][]int
	var err error
	switch g.Type {
	case "Polygon":
		polygons = make([][][]int, 1)
		err = json.Unmarshal(g.Arcs, &polygons[0])
	case "MultiPolygon":
		err = json.Unmarshal(g.Arcs, &polygons)
	default:
		err = fmt.Errorf("unknown geometry %q", g.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("outline %q: %w", g.Properties.Name, err)
	}
	return polygons, nil
}

// chain strings arcs together; each begins where the one before ends. A
// negative index, ^i, is arc i backwards.
func chain(ring []int, arcs [][]geo.Point) []geo.Point {
	var points []geo.Point // a copy: unrolling must not touch the arcs
	for _, i := range ring {
		var arc []geo.Point
		if i >= 0 {
			arc = arcs[i]
		} else {
			arc = slices.Clone(arcs[^i])
			slices.Reverse(arc)
		}
		if len(points) > 0 {
			arc = arc[1:]
		}
		points = append(points, arc...)
	}
	return unroll(points)
}

// unroll makes a ring that crosses the date line continuous by letting its
// longitudes run beyond 180 degrees, as little as possible.
func unroll(points []geo.Point) []geo.Point {
	turn, west, east := 0.0, points[0].Lon, points[0].Lon
	for i := 1; i < len(points); i++ {
		lon := points[i].Lon + turn
		switch before := points[i-1].Lon; {
		case lon-before > 180:
			turn -= 360
		case lon-before < -180:
			turn += 360
		}
		points[i].Lon += turn
		west, east = min(west, points[i].Lon), max(east, points[i].Lon)
	}
	middle := (west + east) / 2
	shift := onGlobe(middle) - middle
	for i := range points {
		points[i].Lon += shift
	}
	if first, last := points[0], points[len(points)-1]; last.Lon != first.Lon {
		// The coast of Antarctica goes around the globe: close it at the pole.
		points = append(points, geo.Point{Lat: -90, Lon: last.Lon}, geo.Point{Lat: -90, Lon: first.Lon}, first)
	}
	return points
}

// polar reports whether a ring is only the South Pole, which the flat map that
// the outlines were made on draws as a line.
func polar(ring []geo.Point) bool {
	return !slices.ContainsFunc(ring, func(p geo.Point) bool { return p.Lat > -89.9 })
}

// onGlobe brings a longitude back into -180…180.
func onGlobe(lon float64) float64 {
	for lon > 180 {
		lon -= 360
	}
	for lon < -180 {
		lon += 360
	}
	return lon
}

// centre is the centroid of a ring's area on the plane of latitude and
// longitude, and that area in square degrees.
func centre(ring []geo.Point) (geo.Point, float64) {
	var area, lat, lon float64
	for i := 1; i < len(ring); i++ {
		a, b := ring[i-1], ring[i]
		cross := a.Lon*b.Lat - b.Lon*a.Lat
		area += cross
		lat += (a.Lat + b.Lat) * cross
		lon += (a.Lon + b.Lon) * cross
	}
	if area == 0 {
		return ring[0], 0
	}
	p := geo.Point{Lat: lat / (3 * area), Lon: lon / (3 * area)}
	if area < 0 {
		area = -area
	}
	return p, area / 2
}

// contains reports whether p lies within the ring.
func contains(ring []geo.Point, p geo.Point) bool {
	inside := false
	for i := 1; i < len(ring); i++ {
		a, b := ring[i-1], ring[i]
		if (a.Lat > p.Lat) != (b.Lat > p.Lat) && p.Lon < a.Lon+(b.Lon-a.Lon)*(p.Lat-a.Lat)/(b.Lat-a.Lat) {
			inside = !inside
		}
	}
	return inside
}
