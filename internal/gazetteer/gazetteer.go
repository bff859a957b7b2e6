// Package gazetteer answers geocoding requests from places that are built into
// the binary: towns and villages of the whole world from 500 people up, their
// administrative divisions and the countries. It needs no network and no disk,
// so that geogate answers from its first second.
//
// It promises to be honest about what it knows. A query is answered only when
// every word of it was understood; streets, houses and post codes are unknown,
// so a query for one finds nothing rather than the town around it. The data is
// GeoNames', under CC BY 4.0: show [Attribution] wherever a place is shown.
//
// The data is read in place, inside the binary (see DESIGN.md): loading takes
// microseconds and next to no memory. A Gazetteer is safe for concurrent use.
package gazetteer

import (
	_ "embed"
	"fmt"
	"time"

	"geogate/internal/gazetteer/packed"
	"geogate/internal/geo"
	"geogate/internal/place"
)

//go:generate go run ./gen data

//go:embed data/places.bin
var file []byte

//go:embed data/prefixes.bin
var prefixes []byte

// Attribution is what GeoNames' licence requires beside its places.
var Attribution = place.Attribution{
	Text:    "Data from GeoNames, CC BY 4.0. https://www.geonames.org/",
	Licence: "CC BY 4.0",
}

// Gazetteer is the loaded data.
type Gazetteer struct {
	file      *packed.File
	prefixes  *packed.Prefixes
	languages func() map[string]string // by country; see newLanguages
}

// Load opens the built-in data. An error means that the binary was built with a
// damaged file.
func Load() (*Gazetteer, error) {
	f, err := packed.Open(file)
	if err != nil {
		return nil, fmt.Errorf("load gazetteer: %w", err)
	}
	p, err := packed.OpenPrefixes(f, prefixes)
	if err != nil {
		return nil, fmt.Errorf("load gazetteer: %w", err)
	}
	return &Gazetteer{file: f, prefixes: p, languages: newLanguages(f)}, nil
}

// rules is raised with every change of the code that changes answers.
const rules = 2

// DataVersion tells answers of one state of the data and the rules from those of
// another. It belongs into the key of whatever keeps answers.
func (g *Gazetteer) DataVersion() string { return fmt.Sprintf("%s-%d", g.file.Digest(), rules) }

// Date is when the data was taken from GeoNames, to the month.
func (g *Gazetteer) Date() time.Time { return g.file.Date() }

// Places is the number of populated places that g knows.
func (g *Gazetteer) Places() int { return g.file.Places() }

// ByID finds a populated place by its GeoNames id, which is what its answers
// give as place_id.
func (g *Gazetteer) ByID(id int64) (Match, bool) {
	i, ok := g.file.ByID(id)
	if !ok {
		return Match{}, false
	}
	return g.match(g.file.Areas() + i), true
}

// ancestors calls yield with the areas that ref lies in, from the smallest.
func (g *Gazetteer) ancestors(ref int, yield func(area int) bool) {
	var area int
	if ref < g.file.Areas() {
		area = g.file.AreaParent(ref)
	} else {
		area = g.file.PlaceArea(ref - g.file.Areas())
	}
	for area != packed.NoArea && yield(area) {
		area = g.file.AreaParent(area)
	}
}

// country is the country that ref lies in or is.
func (g *Gazetteer) country(ref int) int {
	country := ref
	g.ancestors(ref, func(area int) bool {
		country = area
		return true
	})
	return country
}

// point is where ref is.
func (g *Gazetteer) point(ref int) geo.Point {
	if ref < g.file.Areas() {
		return g.file.AreaPoint(ref)
	}
	return g.file.Point(ref - g.file.Areas())
}

// partOfTown reports whether ref is a section of a town.
func (g *Gazetteer) partOfTown(ref int) bool {
	if ref < g.file.Areas() {
		return g.file.AreaLevel(ref) == packed.Quarter
	}
	return g.file.PlaceFeature(ref-g.file.Areas()) == packed.PPLX
}
