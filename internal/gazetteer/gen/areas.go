package main

import (
	"cmp"
	"math"
	"slices"

	"geogate/internal/gazetteer/packed"
	"geogate/internal/geo"
)

// placeAreas gives every area its centre and its box: countries those of their
// outline, the divisions, for which there is none, those of their places.
func (b *builder) placeAreas() {
	for i := range b.content.Areas {
		a := &b.content.Areas[i]
		if fixed, ok := b.fixed[i]; ok {
			a.Point, a.Box, a.Population = fixed.Point, fixed.Box, fixed.Population
			continue
		}
		a.Population = b.people[i].population
		a.Point, a.Box = b.people[i].centre(), b.people[i].box
		if a.Level == packed.Country {
			b.outlined(i)
		}
	}
}

// outlined moves a country from where its people live to the middle of its
// largest piece of land.
func (b *builder) outlined(country int) {
	a := &b.content.Areas[country]
	largest, box := -1.0, emptyBox
	var around []geo.Point
	for _, ring := range b.drawn(a.Code) {
		if at, size := centre(ring); size > largest {
			largest, around, a.Point = size, ring, at
		}
		for _, p := range ring {
			box = extend(box, geo.Point{Lat: p.Lat, Lon: onGlobe(p.Lon)})
		}
	}
	if around == nil {
		return
	}
	a.Box = box
	if seat, ok := b.capital[country]; ok && !contains(around, a.Point) {
		a.Point = seat // the middle of a crescent lies elsewhere
	}
	a.Point.Lon = onGlobe(a.Point.Lon)
}

// drawn are the outlines of a country on land, or with the sea around it where
// the map has left it out for its size.
func (b *builder) drawn(code string) [][]geo.Point {
	var rings [][]geo.Point
	for _, pieces := range [][]polygon{b.land, b.borders} {
		for _, p := range pieces {
			if p.country == code {
				rings = append(rings, p.rings...)
			}
		}
		if len(rings) > 0 {
			return rings
		}
	}
	return nil
}

// overseas gives pieces of land to the country that all places on them belong
// to. Natural Earth counts French Guiana as France and Svalbard as Norway, where
// ISO 3166-1, and GeoNames with it, has codes for them.
func (b *builder) overseas(pieces []polygon) {
	byLat := slices.Clone(b.content.Places)
	slices.SortFunc(byLat, func(x, y packed.Place) int { return cmp.Compare(x.Point.Lat, y.Point.Lat) })
	for n := range pieces {
		land := &pieces[n]
		south, north := 90.0, -90.0
		for _, p := range land.rings[0] {
			south, north = min(south, p.Lat), max(north, p.Lat)
		}
		from, _ := slices.BinarySearchFunc(byLat, south, func(p packed.Place, lat float64) int {
			return cmp.Compare(p.Point.Lat, lat)
		})
		residents := map[string]int{}
		for _, p := range byLat[from:] {
			if p.Point.Lat > north {
				break
			}
			// Home is most likely the country that the map says: once one
			// place is found there, the others need not be looked at.
			if contains(land.rings[0], p.Point) {
				residents[b.content.Areas[p.Area].Code]++
			}
			if residents[land.country] > 0 {
				break
			}
		}
		if residents[land.country] == 0 && len(residents) == 1 {
			for code := range residents {
				land.country = code
			}
		}
	}
}

func (b *builder) rings() {
	for _, p := range b.borders {
		for _, ring := range p.rings {
			b.content.Rings = append(b.content.Rings, packed.Ring{Country: b.area[p.country], Points: ring})
		}
	}
	for _, p := range b.land {
		for _, ring := range p.rings {
			b.content.Rings = append(b.content.Rings, packed.Ring{Country: packed.NoArea, Points: ring})
		}
	}
	slices.SortStableFunc(b.content.Rings, func(x, y packed.Ring) int { return cmp.Compare(x.Country, y.Country) })
}

// middle finds where the people of an area live.
type middle struct {
	population int64
	sum        [3]float64 // positions on the unit sphere, weighted
	box        packed.Box
}

var emptyBox = packed.Box{South: 90, North: -90, West: 180, East: -180}

func extend(box packed.Box, p geo.Point) packed.Box {
	return packed.Box{
		South: min(box.South, p.Lat), North: max(box.North, p.Lat),
		West: min(box.West, p.Lon), East: max(box.East, p.Lon),
	}
}

func (m *middle) add(p packed.Place) {
	m.box = extend(m.box, p.Point)
	if p.Feature == packed.PPLX {
		return // its people are counted in the town that it is part of
	}
	m.population += p.Population
	weight := float64(p.Population + 1)
	sinLat, cosLat := math.Sincos(p.Point.Lat * math.Pi / 180)
	sinLon, cosLon := math.Sincos(p.Point.Lon * math.Pi / 180)
	for i, v := range [3]float64{cosLat * cosLon, cosLat * sinLon, sinLat} {
		m.sum[i] += weight * v
	}
}

func (m *middle) centre() geo.Point {
	if m.sum == ([3]float64{}) {
		return geo.Point{Lat: (m.box.South + m.box.North) / 2, Lon: (m.box.West + m.box.East) / 2}
	}
	return geo.Point{
		Lat: math.Atan2(m.sum[2], math.Hypot(m.sum[0], m.sum[1])) * 180 / math.Pi,
		Lon: math.Atan2(m.sum[1], m.sum[0]) * 180 / math.Pi,
	}
}
