package gazetteer

import (
	"math"

	"geogate/internal/gazetteer/packed"
	"geogate/internal/geo"
)

// Distances in metres that decide what a point belongs to.
const (
	// coast is how far from land a point at sea still counts as the country's:
	// twelve nautical miles, the territorial waters.
	coast = 22_224
	// border is how far a town reaches at most that lies on the other side of the
	// outline of its country, where a border is drawn too coarsely or disputed.
	border = 5_000
	// centre is the middle of a town: whoever stands there is in that town and
	// in its country, whatever the outline says.
	centre = 500
	// spot is the very point of a town, where no larger one swallows it.
	spot = 50
	// tooFar is the distance beyond which a point is not said to be at the
	// nearest town, but only in its country.
	tooFar = 100_000
	// island is how near a town must be where there is no outline at all.
	island = 25_000
)

// A town reaches as far from its middle as its people would fill at a city's
// density, but not further than maxReach metres.
const (
	peoplePerSquareMetre = 0.012
	maxReach             = 15_000
)

// nowhere stands for no country.
const nowhere = -1

// Reverse returns what lies at p: at zoom 10 and up the place, from 8 its
// county, from 5 its state, below that the country, each of them the next
// larger one where the data has none. From zoom 13 up, sections of towns are
// places of their own. It reports false far out at sea and for a p that is not
// on the globe.
func (g *Gazetteer) Reverse(p geo.Point, zoom int) (Match, bool) {
	if !p.Valid() {
		return Match{}, false
	}
	country := g.countryAt(p)
	i, ok := g.nearest(p, country, zoom)
	metres := 0.0
	if ok {
		metres = geo.Distance(p, g.file.Point(i))
	}
	// The outlines take in much of the sea.
	if (!ok || metres > coast) && !g.file.OnLand(p, coast) {
		return Match{}, false
	}
	if !ok {
		if country == nowhere {
			return Match{}, false
		}
		return g.match(country), true
	}
	m := g.match(g.atZoom(g.file.Areas()+i, zoom))
	if m.Kind.AddressRank() > County.AddressRank() {
		m.Distance = metres
	}
	return m, true
}

// countryAt is the country whose outline contains p, or else the nearest one
// within its waters, or nowhere.
func (g *Gazetteer) countryAt(p geo.Point) int {
	country, least := nowhere, math.Inf(1)
	for _, a := range g.file.Countries(p, coast) {
		distance := a.Distance
		if a.Inside {
			distance = 0
		}
		if distance < least {
			country, least = a.Country, distance
		}
	}
	return country
}

// nearest finds the place of a country that p is at: the one whose edge is
// nearest or that reaches farthest beyond p. Of the places that lie abroad those
// close to p take part whatever their country. With no country all places do.
func (g *Gazetteer) nearest(p geo.Point, country, zoom int) (i int, ok bool) {
	limit := float64(tooFar)
	if country == nowhere {
		limit = island
	}
	i, _, ok = g.file.Nearest(p, maxReach, limit, func(i int, metres float64) float64 {
		if metres > limit || zoom < 13 && g.file.PlaceFeature(i) == packed.PPLX {
			return math.Inf(1)
		}
		abroad := country != nowhere && g.country(g.file.Areas()+i) != country
		switch {
		case abroad && (!g.file.Abroad(i) || metres > border):
			return math.Inf(1)
		case !abroad && metres < spot:
			return metres - maxReach
		case g.file.Abroad(i) && metres < centre:
			return metres - maxReach + spot
		default:
			return metres - reach(g.file.Population(i))
		}
	})
	return i, ok
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
