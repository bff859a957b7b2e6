package gazetteer

import (
	"math"

	"geogate/internal/gazetteer/packed"
	"geogate/internal/geo"
)

// Distances in metres that decide what a point belongs to.
const (
	// coast is how far from an outline a point at sea still counts as the
	// country's: twelve nautical miles, the territorial waters.
	coast = 22_224
	// border is how far the outlines, drawn for a scale of 1:50 million, are
	// off. Within that distance the nearer town decides on which side a point is.
	border = 6_000
	// tooFar is the distance beyond which a point is not said to be at the
	// nearest town, but only in its country.
	tooFar = 100_000
	// island is how near a town must be where there is no outline at all: the
	// outlines leave out small islands.
	island = 25_000
)

// A town reaches as far from its middle as its people would fill at a city's
// density, but not further than maxReach metres.
const (
	peoplePerSquareMetre = 0.012
	maxReach             = 15_000
	outskirts            = 1_000 // around every town, at a border
	// homeSide is the factor by which the towns of the country whose outline
	// contains the point seem nearer in that comparison.
	homeSide = 0.8
)

// Reverse returns what lies at p: at zoom 10 and up the place, from 8 its
// county, from 5 its state, below that the country, each of them the next
// larger one where the data has none. From zoom 13 up, sections of towns are
// places of their own. It reports false far out at sea and for a p that is not
// on the globe.
func (g *Gazetteer) Reverse(p geo.Point, zoom int) (Match, bool) {
	if !p.Valid() {
		return Match{}, false
	}
	here := g.countries(p)
	i, metres, ok := g.nearest(p, here, zoom)
	if !ok {
		country, ok := here.first()
		if !ok {
			return Match{}, false
		}
		return g.match(country), true
	}
	ref := g.atZoom(g.file.Areas()+i, zoom)
	m := g.match(ref)
	if m.Kind.AddressRank() > County.AddressRank() {
		m.Distance = metres
	}
	return m, true
}

// belongs says which countries a point may belong to.
type belongs []packed.Around

// countries drops from the countries around p those that its position rules
// out: if an outline contains it well, all others are.
func (g *Gazetteer) countries(p geo.Point) belongs {
	all := g.file.Countries(p, coast)
	inside := false
	for _, a := range all {
		inside = inside || a.Inside
	}
	if !inside {
		return all
	}
	near := all[:0]
	for _, a := range all {
		if a.Inside || a.Distance <= border {
			near = append(near, a)
		}
	}
	return near
}

// first is the country that contains the point, or else the nearest one.
func (b belongs) first() (country int, ok bool) {
	least := math.Inf(1)
	for _, a := range b {
		distance := a.Distance
		if a.Inside {
			distance = 0
		}
		if distance < least {
			country, least, ok = a.Country, distance, true
		}
	}
	return country, ok
}

// nearest finds the place that p is at: in one country the one whose edge is
// nearest or that reaches farthest beyond p. Between countries it compares how
// far p is from the middle of each one's place in terms of that place's size,
// for the outlines are too coarse to decide it, and a large city would swallow
// the village across the border, or the Vatican.
func (g *Gazetteer) nearest(p geo.Point, here belongs, zoom int) (i int, metres float64, ok bool) {
	least := math.Inf(1)
	consider := func(countries func(int) bool, limit, side float64) {
		candidate, distance, found := g.nearestIn(countries, p, limit, zoom)
		if !found {
			return
		}
		if away := side * distance / (reach(g.file.Population(candidate)) + outskirts); away < least {
			i, metres, least, ok = candidate, distance, away, true
		}
	}
	if len(here) == 0 {
		consider(func(int) bool { return true }, island, 1)
		return i, metres, ok
	}
	for _, a := range here {
		side := 1.0
		if a.Inside {
			side = homeSide
		}
		consider(func(country int) bool { return country == a.Country }, tooFar, side)
	}
	consider(func(country int) bool { return g.unmapped[country] }, border, 1)
	return i, metres, ok
}

func (g *Gazetteer) nearestIn(countries func(int) bool, p geo.Point, limit float64, zoom int) (i int, metres float64, ok bool) {
	i, _, ok = g.file.Nearest(p, maxReach, limit, func(i int, metres float64) float64 {
		switch {
		case metres > limit,
			zoom < 13 && g.file.PlaceFeature(i) == packed.PPLX,
			!countries(g.country(g.file.Areas() + i)):
			return math.Inf(1)
		}
		return metres - reach(g.file.Population(i))
	})
	if !ok {
		return 0, 0, false
	}
	return i, geo.Distance(p, g.file.Point(i)), true
}

// reach is how far in metres a town extends from its middle.
func reach(people int64) float64 {
	return min(maxReach, math.Sqrt(float64(people)/(math.Pi*peoplePerSquareMetre)))
}

// atZoom climbs from a place to the smallest area that the zoom shows.
func (g *Gazetteer) atZoom(ref, zoom int) int {
	finest := packed.County
	switch {
	case zoom >= 10:
		return ref
	case zoom < 5:
		finest = packed.Country
	case zoom < 8:
		finest = packed.State
	}
	g.ancestors(ref, func(area int) bool {
		ref = area
		return g.file.AreaLevel(area) > finest
	})
	return ref
}
