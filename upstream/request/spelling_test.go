package request

import (
	"slices"
	"strings"
	"testing"
)

// Spellings that Nominatim answers alike, byte for byte, share a key. See
// docs/adr/0081-one-key-for-one-answer.md for where its sources say so.
func TestSpellingsOfOneQuestionShareAKey(t *testing.T) {
	tests := []struct {
		name string
		ep   Endpoint
		raw  []string
	}{
		{"fields of a structured search", Search, []string{
			"street=Zollstrasse+82&city=Schaan", "street=++ZOLLSTRASSE++82+&city=schaan%09", "city=SCHAAN&street=zollstrasse+82&state="}},
		{"fields in NFC", Search, []string{"city=Zu%CC%88rich", "city=Z%C3%BCrich", "city=Z%C3%9CRICH"}},
		{"bounded without viewbox", Search, []string{"q=x", "q=x&bounded=1", "q=x&bounded=1&viewbox=", "q=x&bounded=yes&viewboxlbrt="}},
		{"bounded without viewbox in a structured search", Search, []string{"city=x", "city=x&bounded=1"}},
		{"threshold without outline", Search, []string{"q=x", "q=x&polygon_threshold=0.01", "q=x&polygon_threshold=1e-3&polygon_text=0"}},
		{"threshold without outline of reverse", Reverse, []string{"lat=1&lon=2&format=json", "lat=1&lon=2&format=json&polygon_threshold=0.5"}},
		{"threshold with an outline that GeoJSON ignores", Search, []string{
			"q=x&format=geojson&polygon_kml=1", "q=x&format=geojson&polygon_kml=1&polygon_threshold=0.5"}},
		{"threshold below nought", Search, []string{"q=x&polygon_geojson=1", "q=x&polygon_geojson=1&polygon_threshold=-1"}},
		{"OSM objects", Lookup, []string{"osm_ids=N123,W5,R7", "osm_ids=n123,w5,r7", "osm_ids=+N123+,W5,,R7,", "osm_ids=N0123,w05,R7", "osm_ids=N123,X9,W5,R,R7,7"}},
		{"no OSM object", Lookup, []string{"", "osm_ids=", "osm_ids=X1,,R"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var keys []string
			for _, raw := range tt.raw {
				keys = append(keys, canon(t, tt.ep, raw, ""))
			}
			if distinct := slices.Compact(slices.Sorted(slices.Values(keys))); len(distinct) != 1 {
				t.Errorf("%d keys for one question:\n%s", len(distinct), strings.Join(distinct, "\n"))
			}
		})
	}
}

// Where an answer may differ in a single byte, so do the keys.
func TestSpellingsThatMatterKeepTheirKeys(t *testing.T) {
	tests := []struct {
		name string
		ep   Endpoint
		raw  []string
	}{
		{"fields that xml repeats", Search, []string{"city=Vaduz&format=xml", "city=vaduz&format=xml", "city=+vaduz&format=xml"}},
		{"fields that geocodejson repeats", Search, []string{"city=Vaduz&format=geocodejson", "city=vaduz&format=geocodejson"}},
		{"a field of white space", Search, []string{"city=x", "city=x&street=+", "city=x&street=+&amenity=%09"}},
		{"fields with commas", Search, []string{"city=a,b", "city=ab", "city=a,b,"}},
		{"bounded with a viewbox", Search, []string{"q=x&viewbox=1,2,3,4", "q=x&viewbox=1,2,3,4&bounded=1", "q=x"}},
		{"bounded that xml repeats", Search, []string{"q=x&format=xml", "q=x&format=xml&bounded=1"}},
		{"threshold with an outline", Search, []string{"q=x&polygon_svg=1", "q=x&polygon_svg=1&polygon_threshold=0.1", "q=x"}},
		{"threshold that xml repeats", Search, []string{"q=x&format=xml", "q=x&format=xml&polygon_threshold=0.1"}},
		{"threshold that is none", Search, []string{"q=x", "q=x&polygon_threshold=a"}},
		{"order of OSM objects", Lookup, []string{"osm_ids=N1,W2", "osm_ids=W2,N1"}},
		{"an OSM object twice", Lookup, []string{"osm_ids=N1", "osm_ids=N1,N1", "osm_ids=N1,N1,N1"}},
		{"types of OSM objects", Lookup, []string{"osm_ids=N1", "osm_ids=W1", "osm_ids=R1"}},
		{"digits of another script", Lookup, []string{"osm_ids=N1", "osm_ids=N%D9%A1"}},
		{"too many OSM objects", Lookup, []string{
			"osm_ids=" + strings.Repeat("N1,", 51), "osm_ids=" + strings.Repeat("n1,", 51), "osm_ids=" + strings.Repeat("N1,", 50)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys := map[string]string{}
			for _, raw := range tt.raw {
				key := canon(t, tt.ep, raw, "")
				if other, taken := keys[key]; taken {
					t.Errorf("%q and %q share the key %q", other, raw, key)
				}
				keys[key] = raw
			}
		})
	}
}
