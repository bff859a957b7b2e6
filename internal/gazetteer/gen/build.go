package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"geogate/internal/gazetteer/fold"
	"geogate/internal/gazetteer/packed"
	"geogate/internal/geo"
)

// takenOn is when the places were taken from GeoNames: the release date of the
// package that they come from is only known to the month.
var takenOn = time.Date(2023, time.March, 1, 0, 0, 0, 0, time.UTC)

// builder gathers the content of the packed file.
type builder struct {
	content packed.Content
	area    map[string]int // by its code: "li", "LI.11", "LI.11.7001"
	land    []polygon
	people  []middle // per area
	capital map[int]geo.Point
}

// build packs the raw files of a directory.
func build(dir string) ([]byte, error) {
	b := builder{
		content: packed.Content{Date: takenOn, Names: map[string][]packed.Posting{}},
		area:    map[string]int{},
		capital: map[int]geo.Point{},
	}
	file, err := unzip(filepath.Join(dir, "countries-50m.json.gz"))
	if err != nil {
		return nil, err
	}
	if b.land, err = outlines(file); err != nil {
		return nil, err
	}
	rows, err := table(filepath.Join(dir, "cities500.min.tsv.gz"), 10)
	if err != nil {
		return nil, err
	}
	steps := []func() error{
		func() error { return b.countries(dir, rows) },
		func() error { return b.divisions(dir, rows) },
		func() error { return b.places(rows) },
		func() error { return b.aliases(dir) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	b.overseas()
	b.rings()
	b.placeAreas()
	return packed.Write(b.content)
}

// countries adds the countries whose position is known, with their names in
// the languages of the raw file and in those of CLDR.
func (b *builder) countries(dir string, places [][]string) error {
	rows, err := table(filepath.Join(dir, "countries.tsv.gz"), 2)
	if err != nil {
		return err
	}
	located := map[string]bool{}
	for _, row := range places {
		located[lower(row[6])] = true
	}
	for _, p := range b.land {
		located[p.country] = true
	}
	english := display.English.Regions()
	var localized []display.Namer
	for _, tag := range display.Supported.Tags() {
		if names := display.Regions(tag); names != nil {
			localized = append(localized, names)
		}
	}
	for _, row := range rows {
		code := row[0]
		if !located[code] {
			continue
		}
		region, err := language.ParseRegion(code)
		if err != nil {
			return fmt.Errorf("country %q: %w", code, err)
		}
		names := strings.Split(row[1], "|")
		shown := english.Name(region)
		i := b.addArea(code, packed.Area{Name: shown, Level: packed.Country, Code: code, Parent: packed.NoArea})
		b.addName(shown, i, packed.Main)
		b.addName(names[0], i, packed.Main) // the first is English
		for _, name := range names[1:] {
			b.addName(name, i, packed.Alternate)
		}
		for _, l := range localized {
			b.addName(l.Name(region), i, packed.Alternate)
		}
		b.addName(code, i, packed.Code)
	}
	return nil
}

// divisions adds the states, then the counties, that have a name and at least
// one place.
func (b *builder) divisions(dir string, places [][]string) error {
	inhabited := map[string]bool{}
	for _, row := range places {
		inhabited[row[6]+"."+row[7]] = true
		inhabited[row[6]+"."+row[7]+"."+row[8]] = true
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

func (b *builder) places(rows [][]string) error {
	for n, row := range rows {
		p, keep, err := b.place(row)
		if err != nil {
			return fmt.Errorf("cities, line %d: %w", n+1, err)
		}
		if !keep {
			continue
		}
		ref := len(b.content.Areas) + len(b.content.Places)
		b.content.Places = append(b.content.Places, p)
		b.addName(p.Name, ref, packed.Main)
		for alternate := range strings.SplitSeq(row[2], ",") {
			b.addName(alternate, ref, packed.Alternate)
		}
		if p.Feature == packed.PPLC {
			b.capital[b.area[lower(row[6])]] = p.Point
		}
		for i := p.Area; i != packed.NoArea; i = b.content.Areas[i].Parent {
			b.people[i].add(p)
		}
	}
	return nil
}

// place reads a row: geonameid, name, alternate names, lat, lon, feature,
// country, admin1, admin2, population.
func (b *builder) place(row []string) (p packed.Place, keep bool, err error) {
	id, idErr := strconv.ParseInt(row[0], 10, 64)
	lat, latErr := geo.ParseDegrees(row[3])
	lon, lonErr := geo.ParseDegrees(row[4])
	population, populationErr := strconv.ParseInt(row[9], 10, 64)
	if err := errors.Join(idErr, latErr, lonErr, populationErr); err != nil {
		return p, false, err
	}
	feature, keep := packed.ParseFeature(row[5])
	if row[5] == "" {
		feature, keep = packed.PPL, true
	}
	if !keep || fold.Key(row[1]) == "" {
		return p, false, nil // gone, or without a name to find it by
	}
	area, ok := b.area[row[6]+"."+row[7]+"."+row[8]]
	if !ok {
		area, ok = b.area[row[6]+"."+row[7]]
	}
	if !ok {
		area, ok = b.area[lower(row[6])]
	}
	if !ok {
		return p, false, fmt.Errorf("unknown country %q", row[6])
	}
	return packed.Place{
		ID: id, Name: row[1], Point: geo.Point{Lat: lat, Lon: lon},
		Population: population, Feature: feature, Area: area,
	}, true, nil
}

// aliases adds the names that the other files lack: the code of an area, then
// what it is called, separated by |. A name without lower-case letters is a
// code.
func (b *builder) aliases(dir string) error {
	file, err := os.ReadFile(filepath.Join(dir, "aliases.tsv"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(file)) {
		code, names, _ := strings.Cut(strings.TrimSpace(line), "\t")
		i, ok := b.area[code]
		if !ok {
			return fmt.Errorf("aliases.tsv: unknown area %q", code)
		}
		for name := range strings.SplitSeq(names, "|") {
			kind := packed.Alternate
			if name == strings.ToUpper(name) {
				kind = packed.Code
			}
			b.addName(name, i, kind)
		}
	}
	return nil
}

func (b *builder) addArea(code string, a packed.Area) int {
	i := len(b.content.Areas)
	b.area[code] = i
	b.content.Areas = append(b.content.Areas, a)
	b.people = append(b.people, middle{box: emptyBox})
	return i
}

func (b *builder) addName(name string, ref int, kind packed.Kind) {
	if key := fold.Key(name); key != "" {
		b.content.Names[key] = append(b.content.Names[key], packed.Posting{Ref: ref, Kind: kind})
	}
}

func lower(code string) string { return strings.ToLower(code) }
