package build

import (
	"slices"
	"strings"

	"geogate/internal/streets/pbf"
)

// mainKeys are the keys that make a point of interest of something with a
// name, in the order in which they give it its class.
var mainKeys = []string{
	"amenity", "shop", "information", "tourism", "leisure", "office", "historic", "craft", "healthcare", "emergency", "railway", "aeroway",
	"aerialway", "public_transport", "man_made", "military", "natural", "waterway", "mountain_pass", "bridge", "tunnel", "club",
	"landuse", "building",
}

// unnamed are the values of main keys that are no place of interest, or parts of one.
func worthless(key, value string) bool {
	switch key {
	case "railway":
		return value != "station" && value != "halt" && value != "tram_stop" && value != "subway_entrance"
	case "public_transport":
		return value != "station"
	case "waterway", "tunnel":
		return true
	default:
		return value == "no"
	}
}

// placeRanks has Nominatim's rank_search and rank_address of the values of place.
var placeRanks = map[string][2]uint8{
	"country": {4, 4}, "state": {8, 8}, "province": {8, 8}, "region": {18, 0}, "county": {12, 12}, "district": {12, 12},
	"municipality": {14, 14}, "city": {16, 16}, "town": {18, 16}, "borough": {18, 18}, "village": {19, 16}, "suburb": {19, 20},
	"hamlet": {20, 20}, "quarter": {20, 22}, "neighbourhood": {22, 24}, "isolated_dwelling": {22, 25}, "farm": {22, 25},
	"allotments": {22, 24}, "city_block": {25, 25}, "locality": {25, 0}, "square": {25, 25}, "island": {17, 0}, "islet": {20, 0},
}

// wantedKey tells whether a tag is kept.
func wantedKey(key string) bool {
	switch key {
	case "name", "alt_name", "official_name", "short_name", "old_name", "loc_name", "int_name", "reg_name", "nat_name", "brand", "ref",
		"highway", "area:highway", "place", "boundary", "admin_level", "type", "ISO3166-1", "ISO3166-1:alpha2", "ISO3166-2", "country_code_iso3166_1_alpha_2",
		"wikidata", "wikipedia", "population", "capital", "postal_code", "website", "phone", "opening_hours", "cuisine",
		"contact:website", "contact:phone", "wheelchair", "operator", "linked_place":
		return true
	}
	if strings.HasPrefix(key, "addr:") || strings.HasPrefix(key, "name:") || strings.HasPrefix(key, "alt_name:") {
		return true
	}
	return slices.Contains(mainKeys, key)
}

// nameKey tells whether a tag holds a name to search for.
func nameKey(key string) bool {
	switch key {
	case "name", "alt_name", "official_name", "short_name", "old_name", "loc_name", "int_name", "reg_name", "nat_name", "brand":
		return true
	}
	if lang, ok := strings.CutPrefix(key, "name:"); ok {
		return languageCode(lang)
	}
	lang, ok := strings.CutPrefix(key, "alt_name:")
	return ok && languageCode(lang)
}

// language tells name:de from name:etymology and name:left.
func languageCode(s string) bool {
	head, tail, dashed := strings.Cut(s, "-")
	if len(head) < 2 || len(head) > 3 || dashed && len(tail) > 8 {
		return false
	}
	for i := range len(head) {
		if head[i] < 'a' || head[i] > 'z' {
			return false
		}
	}
	return true
}

// extraKey tells whether a tag is shown by extratags=1.
func extraKey(key string) bool {
	switch key {
	case "wikidata", "wikipedia", "population", "capital", "website", "phone", "opening_hours", "cuisine", "contact:website",
		"contact:phone", "wheelchair", "operator", "linked_place":
		return true
	default:
		return false
	}
}

// roles are what an element can become.
type roles struct {
	boundary, place, street, house, poi, interpolation bool
}

func rolesOf(osmType byte, tags []pbf.Tag) (r roles) {
	var named, admin, main, street, number, notStreet bool
	for _, t := range tags {
		switch t.Key {
		case "name":
			named = true
		case "boundary":
			admin = t.Value == "administrative"
		case "place":
			_, r.place = placeRanks[t.Value]
		case "highway":
			street = osmType == 'W' && t.Value != "" && roadType(t.Value)
			main = main || !street && (t.Value == "bus_stop" || t.Value == "rest_area" || t.Value == "services")
		case "area:highway":
			notStreet = true
		case "addr:housenumber":
			number = true
		case "addr:interpolation":
			r.interpolation = osmType == 'W'
		default:
			for _, k := range mainKeys {
				if k == t.Key && !worthless(k, t.Value) {
					main = true
				}
			}
		}
	}
	r.boundary = osmType == 'R' && admin && named
	r.place = r.place && named && !r.boundary
	r.street = street && named && !notStreet
	r.house = number && !r.interpolation
	r.poi = named && main && !r.place && !r.boundary && !r.street
	return r
}

func (r roles) any() bool {
	return r.boundary || r.place || r.street || r.house || r.poi || r.interpolation
}

func roadType(v string) bool {
	switch v {
	case "bus_stop", "platform", "elevator", "crossing", "street_lamp", "proposed", "construction", "rest_area", "services", "abandoned",
		"razed", "emergency_bay", "corridor", "traffic_signals", "give_way", "stop", "turning_circle":
		return false
	default:
		return true
	}
}

// class is the key and value that Nominatim shows for something.
func class(tags []pbf.Tag, r roles) (key, value string) {
	get := func(key string) string { return valueOf(tags, key) }
	switch {
	case r.boundary:
		return "boundary", "administrative"
	case r.place:
		return "place", get("place")
	case r.street:
		return "highway", get("highway")
	}
	if v := get("highway"); v != "" && get("name") != "" {
		return "highway", v
	}
	for _, k := range mainKeys {
		// What has an address need not have a name, but a use of land is none.
		named := get("name") != "" || k == "building" || r.house && k != "landuse"
		if v := get(k); v != "" && !worthless(k, v) && named {
			return k, v
		}
	}
	if get("addr:interpolation") != "" {
		return "place", "houses"
	}
	return "place", "house"
}

func valueOf(tags []pbf.Tag, key string) string {
	for _, t := range tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}
