package exchange

import (
	"strings"

	"geogate/internal/geo"
)

// Box is a part of the world. West of more than east crosses the date line.
type Box struct{ West, South, East, North float64 }

// Contains reports whether a point is in the box.
func (b Box) Contains(p geo.Point) bool {
	if p.Lat < b.South || p.Lat > b.North {
		return false
	}
	if b.West > b.East {
		return p.Lon >= b.West || p.Lon <= b.East
	}
	return p.Lon >= b.West && p.Lon <= b.East
}

// BoxOf reads the parameter bbox: west,south,east,north in degrees.
func BoxOf(text string) (Box, error) {
	if text == "" {
		return Box{}, BadRequest("missing_bbox", "bbox is required").WithHint(boxForm)
	}
	var edges [4]float64
	parts := strings.Split(text, ",")
	if len(parts) != len(edges) {
		return Box{}, errInvalidBox
	}
	for i, part := range parts {
		degrees, err := Degrees(part)
		if err != nil {
			return Box{}, errInvalidBox
		}
		edges[i] = degrees
	}
	b := Box{edges[0], edges[1], edges[2], edges[3]}
	southWest, northEast := geo.Point{Lat: b.South, Lon: b.West}, geo.Point{Lat: b.North, Lon: b.East}
	if !southWest.Valid() || !northEast.Valid() || b.South > b.North {
		return Box{}, errInvalidBox
	}
	return b, nil
}

const boxForm = "west,south,east,north in degrees, such as 9.4,47.0,9.7,47.3; west above east crosses the date line"

var errInvalidBox = BadRequest("invalid_bbox", "bbox is not a box on the map").WithHint(boxForm)
