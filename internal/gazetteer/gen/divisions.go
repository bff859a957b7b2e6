package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"geogate/internal/gazetteer/fold"
	"geogate/internal/gazetteer/packed"
)

// Columns of the places.
const (
	colID = iota
	colName
	colAlternates
	colLat
	colLon
	colFeature
	colCountry
	colState
	colCounty
	colPopulation
)

// sameSpot is how far apart, in degrees of latitude or longitude, two records
// of one place may lie.
const sameSpot = 0.05

// current is a place as GeoNames has it on the date of the names of divisions.
type current struct {
	name, country, state, county string
	lat, lon                     float64
}

// moveDivisions gives the places the divisions of the date from which the names
// of the divisions are. GeoNames reuses the codes of divisions, so codes and
// names of two dates must not be mixed: in 2023 the code VN.66 was one province,
// later another.
//
// A place that both sources know takes its codes from the later one. Another
// place, mostly of fewer than 1,000 people, goes where the places went that had
// its old codes: the nearest of them decides. Where there is none the codes stay.
func moveDivisions(rows [][]string, now []current) error {
	byName := map[string][]current{}
	for _, c := range now {
		key := c.country + fold.Key(c.name)
		byName[key] = append(byName[key], c)
	}
	moved := map[string][]current{} // by old codes: with their new ones
	var left [][]string
	for _, row := range rows {
		lat, lon, err := position(row[colLat], row[colLon])
		if err != nil {
			return err
		}
		c, ok := closest(byName[row[colCountry]+fold.Key(row[colName])], lat, lon, sameSpot)
		if !ok {
			left = append(left, row)
			continue
		}
		for _, old := range oldCodes(row) {
			moved[old] = append(moved[old], c)
		}
		row[colState], row[colCounty] = c.state, c.county
	}
	for _, row := range left {
		lat, lon, err := position(row[colLat], row[colLon])
		if err != nil {
			return err
		}
		for _, old := range oldCodes(row) {
			if c, ok := closest(moved[old], lat, lon, math.Inf(1)); ok {
				row[colState], row[colCounty] = c.state, c.county
				break
			}
		}
	}
	return nil
}

// oldCodes are the codes that a place's row has, from the smallest division.
// The county's comes first only where there is one.
func oldCodes(row []string) []string {
	state := row[colCountry] + "." + row[colState]
	if row[colCounty] == "" {
		return []string{state}
	}
	return []string{state + "." + row[colCounty], state}
}

// closest is the nearest of some places, if it is no further than limit degrees.
func closest(all []current, lat, lon, limit float64) (nearest current, ok bool) {
	squeeze := math.Cos(lat * math.Pi / 180)
	least := math.Inf(1)
	for _, c := range all {
		if math.Abs(c.lat-lat) > limit || math.Abs(c.lon-lon) > limit {
			continue
		}
		if d := math.Hypot(c.lat-lat, (c.lon-lon)*squeeze); d < least {
			nearest, least, ok = c, d, true
		}
	}
	return nearest, ok
}

func position(lat, lon string) (float64, float64, error) {
	y, err := strconv.ParseFloat(lat, 64)
	if err != nil {
		return 0, 0, err
	}
	x, err := strconv.ParseFloat(lon, 64)
	return y, x, err
}

// currentPlaces reads the places of the later date.
func currentPlaces(dir string) ([]current, error) {
	rows, err := table(filepath.Join(dir, "cities1000.tsv.gz"), 6)
	if err != nil {
		return nil, err
	}
	all := make([]current, len(rows))
	for i, row := range rows {
		c := current{name: row[0], country: row[3], state: row[4], county: row[5]}
		if c.lat, c.lon, err = position(row[1], row[2]); err != nil {
			return nil, fmt.Errorf("cities1000, line %d: %w", i+1, err)
		}
		all[i] = c
	}
	return all, nil
}

// divisions adds the states, then the counties, that have a name and at least
// one place.
func (b *builder) divisions(dir string, places [][]string) error {
	inhabited := map[string]bool{}
	for _, row := range places {
		state := row[colCountry] + "." + row[colState]
		inhabited[state] = true
		inhabited[state+"."+row[colCounty]] = true
	}
	for _, f := range []struct {
		file  string
		level packed.Level
	}{{"admin1.tsv.gz", packed.State}, {"admin2.tsv.gz", packed.County}} {
		rows, err := table(filepath.Join(dir, f.file), 2)
		if err != nil {
			return err
		}
		slices.SortFunc(rows, func(x, y []string) int { return strings.Compare(x[0], y[0]) })
		for _, row := range rows {
			code, name := row[0], strings.Join(strings.Fields(row[1]), " ")
			country := lower(code[:2])
			parent, ok := b.area[code[:strings.LastIndexByte(code, '.')]]
			if !ok {
				parent, ok = b.area[country]
			}
			if !ok || !inhabited[code] || fold.Key(name) == "" {
				continue
			}
			i := b.addArea(code, packed.Area{Name: name, Level: f.level, Code: country, Parent: parent})
			b.addName(name, i, packed.Main)
			// Codes of letters, such as IL, are what people write; numbers are not.
			if short := code[3:]; f.level == packed.State && strings.Trim(short, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
				b.addName(short, i, packed.Code)
			}
		}
	}
	return nil
}
