package gazetteer

import (
	"math"
	"slices"

	"geogate/internal/gazetteer/packed"
	"geogate/internal/geo"
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
	inViewbox    = 1.0
)

// Deductions by how the query names a place.
const (
	nearName      = 0.3
	alternateName = 1.8
	weakName      = 3.0
	codeName      = 1.0
	countryAlias  = 4.0 // Brasília precedes Brazil, which Finns call Brasilia
	noComma       = 1.0 // name and area not parted
	slipped       = 0.5 // a letter is wrong
)

var areaBonus = [...]float64{
	packed.Country: countryBonus, packed.State: stateBonus, packed.County: countyBonus,
	packed.Island: islandBonus, packed.Region: islandBonus, packed.Quarter: quarterBonus,
}

var kindDeduction = [...]float64{
	packed.Near: nearName, packed.Alternate: alternateName, packed.Weak: weakName, packed.Code: codeName,
}

// candidate is a place or area that a query may mean.
type candidate struct {
	score float64
	weak  bool // found by a name that hardly anybody writes
}

// rate applies all filters except the viewbox and scores what is left.
func (s *search) rate(p packed.Posting) (score float64, at geo.Point, ok bool) {
	f := s.gazetteer.file
	if codes := s.query.CountryCodes; len(codes) > 0 && !slices.Contains(codes, f.AreaCode(s.gazetteer.country(p.Ref))) {
		return 0, at, false
	}
	var kind Kind
	var people int64
	if p.Ref < f.Areas() {
		level := f.AreaLevel(p.Ref)
		kind, people, at = areaKinds[level], f.AreaPopulation(p.Ref), f.AreaPoint(p.Ref)
		score = areaBonus[level]
	} else {
		i := p.Ref - f.Areas()
		people, at = f.Population(i), f.Point(i)
		kind = placeKind(f.PlaceFeature(i), people)
		if len(s.query.Exclude) > 0 && slices.Contains(s.query.Exclude, f.PlaceID(i)) {
			return 0, at, false
		}
		score = fameWeight*f.Fame(i) + standing(f.PlaceFeature(i))
	}
	highest := s.query.MaxRank
	if highest == 0 {
		highest = 30
	}
	if rank := kind.AddressRank(); rank < s.query.MinRank || rank > highest {
		return 0, at, false
	}
	score += math.Log10(float64(max(people, hamlet)))
	switch {
	case kind == Country && p.Kind == packed.Alternate:
		return score - countryAlias, at, true
	case p.Kind == packed.Code: // CA is California as well as Canada
		return math.Log10(float64(max(people, hamlet))) - codeName, at, true
	}
	return score - kindDeduction[p.Kind], at, true
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
