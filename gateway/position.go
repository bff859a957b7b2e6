package gateway

import (
	"fmt"
	"math"

	"geogate/internal/geo"
)

// coordinates are a position on the wire. lon is accepted for lng everywhere.
type coordinates struct {
	Lat *float64 `json:"lat"`
	Lng *float64 `json:"lng"`
	Lon *float64 `json:"lon"`
}

func (c coordinates) given() bool { return c.Lat != nil || c.Lng != nil || c.Lon != nil }

// point checks the coordinates. Positions that go into the index of drivers
// must be indexable, which the poles are not.
func (c coordinates) point(indexable bool) (geo.Point, error) {
	lng := c.Lng
	switch {
	case c.Lng != nil && c.Lon != nil && *c.Lng != *c.Lon:
		return geo.Point{}, badRequest("ambiguous_position", "lng and lon differ").withHint("send one of them")
	case c.Lng == nil:
		lng = c.Lon
	}
	if c.Lat == nil || lng == nil {
		return geo.Point{}, badRequest("missing_position", "lat and lng are needed").
			withHint("decimal degrees, such as lat 47.14 and lng 9.52")
	}
	p := geo.Point{Lat: *c.Lat, Lon: *lng}
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
	err := badRequest("invalid_position", "the position is outside the range of coordinates")
	hint := fmt.Sprintf("lat is −%[1]g…%[1]g, lng is −180…180", maxLat)
	if math.Abs(p.Lat) <= 180 && math.Abs(p.Lon) <= maxLat {
		hint += "; did you swap lat and lng?"
	}
	return err.withHint(hint)
}
