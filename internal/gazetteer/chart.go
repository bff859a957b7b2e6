package gazetteer

import (
	"cmp"
	_ "embed"
	"slices"

	"geogate/internal/gazetteer/packed"
	"geogate/internal/geo"
)

// Outlines are the countries of the world as drawn for a scale of 1:50 million: TopoJSON,
// compressed by gzip. They are Natural Earth's, in the public domain. They must not be
// changed.
//
//go:embed data/countries-50m.json.gz
var Outlines []byte

// Label is a populated place as a map names it.
type Label struct {
	Name       string
	Point      geo.Point
	Population int64
	Capital    bool // of a country
}

// Largest returns the places in a box with the most people, at most so many, the largest
// first. It looks at every place there is, which takes about a millisecond.
func (g *Gazetteer) Largest(box packed.Box, most int) []Label {
	type ranked struct {
		place      int
		population int64
	}
	var found []ranked
	for i := range g.file.Places() {
		p := g.file.Point(i)
		if p.Lat < box.South || p.Lat > box.North || p.Lon < box.West || p.Lon > box.East {
			continue
		}
		found = append(found, ranked{i, g.file.Population(i)})
	}
	slices.SortFunc(found, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.population, a.population), cmp.Compare(a.place, b.place))
	})
	labels := make([]Label, min(len(found), most))
	for i := range labels {
		p := g.file.Place(found[i].place)
		labels[i] = Label{p.Name, p.Point, p.Population, p.Feature == packed.PPLC}
	}
	return labels
}
