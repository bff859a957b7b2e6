package simulate

import (
	"math"
	"math/rand/v2"

	"geogate/internal/geo"
)

const (
	metresPerDegree = 111_320 // of latitude
	driveSpeed      = 9.0     // metres a second, a town's average
	gpsNoise        = 4.0     // metres, standard deviation of a fix under open sky
	multipathNoise  = 60.0    // metres, between high houses
	multipathShare  = 0.02    // of the fixes
)

// city is a round town where most things happen at a few hotspots: the station, the
// centre, the airport.
type city struct {
	centre   geo.Point
	radiusM  float64
	hotspots []hotspot
}

type hotspot struct {
	at     geo.Point
	spread float64 // metres, standard deviation
}

func newCity(rng *rand.Rand, centre geo.Point, radiusM float64) *city {
	c := &city{centre: centre, radiusM: radiusM}
	for range 5 {
		c.hotspots = append(c.hotspots, hotspot{
			at:     c.within(rng, radiusM*0.7),
			spread: radiusM * (0.02 + 0.08*rng.Float64()),
		})
	}
	return c
}

// place is where somebody is or wants to go: three times out of four around a
// hotspot.
func (c *city) place(rng *rand.Rand) geo.Point {
	if rng.IntN(4) == 0 {
		return c.within(rng, c.radiusM)
	}
	h := c.hotspots[rng.IntN(len(c.hotspots))]
	return offset(h.at, rng.NormFloat64()*h.spread, rng.NormFloat64()*h.spread)
}

// within is anywhere up to so many metres from the centre.
func (c *city) within(rng *rand.Rand, metres float64) geo.Point {
	distance, angle := metres*math.Sqrt(rng.Float64()), 2*math.Pi*rng.Float64()
	return offset(c.centre, distance*math.Cos(angle), distance*math.Sin(angle))
}

// offset moves a point by metres. It is exact enough for a town.
func offset(p geo.Point, north, east float64) geo.Point {
	return geo.Point{
		Lat: p.Lat + north/metresPerDegree,
		Lon: p.Lon + east/(metresPerDegree*math.Cos(p.Lat*math.Pi/180)),
	}
}

// towards is where somebody is who has gone so many metres from one point to
// another, as the crow flies.
func towards(from, to geo.Point, metres float64) geo.Point {
	left := geo.Distance(from, to)
	if left <= metres {
		return to
	}
	share := metres / left
	return geo.Point{Lat: from.Lat + share*(to.Lat-from.Lat), Lon: from.Lon + share*(to.Lon-from.Lon)}
}

// fix is a position as a GPS tells it.
func fix(rng *rand.Rand, p geo.Point) geo.Point {
	sigma := gpsNoise
	if rng.Float64() < multipathShare {
		sigma = multipathNoise
	}
	return offset(p, rng.NormFloat64()*sigma, rng.NormFloat64()*sigma)
}
