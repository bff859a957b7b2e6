package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"geogate/internal/geo"
)

// border is a feature of country-coder: a country, or a part of one.
type border struct {
	Properties struct {
		NameEn    string
		Iso1A2    string
		IsoStatus string // set where the code is not an official one
		Country   string // that the territory belongs to
		Groups    []string
	}
	Geometry *struct {
		Coordinates [][][][2]float64 // polygons, rings, lon and lat
	}
}

// code is the country that the land is of, known being all of them: its own
// code, or else that of the territory or country around it. It is empty for
// land that nobody claims.
func (f border) code(known map[string]bool) string {
	p := f.Properties
	candidates := append([]string{p.Iso1A2}, p.Groups...)
	for _, code := range append(candidates, p.Country) {
		if known[lower(code)] {
			return lower(code)
		}
	}
	if p.NameEn == "Northern Cyprus" { // GeoNames counts its places to Cyprus
		return "cy"
	}
	return ""
}

// borders returns the pieces of all countries, with the sea along their coasts.
func borders(file []byte, known map[string]bool) ([]polygon, error) {
	var document struct{ Features []border }
	if err := json.Unmarshal(file, &document); err != nil {
		return nil, fmt.Errorf("read borders: %w", err)
	}
	var all []polygon
	for _, f := range document.Features {
		code := f.code(known)
		if f.Geometry == nil || code == "" {
			continue
		}
		for _, rings := range f.Geometry.Coordinates {
			p := polygon{country: code}
			for _, ring := range rings {
				points := make([]geo.Point, len(ring))
				for i, at := range ring {
					points[i] = geo.Point{Lat: at[1], Lon: at[0]}
				}
				p.rings = append(p.rings, points)
			}
			all = append(all, p)
		}
	}
	return all, nil
}

// contains reports whether p lies on the piece and in none of its holes.
func (p polygon) contains(at geo.Point) bool {
	inside := false
	for _, ring := range p.rings {
		inside = inside != contains(ring, at)
	}
	return inside
}

// markAbroad finds the places that lie outside of the outline of their country.
func (b *builder) markAbroad() {
	pieces := map[string][]polygon{}
	for _, p := range b.borders {
		pieces[p.country] = append(pieces[p.country], p)
	}
	for i := range b.content.Places {
		p := &b.content.Places[i]
		home := pieces[b.content.Areas[p.Area].Code]
		p.Abroad = !slices.ContainsFunc(home, func(piece polygon) bool { return piece.contains(p.Point) })
	}
}
