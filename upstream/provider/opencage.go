package provider

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"geogate/internal/geo"
	"geogate/internal/outbound"
	"geogate/internal/place"
	"geogate/upstream/request"
)

// openCage is the API of opencagedata.com/api (/geocode/v1/json). The key is
// the query of the URL in UPSTREAMS (?key=…). OpenCage must not keep what people
// look for: no_record.
var openCage = dialect{
	attribution: place.Attribution{Text: "© OpenStreetMap contributors and others, https://opencagedata.com/credits"},
	search: func(q *request.Question) (string, url.Values) {
		v := openCageShared(q)
		v.Set("q", q.Words())
		v.Set("limit", strconv.Itoa(q.Limit))
		if len(q.Countries) > 0 {
			v.Set("countrycode", strings.Join(q.Countries, ","))
		}
		if q.Viewbox != nil && q.Has(request.Bounded) {
			v.Set("bounds", request.FormatBox(*q.Viewbox))
		} else if q.Viewbox != nil {
			v.Set("proximity", openCagePoint(center(*q.Viewbox)))
		}
		return "/json", v
	},
	reverse: func(q *request.Question) (string, url.Values) {
		v := openCageShared(q)
		v.Set("q", openCagePoint(q.Point))
		v.Set("limit", "1")
		return "/json", v
	},
	read:    readOpenCage,
	anyZoom: true,
}

func openCageShared(q *request.Question) url.Values {
	v := url.Values{"no_annotations": {"1"}, "no_record": {"1"}, "language": {"native"}}
	if l := favourite(q); l != "" {
		v.Set("language", l)
	}
	return v
}

func openCagePoint(p geo.Point) string {
	return request.FormatLat(p.Lat) + "," + request.FormatLon(p.Lon)
}

// openCageLabels is the label of an address part by the type of a result; a
// type that is not part of addresses is a place in its own right.
var openCageLabels = map[string]string{
	"building": "house_number", "road": "road", "neighbourhood": "neighbourhood", "suburb": "suburb",
	"hamlet": "hamlet", "village": "village", "town": "town", "city": "city", "municipality": "municipality",
	"county": "county", "state_district": "state_district", "region": "region", "state": "state",
	"postcode": "postcode", "country": "country",
}

func readOpenCage(rep outbound.Reply) ([]place.Place, error) {
	type corner struct {
		Lat float64 `json:"lat"`
		Lng float64 `json:"lng"`
	}
	var top struct {
		Results []struct {
			Components map[string]any `json:"components"`
			Formatted  string         `json:"formatted"`
			Geometry   *corner        `json:"geometry"`
			Bounds     *struct {
				NorthEast corner `json:"northeast"`
				SouthWest corner `json:"southwest"`
			} `json:"bounds"`
		} `json:"results"`
	}
	if err := json.Unmarshal(rep.Body, &top); err != nil || top.Results == nil {
		return nil, errNotTheirs
	}
	places := make([]place.Place, len(top.Results))
	for i, it := range top.Results {
		if it.Geometry == nil {
			return nil, errNotTheirs
		}
		parts := make(map[string]string)
		for key, value := range it.Components {
			if s, ok := value.(string); ok {
				parts[key] = s
			}
		}
		kind := parts["_type"]
		p := place.Place{
			Point:       geo.Point{Lat: it.Geometry.Lat, Lon: it.Geometry.Lng},
			DisplayName: it.Formatted, CountryCode: parts["country_code"],
			Category: parts["_category"], Type: kind,
		}
		if b := it.Bounds; b != nil {
			p.Box = place.Box{South: b.SouthWest.Lat, West: b.SouthWest.Lng, North: b.NorthEast.Lat, East: b.NorthEast.Lng}
		}
		self, isPart := openCageLabels[kind]
		if !isPart {
			p.Name = parts[kind] // a shop's name stands under "shop"
		}
		if self == "house_number" && parts["house_number"] == "" {
			self = ""
		}
		setAddress(&p, parts, self)
		places[i] = p
	}
	return places, nil
}
