package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"geogate/internal/gazetteer/fold"
	"geogate/internal/gazetteer/packed"
	"geogate/internal/gazetteer/prominence"
	"geogate/internal/geo"
)

// takenOn is when the places were taken from GeoNames: the release date of the
// package that they come from is only known to the month. What they lie in is of
// a later date, see moveDivisions.
var takenOn = time.Date(2023, time.March, 1, 0, 0, 0, 0, time.UTC)

// builder gathers the content of the packed file.
type builder struct {
	content packed.Content
	area    map[string]int // by its code: "li", "LI.11", "LI.11.7001"
	land    []polygon      // drawn for 1:50 million: where the middle of a country is
	borders []polygon      // exact where people live: what lies in a country
	people  []middle       // per area
	capital map[int]geo.Point
	fixed   map[int]packed.Area // position, box and people of areas that have no places
}

// build packs the raw files of a directory.
func build(dir string) (places, prefixes []byte, err error) {
	content, err := gather(dir)
	if err != nil {
		return nil, nil, err
	}
	if places, err = packed.Write(content); err != nil {
		return nil, nil, err
	}
	file, err := packed.Open(places)
	if err != nil {
		return nil, nil, err
	}
	prefixes, err = packed.WritePrefixes(file,
		func(p packed.Posting) float64 { return prominence.Of(file, p) },
		func(place int) string { return fold.Key(file.Place(place).Name) })
	return places, prefixes, err
}

// gather reads the raw files of a directory.
func gather(dir string) (packed.Content, error) {
	b := builder{
		content: packed.Content{Date: takenOn, Names: map[string][]packed.Posting{}},
		area:    map[string]int{},
		capital: map[int]geo.Point{},
		fixed:   map[int]packed.Area{},
	}
	file, err := unzip(filepath.Join(dir, "countries-50m.json.gz"))
	if err != nil {
		return packed.Content{}, err
	}
	if b.land, err = outlines(file); err != nil {
		return packed.Content{}, err
	}
	rows, err := table(filepath.Join(dir, "cities500.min.tsv.gz"), 10)
	if err != nil {
		return packed.Content{}, err
	}
	now, err := currentPlaces(dir)
	if err != nil {
		return packed.Content{}, err
	}
	if err := moveDivisions(rows, now); err != nil {
		return packed.Content{}, err
	}
	steps := []func() error{
		func() error { return b.countries(dir, rows) },
		func() error { return b.readBorders(dir) },
		func() error { return b.divisions(dir, rows) },
		func() error { return b.extra(dir) },
		func() error { return b.places(rows) },
		func() error { return b.aliases(dir) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return packed.Content{}, err
		}
	}
	b.overseas(b.land)
	b.overseas(b.borders)
	b.markAbroad()
	b.rings()
	b.placeAreas()
	return b.content, nil
}

func (b *builder) readBorders(dir string) error {
	file, err := unzip(filepath.Join(dir, "borders.json.gz"))
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for code := range b.area {
		known[code] = true
	}
	b.borders, err = borders(file, known)
	return err
}

// renamed are the countries whose name changed after the version of CLDR that
// comes with golang.org/x/text, with the name that ISO 3166-1 gives them now.
var renamed = map[string]string{"mk": "North Macedonia", "sz": "Eswatini"}

// countries adds the countries whose position is known, with their names in
// the languages of the raw file and in those of CLDR.
func (b *builder) countries(dir string, places [][]string) error {
	rows, err := table(filepath.Join(dir, "countries.tsv.gz"), 2)
	if err != nil {
		return err
	}
	located := map[string]bool{}
	for _, row := range places {
		located[lower(row[colCountry])] = true
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
		shown := cmp.Or(renamed[code], english.Name(region))
		i := b.addArea(code, packed.Area{Name: shown, Level: packed.Country, Code: code, Parent: packed.NoArea})
		b.addName(shown, i, packed.Main)
		b.addName(english.Name(region), i, packed.Near)
		b.addName(names[0], i, packed.Near) // the first is English, and outdated for some
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
		for alternate := range strings.SplitSeq(row[colAlternates], ",") {
			b.addName(alternate, ref, nameKind(p.Name, alternate))
		}
		if p.Feature == packed.PPLC {
			b.capital[b.area[lower(row[colCountry])]] = p.Point
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
	id, idErr := strconv.ParseInt(row[colID], 10, 64)
	lat, latErr := geo.ParseDegrees(row[colLat])
	lon, lonErr := geo.ParseDegrees(row[colLon])
	population, populationErr := strconv.ParseInt(row[colPopulation], 10, 64)
	if err := errors.Join(idErr, latErr, lonErr, populationErr); err != nil {
		return p, false, err
	}
	feature, keep := packed.ParseFeature(row[colFeature])
	if row[colFeature] == "" {
		feature, keep = packed.PPL, true
	}
	if !keep || fold.Key(row[colName]) == "" {
		return p, false, nil // gone, or without a name to find it by
	}
	area, ok := b.area[row[colCountry]+"."+row[colState]+"."+row[colCounty]]
	if !ok {
		area, ok = b.area[row[colCountry]+"."+row[colState]]
	}
	if !ok {
		area, ok = b.area[lower(row[colCountry])]
	}
	if !ok {
		return p, false, fmt.Errorf("unknown country %q", row[colCountry])
	}
	return packed.Place{
		ID: id, Name: row[colName], Point: geo.Point{Lat: lat, Lon: lon},
		Population: population, Feature: feature, Area: area,
		OtherNames: strings.Count(row[colAlternates], ","),
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
