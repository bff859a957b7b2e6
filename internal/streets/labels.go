package streets

import (
	"slices"
	"strings"

	"geogate/internal/streets/packed"
)

// adminLabels are Nominatim's words for boundaries by half their rank.
var adminLabels = [...]string{
	2: "country", 3: "region", 4: "state", 5: "state_district", 6: "county", 7: "municipality", 8: "city", 9: "city_district",
	10: "suburb", 11: "neighbourhood", 12: "city_block",
}

// placeRanks has Nominatim's rank of addresses of the values of place.
var placeRanks = map[string]int{
	"country": 4, "state": 8, "province": 8, "county": 12, "district": 12, "municipality": 14, "city": 16, "town": 16, "borough": 18,
	"village": 16, "suburb": 20, "hamlet": 20, "quarter": 22, "neighbourhood": 24, "isolated_dwelling": 25, "farm": 25,
	"allotments": 24, "city_block": 25, "square": 25, "locality": 25,
}

// extents are how far around a place without an outline Nominatim draws its
// box, in degrees.
var extents = map[string]float64{
	"country": 7, "state": 2.6, "province": 2.6, "region": 1, "county": 0.7, "city": 0.16, "municipality": 0.16, "island": 0.32,
	"postcode": 0.16, "town": 0.04, "village": 0.02, "suburb": 0.02, "district": 0.02, "borough": 0.02, "hamlet": 0.02,
}

const houseExtent = 0.00005

// label is what a doc is called in addresses, and its rank there.
func (s *Streets) label(o *packed.Object, d packed.Doc) (string, int) {
	switch d.Kind {
	case packed.PostCode:
		return "postcode", 5
	case packed.Street:
		return "road", 26
	case packed.POI:
		return s.file.String(o.Class), 30
	}
	if t := s.file.String(o.PlaceType); t != "" {
		rank := placeRanks[t]
		if o.Level != 0 {
			rank = 2 * int(o.Level)
		}
		return t, rank
	}
	if l := int(o.Level); l < len(adminLabels) && l >= 2 {
		return adminLabels[l], 2 * l
	}
	return "administrative", 2 * int(o.Level)
}

// Languages are the codes of the languages that a reader understands, best
// first. Nil is the language of the place.
type Languages []string

// name is the name to show, in the first language that has one.
func (s *Streets) name(tags []packed.Tag, l Languages) string {
	for _, lang := range l {
		base, _, _ := strings.Cut(lang, "-")
		for _, code := range [...]string{lang, base} {
			if i := s.tag(tags, "name:"+code); i >= 0 {
				return s.file.String(tags[i].Value)
			}
		}
	}
	for _, key := range [...]string{"name", "brand", "official_name", "short_name", "ref"} {
		if i := s.tag(tags, key); i >= 0 {
			return s.file.String(tags[i].Value)
		}
	}
	return ""
}

// tag is the index of the tag with a key, -1 for none.
func (s *Streets) tag(tags []packed.Tag, key string) int {
	return slices.IndexFunc(tags, func(t packed.Tag) bool { return s.file.Is(t.Key, key) })
}
