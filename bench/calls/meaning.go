package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// meaning is what a request asks for, in words of the Nominatim documentation.
// It is written anew here, apart from geogate's own rules, because it judges
// them: the origin answers with it, and a client that is told another meaning
// than its own request has got a wrong answer.
func meaning(path string, query url.Values, header http.Header) string {
	value := func(name, byDefault string) string {
		if !query.Has(name) {
			return byDefault
		}
		return query.Get(name)
	}
	flag := func(name, byDefault string) string {
		if value(name, byDefault) == "0" {
			return "0"
		}
		return "1"
	}
	languages := cmp.Or(query.Get("accept-language"), header.Get("Accept-Language"))
	parts := []string{strings.TrimSuffix(path, ".php"), languagesOf(languages)}
	switch parts[0] {
	case "/search":
		text := strings.ToLower(norm.NFC.String(strings.Join(strings.Fields(query.Get("q")), " ")))
		countries := strings.Split(strings.ToLower(query.Get("countrycodes")), ",")
		slices.Sort(countries)
		parts = append(parts, value("format", "jsonv2"), text, value("limit", "10"), strings.Join(countries, ","),
			flag("addressdetails", "0"), flag("dedupe", "1"))
	case "/reverse":
		parts = append(parts, value("format", "xml"), degrees(query.Get("lat")), degrees(query.Get("lon")),
			value("zoom", "18"), flag("addressdetails", "1"))
	case "/lookup":
		parts = append(parts, value("format", "xml"), query.Get("osm_ids"), flag("addressdetails", "1"))
	}
	return strings.Join(parts, "|")
}

// degrees rounds to what stored positions have.
func degrees(s string) string {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	return strconv.FormatFloat(f, 'f', 7, 64)
}

// languagesOf orders a list of languages by weight.
func languagesOf(list string) string {
	type language struct {
		tag    string
		weight float64
	}
	var all []language
	for item := range strings.SplitSeq(list, ",") {
		tag, weight, found := strings.Cut(strings.TrimSpace(item), ";q=")
		l := language{tag, 1}
		if found {
			l.weight, _ = strconv.ParseFloat(weight, 64) // the mix has none that are malformed
		}
		if tag != "" && tag != "*" {
			all = append(all, l)
		}
	}
	slices.SortStableFunc(all, func(a, b language) int { return cmp.Compare(b.weight, a.weight) })
	var tags []string
	for _, l := range all {
		tags = append(tags, l.tag)
	}
	return strings.Join(tags, ",")
}

// answerFor is the body that the origin sends: of the endpoint's shape, with
// the meaning's hash where the name of a place stands.
func answerFor(meaning string) []byte {
	sum := sha256.Sum256([]byte(meaning))
	one := `{"place_id":1,"osm_type":"node","osm_id":1,"lat":"47.1","lon":"9.5","display_name":"` + hex.EncodeToString(sum[:]) + `"}`
	switch endpoint, _, _ := strings.Cut(meaning, "|"); endpoint {
	case "/status":
		return []byte(`{"status":0,"message":"OK"}`)
	case "/reverse":
		return []byte(one)
	}
	return []byte("[" + one + "]")
}
