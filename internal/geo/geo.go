// Package geo holds the one geometric idea that both halves of geogate share:
// a point on the globe and how far two of them lie apart.
package geo

import "math"

// EarthRadius is the mean radius of the earth in metres that Redis uses for
// GEOSEARCH, so that distances computed here agree with those it returns.
const EarthRadius = 6372797.560856

// MaxMercatorLat is the largest latitude, in degrees, that a Redis geo index
// can hold (the edge of the Web Mercator square, EPSG:3857).
const MaxMercatorLat = 85.05112878

// Point is a position in degrees, WGS 84.
type Point struct {
	Lat, Lon float64
}

// Valid reports whether p lies on the globe. NaN and infinities do not.
func (p Point) Valid() bool {
	return p.Lat >= -90 && p.Lat <= 90 && p.Lon >= -180 && p.Lon <= 180
}

// Distance returns the great-circle distance between a and b in metres, by the
// haversine formula. Both points must be valid.
func Distance(a, b Point) float64 {
	lat1, lat2 := radians(a.Lat), radians(b.Lat)
	u := math.Sin((lat2 - lat1) / 2)
	v := math.Sin(radians(b.Lon-a.Lon) / 2)
	h := u*u + math.Cos(lat1)*math.Cos(lat2)*v*v
	return 2 * EarthRadius * math.Asin(math.Sqrt(math.Min(1, h)))
}

func radians(degrees float64) float64 { return degrees * math.Pi / 180 }
