package geocoding

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"

	"geogate/gateway/exchange"
	"geogate/internal/geo"
	"geogate/upstream"
)

// A Cell lets reverse geocodes of near positions share one answer from a zoom
// on: positions are moved to the centre of a square of so many metres, and the
// centre is asked instead. The operator has to turn it on, because the answer may
// then be that of a neighbour up to 0.71 times the metres away.
type Cell struct {
	MinZoom int     // from this zoom on, up to that of the next cell
	Metres  float64 // side of the square
}

// Cells are the cells by growing MinZoom; none: positions stay exact.
type Cells []Cell

const (
	defaultZoom      = 18 // of /reverse
	metresPerDegree  = 111_320
	maxCellLatitude  = 85 // beyond it the squares would be slivers
	coordinateDigits = 7
)

// Canonical makes the canonical request for what a client asked. cell is the
// centre that is asked in place of the client's position, "" where the position
// stays as it is. Canonical may change query.
func (c Cells) Canonical(endpoint upstream.Endpoint, query url.Values, acceptLanguage string) (req upstream.Request, cell string, err error) {
	if endpoint == upstream.Reverse && len(c) > 0 {
		cell = c.snap(query)
	}
	req, err = upstream.Canonical(endpoint, query, acceptLanguage)
	return req, cell, err
}

// snap moves lat and lon of query to the centre of their cell and returns it.
// What is not a position, or too near a pole, stays as it is.
func (c Cells) snap(query url.Values) string {
	lat, errLat := exchange.Degrees(query.Get("lat"))
	lon, errLon := exchange.Degrees(query.Get("lon"))
	p := geo.Point{Lat: lat, Lon: lon}
	metres := c.size(query.Get("zoom"))
	if errLat != nil || errLon != nil || !p.Valid() || math.Abs(p.Lat) > maxCellLatitude || metres == 0 ||
		len(query["lat"]) > 1 || len(query["lon"]) > 1 {
		return ""
	}
	centre := cellCentre(p, metres)
	latText := strconv.FormatFloat(centre.Lat, 'f', coordinateDigits, 64)
	lonText := strconv.FormatFloat(centre.Lon, 'f', coordinateDigits, 64)
	query.Set("lat", latText)
	query.Set("lon", lonText)
	return fmt.Sprintf("%s,%s;metres=%g", latText, lonText, metres)
}

// size is the side of the cells at a zoom, 0 where positions stay exact.
func (c Cells) size(zoom string) float64 {
	z := defaultZoom
	if zoom != "" {
		var err error
		if z, err = strconv.Atoi(zoom); err != nil {
			return 0 // the geocoder refuses it
		}
	}
	for _, cell := range slices.Backward(c) {
		if z >= cell.MinZoom {
			return cell.Metres
		}
	}
	return 0
}

// cellCentre is the centre of the square around p. Squares lie in rows of one
// latitude, counted from the equator; within a row they are counted from the
// prime meridian, so that a row always has the same squares.
func cellCentre(p geo.Point, metres float64) geo.Point {
	height := metres / metresPerDegree
	row := math.Floor(p.Lat / height)
	lat := (row + 0.5) * height
	width := height / math.Cos(lat*math.Pi/180)
	lon := (math.Floor(p.Lon/width) + 0.5) * width
	return geo.Point{Lat: lat, Lon: math.Min(lon, 180)}
}
