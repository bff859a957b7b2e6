package gazetteer

import (
	"slices"

	"geogate/internal/gazetteer/packed"
	"geogate/internal/gazetteer/prominence"
	"geogate/internal/geo"
)

// What a query adds to the prominence of a place and takes from it, in its unit.
const (
	inViewbox = 1.0
	noComma   = 1.0 // name and area not parted
	slipped   = 0.5 // a letter is wrong
)

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
	if p.Ref < f.Areas() {
		kind, at = areaKinds[f.AreaLevel(p.Ref)], f.AreaPoint(p.Ref)
	} else {
		i := p.Ref - f.Areas()
		kind, at = placeKind(f.PlaceFeature(i), f.Population(i)), f.Point(i)
		if len(s.query.Exclude) > 0 && slices.Contains(s.query.Exclude, f.PlaceID(i)) {
			return 0, at, false
		}
	}
	highest := s.query.MaxRank
	if highest == 0 {
		highest = 30
	}
	if rank := kind.AddressRank(); rank < s.query.MinRank || rank > highest {
		return 0, at, false
	}
	return prominence.Of(f, p), at, true
}
