package main

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"geogate/internal/streets/pbf"
	"geogate/internal/streets/recall"
)

// perSet is how many questions of each kind are made of an extract.
const perSet = 1000

// sample makes questions of what an extract holds, spread over all of it: addresses
// and points of interest with their town, streets without one, and positions. They
// have no truth: only their times are measured.
func sample(path string) ([]recall.Question, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("sample %s: %w", path, err)
	}
	defer file.Close()
	var texts, structured, positions []url.Values
	element := func(list []pbf.Tag, way bool) {
		tags := map[string]string{}
		for _, t := range list {
			tags[t.Key] = t.Value
		}
		switch street, number, name, town := tags["addr:street"], tags["addr:housenumber"], tags["name"], tags["addr:city"]; {
		case street != "" && number != "":
			texts = append(texts, free(number+" "+street, town))
			structured = append(structured, url.Values{"street": {strings.Clone(number + " " + street)}, "city": {strings.Clone(town)}})
		case name != "" && (tags["amenity"] != "" || tags["shop"] != "" || tags["tourism"] != "" || way && tags["highway"] != ""):
			texts = append(texts, free(name, town))
		}
	}
	_, err = pbf.Read(file, pbf.Visitor{
		Node: func(n *pbf.Node) {
			element(n.Tags, false)
			if n.ID%97 == 0 {
				positions = append(positions, url.Values{"lat": {degrees(n.Lat)}, "lon": {degrees(n.Lon)}})
			}
		},
		Way: func(w *pbf.Way) { element(w.Tags, true) },
	})
	if err != nil {
		return nil, fmt.Errorf("sample %s: %w", path, err)
	}
	return slices.Concat(thin("exact", "/search", texts), thin("structured", "/search", structured), thin("reverse", "/reverse", positions)), nil
}

func free(text, town string) url.Values {
	if town != "" {
		text += ", " + town
	}
	return url.Values{"q": {strings.Clone(text)}}
}

func degrees(v int32) string { return strconv.FormatFloat(float64(v)*1e-7, 'f', 7, 64) }

// thin takes some of the questions, at equal distances.
func thin(set, path string, all []url.Values) (list []recall.Question) {
	for n := range min(perSet, len(all)) {
		params := all[n*len(all)/min(perSet, len(all))]
		params.Set("format", "jsonv2")
		list = append(list, recall.Question{Set: set, Request: path + "?" + params.Encode()})
	}
	return list
}
