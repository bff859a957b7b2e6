package exchange

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"

	"geogate/internal/geo"
)

// Coordinates are a position on the wire. lon is accepted for lng everywhere.
type Coordinates struct {
	Lat *Coordinate `json:"lat"`
	Lng *Coordinate `json:"lng"`
	Lon *Coordinate `json:"lon"`
}

// Coordinate is a number of degrees, on the wire a number or a string in decimal
// notation: geocoders write the coordinates of places as strings.
type Coordinate float64

// UnmarshalJSON implements json.Unmarshaler.
func (c *Coordinate) UnmarshalJSON(data []byte) error {
	var err error
	var degrees float64
	switch data[0] {
	case '"':
		degrees, err = geo.ParseDegrees(unquoted(data))
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		degrees, err = strconv.ParseFloat(string(data), 64)
	default:
		return BadRequest("wrong_type", "coordinates must be numbers").WithHint(decimalDegrees)
	}
	if err != nil {
		return BadRequest("invalid_position", "coordinates must be numbers").WithHint(decimalDegrees)
	}
	*c = Coordinate(degrees)
	return nil
}

const decimalDegrees = "decimal degrees with a point, such as 47.14"

// Given reports whether there is any of them.
func (c Coordinates) Given() bool { return c.Lat != nil || c.Lng != nil || c.Lon != nil }

// Point checks the coordinates. Positions that go into the index of drivers
// must be indexable, which the poles are not.
func (c Coordinates) Point(indexable bool) (geo.Point, error) {
	lng := c.Lng
	switch {
	case c.Lng != nil && c.Lon != nil && *c.Lng != *c.Lon:
		return geo.Point{}, BadRequest("ambiguous_position", "lng and lon differ").WithHint("send one of them")
	case c.Lng == nil:
		lng = c.Lon
	}
	if c.Lat == nil || lng == nil {
		return geo.Point{}, BadRequest("missing_position", "lat and lng are required").
			WithHint("decimal degrees, such as lat 47.14 and lng 9.52")
	}
	p := geo.Point{Lat: float64(*c.Lat), Lon: float64(*lng)}
	maxLat := 90.0
	if indexable {
		maxLat = geo.MaxMercatorLat
	}
	if !p.Valid() || math.Abs(p.Lat) > maxLat {
		return geo.Point{}, invalidPosition(p, maxLat)
	}
	return p, nil
}

func invalidPosition(p geo.Point, maxLat float64) error {
	err := BadRequest("invalid_position", "the position is out of range")
	hint := fmt.Sprintf("lat is −%[1]g…%[1]g, lng is −180…180", maxLat)
	if math.Abs(p.Lat) <= 180 && math.Abs(p.Lon) <= maxLat {
		hint += "; did you swap lat and lng?"
	}
	return err.WithHint(hint)
}

// Degrees reads one coordinate from a query, as every endpoint does: decimal
// notation, with white space around it forgiven, because a plus sign that was
// not escaped arrives as a space.
func Degrees(text string) (float64, error) { return geo.ParseDegrees(strings.TrimSpace(text)) }

// PointOf is Coordinates.Point for the parameters lat, lon and lng.
func PointOf(query url.Values, indexable bool) (geo.Point, error) {
	var c Coordinates
	for _, part := range [...]struct {
		name   string
		target **Coordinate
	}{{"lat", &c.Lat}, {"lon", &c.Lon}, {"lng", &c.Lng}} {
		if !query.Has(part.name) {
			continue
		}
		degrees, err := Degrees(query.Get(part.name))
		if err != nil {
			return geo.Point{}, BadRequest("invalid_position", part.name+" must be a number").
				WithHint(decimalDegrees)
		}
		*part.target = (*Coordinate)(&degrees)
	}
	return c.Point(indexable)
}

// HasPoint reports whether query has any of the parameters that PointOf reads.
func HasPoint(query url.Values) bool {
	return query.Has("lat") || query.Has("lon") || query.Has("lng")
}

// ErrAddressAndPoint refuses a request that gives both.
var ErrAddressAndPoint = BadRequest("address_and_position", "q and coordinates exclude each other").
	WithHint("give an address in q, or a position, not both")

// Place is where an address was found, or what is at a position.
type Place struct {
	DisplayName string  `json:"display_name"`
	Lat         float64 `json:"lat"`
	Lng         float64 `json:"lng"`
	Licence     string  `json:"licence,omitempty"` // to be shown with the place
}
