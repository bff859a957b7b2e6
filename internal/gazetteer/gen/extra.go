package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"geogate/internal/gazetteer/packed"
	"geogate/internal/geo"
)

var extraLevels = map[string]packed.Level{
	"island": packed.Island, "region": packed.Region, "quarter": packed.Quarter,
}

// extra adds the islands, landscapes and quarters that GeoNames' list of
// populated places lacks: kind, name, other names separated by |, the area that
// it lies in, latitude, longitude, half the side of its box in degrees, people.
func (b *builder) extra(dir string) error {
	file, err := os.ReadFile(filepath.Join(dir, "extra.tsv"))
	if err != nil {
		return err
	}
	n := 0
	for line := range strings.Lines(string(file)) {
		n++
		if err := b.extraArea(strings.Split(strings.TrimRight(line, "\r\n"), "\t")); err != nil {
			return fmt.Errorf("extra.tsv, line %d: %w", n, err)
		}
	}
	return nil
}

func (b *builder) extraArea(row []string) error {
	if len(row) != 8 {
		return fmt.Errorf("%d columns, want 8", len(row))
	}
	level, ok := extraLevels[row[0]]
	if !ok {
		return fmt.Errorf("unknown kind %q", row[0])
	}
	parent, ok := b.area[row[3]]
	if !ok {
		return fmt.Errorf("unknown area %q", row[3])
	}
	lat, latErr := geo.ParseDegrees(row[4])
	lon, lonErr := geo.ParseDegrees(row[5])
	half, halfErr := strconv.ParseFloat(row[6], 64)
	people, peopleErr := strconv.ParseInt(row[7], 10, 64)
	if err := errors.Join(latErr, lonErr, halfErr, peopleErr); err != nil {
		return err
	}
	a := packed.Area{Name: row[1], Level: level, Code: b.content.Areas[parent].Code, Parent: parent}
	i := b.addArea(row[3]+"/"+row[1], a)
	b.fixed[i] = packed.Area{
		Point: geo.Point{Lat: lat, Lon: lon}, Population: people,
		Box: packed.Box{South: max(-90, lat-half), North: min(90, lat+half), West: max(-180, lon-half), East: min(180, lon+half)},
	}
	b.addName(row[1], i, packed.Main)
	for name := range strings.SplitSeq(row[2], "|") {
		b.addName(name, i, packed.Near)
	}
	return nil
}
