package gateway

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"

	"geogate/internal/geo"
	"geogate/upstream"
)

// A Cell lets reverse geocodes of near positions share one answer, down to a
// zoom: positions are moved to the centre of a square of so many metres, and
// that is what is asked. An operator turns it on, because the answer may then
// be that of a neighbour up to 0.71 times the metres away.
type Cell struct {
	MinZoom int     // from this zoom on, up to that of the next cell
	Metres  float64 // side of the square
}

const (
	defaultZoom      = 18 // of /reverse
	metresPerDegree  = 111_320
	maxCellLatitude  = 85 // beyond it the squares would be slivers
	coordinateDigits = 7
)

func (g *Gateway) canonical(endpoint upstream.Endpoint, query url.Values, acceptLanguage string) (req upstream.Request, cell string, err error) {
	return canonical(g.cells, endpoint, query, acceptLanguage)
}

// canonical makes the canonical request for what a client asked. cell is the
// centre that is asked in place of the client's position, "" where none is.
func canonical(cells []Cell, endpoint upstream.Endpoint, query url.Values, acceptLanguage string) (req upstream.Request, cell string, err error) {
	if endpoint == upstream.Reverse && len(cells) > 0 {
		cell = snap(cells, query)
	}
	req, err = upstream.Canonical(endpoint, query, acceptLanguage)
	return req, cell, err
}

// snap moves lat and lon of query to the centre of their cell and returns that.
// What is no position, or too near a pole, stays as it is.
func snap(cells []Cell, query url.Values) string {
	lat, errLat := strconv.ParseFloat(query.Get("lat"), 64)
	lon, errLon := strconv.ParseFloat(query.Get("lon"), 64)
	p := geo.Point{Lat: lat, Lon: lon}
	metres := cellSize(cells, query.Get("zoom"))
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

// cellSize is the side of the cells at a zoom, 0 where positions stay exact.
func cellSize(cells []Cell, zoom string) float64 {
	z := defaultZoom
	if zoom != "" {
		var err error
		if z, err = strconv.Atoi(zoom); err != nil {
			return 0 // the geocoder refuses it
		}
	}
	for _, c := range slices.Backward(cells) {
		if z >= c.MinZoom {
			return c.Metres
		}
	}
	return 0
}

// cellCentre is the centre of the square that p lies in. Rows of squares are
// as high as wide; each has a whole number of degrees of longitude to itself,
// so that the same row always has the same squares.
func cellCentre(p geo.Point, metres float64) geo.Point {
	height := metres / metresPerDegree
	row := math.Floor(p.Lat / height)
	lat := (row + 0.5) * height
	width := height / math.Cos(lat*math.Pi/180)
	lon := (math.Floor(p.Lon/width) + 0.5) * width
	return geo.Point{Lat: lat, Lon: math.Min(lon, 180)}
}
