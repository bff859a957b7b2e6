package geocoding

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"geogate/internal/gazetteer/fold"
	"geogate/internal/geo"
)

// sameMetres is how far apart two places of one name may be and still be one place:
// geocoders put the middle of a town where they like.
const sameMetres = 5000

// builtIn is the name of the built-in places in answers.
const builtIn = "gazetteer"

// A suggested place, as clients get it.
type suggested struct {
	Text        string `json:"text"` // for the field in which it is typed
	DisplayName string `json:"display_name"`
	Lat         string `json:"lat"`
	Lon         string `json:"lon"`
	Type        string `json:"type"`
	CountryCode string `json:"country_code"`

	source, licence string
	name            string // folded
	point           geo.Point
}

// readSuggestions reads an answer in Nominatim's format json.
func readSuggestions(body []byte, source string) []suggested {
	var list []suggested
	gjson.ParseBytes(body).ForEach(func(_, place gjson.Result) bool {
		s := suggested{source: source}
		place.ForEach(func(name, value gjson.Result) bool {
			switch name.Str {
			case "name":
				s.Text = value.Str
			case "display_name":
				s.DisplayName = value.Str
			case "lat":
				s.Lat = value.Str
			case "lon":
				s.Lon = value.Str
			case "type":
				s.Type = value.Str
			case "licence":
				s.licence = value.Str
			case "address":
				s.CountryCode = value.Get("country_code").Str
			}
			return true
		})
		if s.Text == "" { // a house: its number alone says little
			s.Text = s.DisplayName
		}
		s.name = fold.Key(s.Text)
		s.point.Lat, _ = strconv.ParseFloat(s.Lat, 64)
		s.point.Lon, _ = strconv.ParseFloat(s.Lon, 64)
		list = append(list, s)
		return true
	})
	return list
}

// mergeSuggestions takes the first of each list, then the second of each, and so
// on: the lists are ranked, but not by one measure. What was taken before is left
// out.
func mergeSuggestions(lists [][]suggested, limit int) []suggested {
	chosen := make([]suggested, 0, limit)
	for rank, more := 0, true; more; rank++ {
		more = false
		for _, list := range lists {
			if rank >= len(list) {
				continue
			}
			more = true
			s := list[rank]
			if len(chosen) < limit && !slices.ContainsFunc(chosen, s.isSame) {
				chosen = append(chosen, s)
			}
		}
	}
	return chosen
}

func (s suggested) isSame(other suggested) bool {
	return s.name == other.name && geo.Distance(s.point, other.point) <= sameMetres
}

// writeSuggestions writes an answer without what the cache did.
func writeSuggestions(list []suggested) []byte {
	var sources, licences []string // of the places themselves, the built-in ones if there is none
	for _, s := range list {
		if !slices.Contains(sources, s.source) {
			sources = append(sources, s.source)
		}
		if s.licence != "" && !slices.Contains(licences, s.licence) {
			licences = append(licences, s.licence)
		}
	}
	if len(list) == 0 {
		sources = append(sources, builtIn)
	}
	text, err := json.Marshal(struct {
		Source      string      `json:"source"`
		Licence     string      `json:"licence,omitempty"`
		Suggestions []suggested `json:"suggestions"`
	}{strings.Join(sources, ","), strings.Join(licences, " "), list})
	if err != nil {
		panic("geocoding: strings that JSON cannot hold: " + err.Error()) // every string can be encoded
	}
	return text
}
