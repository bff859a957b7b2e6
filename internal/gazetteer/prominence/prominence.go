// Package prominence says how likely it is that a name means one place rather than
// another. Search ranks by it, and the generator arranges the index of prefixes by
// it, so that both agree on what comes first.
package prominence

import (
	"math"

	"geogate/internal/gazetteer/packed"
)

// A score is a decimal logarithm of people: 0.3 is twice as many. To that of a
// place's own people comes how well it is known, times fameWeight: Valencia in
// Spain has half the people of the one in Venezuela and twice as many names.
const (
	fameWeight = 1.3
	// hamlet is how many people a place of unknown size counts as.
	hamlet = 300
)

// Bonuses by what a place is. Areas have no fame of their own, so theirs stands
// for it.
const (
	countryBonus = 4.0
	stateBonus   = 1.2 // so that the city of New York precedes the state
	countyBonus  = 0.0
	islandBonus  = 1.2
	quarterBonus = 1.6
	capitalBonus = 0.3
	seatBonus    = 0.2
	suburbBonus  = -0.3
)

// Deductions by how a name names its place.
const (
	nearName      = 0.3
	alternateName = 1.8
	weakName      = 3.0
	codeName      = 1.0
	countryAlias  = 4.0 // Brasília precedes Brazil, which Finns call Brasilia
)

var areaBonus = [...]float64{
	packed.Country: countryBonus, packed.State: stateBonus, packed.County: countyBonus,
	packed.Island: islandBonus, packed.Region: islandBonus, packed.Quarter: quarterBonus,
}

var kindDeduction = [...]float64{
	packed.Near: nearName, packed.Alternate: alternateName, packed.Weak: weakName, packed.Code: codeName,
}

// Of scores what a name of f leads to.
func Of(f *packed.File, p packed.Posting) float64 {
	var people int64
	var bonus float64
	var country bool
	if p.Ref < f.Areas() {
		level := f.AreaLevel(p.Ref)
		people, bonus, country = f.AreaPopulation(p.Ref), areaBonus[level], level == packed.Country
	} else {
		i := p.Ref - f.Areas()
		people = f.Population(i)
		bonus = fameWeight*f.Fame(i) + standing(f.PlaceFeature(i))
	}
	size := math.Log10(float64(max(people, hamlet)))
	switch {
	case country && p.Kind == packed.Alternate:
		return size + bonus - countryAlias
	case p.Kind == packed.Code: // CA is California as well as Canada
		return size - codeName
	}
	return size + bonus - kindDeduction[p.Kind]
}

// standing is the bonus of a place for its rank among the others.
func standing(f packed.Feature) float64 {
	switch f {
	case packed.PPLC:
		return capitalBonus
	case packed.PPLA:
		return seatBonus
	case packed.PPLX:
		return suburbBonus
	default:
		return 0
	}
}
