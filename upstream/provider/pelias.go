package provider

import (
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"geogate/internal/outbound"
	"geogate/internal/place"
	"geogate/upstream/request"
)

// pelias is the API of github.com/pelias/documentation: /v1/search,
// /v1/search/structured, /v1/reverse and /v1/autocomplete.
var pelias = dialect{
	attribution: place.Attribution{
		Text: "Data © OpenStreetMap contributors (ODbL), OpenAddresses, Who's On First, GeoNames (CC BY)",
	},
	search: func(q *request.Question) (string, url.Values) {
		v := url.Values{"size": {strconv.Itoa(min(q.Limit, 40))}} // 40 is Pelias's most
		path := "/v1/search"
		if !q.IsStructured() {
			v.Set("text", q.Text)
		} else {
			path = "/v1/search/structured"
			for field, value := range q.Fields() {
				v.Set(peliasFields[field], value)
			}
		}
		if len(q.Countries) > 0 {
			v.Set("boundary.country", strings.ToUpper(strings.Join(q.Countries, ",")))
		}
		if b := q.Viewbox; b != nil && q.Has(request.Bounded) {
			v.Set("boundary.rect.min_lat", request.FormatLat(b.South))
			v.Set("boundary.rect.max_lat", request.FormatLat(b.North))
			v.Set("boundary.rect.min_lon", request.FormatLon(b.West))
			v.Set("boundary.rect.max_lon", request.FormatLon(b.East))
		} else if b != nil {
			setPoint(v, "focus.point.lat", "focus.point.lon", center(*q.Viewbox))
		}
		peliasLanguage(v, q)
		return path, v
	},
	suggest: func(q *request.Question) (string, url.Values) {
		v := url.Values{"text": {q.Text}, "size": {strconv.Itoa(q.Limit)}}
		if len(q.Countries) > 0 {
			v.Set("boundary.country", strings.ToUpper(strings.Join(q.Countries, ",")))
		}
		if q.Near {
			setPoint(v, "focus.point.lat", "focus.point.lon", q.Point)
		}
		peliasLanguage(v, q)
		return "/v1/autocomplete", v
	},
	reverse: func(q *request.Question) (string, url.Values) {
		v := url.Values{"size": {"1"}}
		setPoint(v, "point.lat", "point.lon", q.Point)
		if layer := peliasLayers[labelAt(q.Zoom)]; layer != "" {
			v.Set("layers", layer)
		}
		peliasLanguage(v, q)
		return "/v1/reverse", v
	},
	read: readPelias,
}

func peliasLanguage(v url.Values, q *request.Question) {
	if l := favourite(q); l != "" {
		v.Set("lang", l)
	}
}

var peliasFields = map[request.Field]string{
	request.Amenity: "venue", request.Street: "address", request.City: "locality", request.County: "county",
	request.State: "region", request.PostalCode: "postalcode", request.Country: "country",
}

var peliasLayers = map[string]string{
	"country": "country", "state": "region", "county": "county", "city": "locality",
	"suburb": "neighbourhood", "road": "street",
}

// peliasKinds says what a layer is: the label of the address part, and the tag
// of OpenStreetMap that says no more than the layer does.
var peliasKinds = map[string]struct{ label, category, kind string }{
	"venue":         {"", "", ""},
	"address":       {"house_number", "place", "house"},
	"street":        {"road", "highway", "road"},
	"neighbourhood": {"neighbourhood", "place", "neighbourhood"},
	"borough":       {"borough", "place", "borough"},
	"locality":      {"city", "place", "locality"},
	"localadmin":    {"municipality", "place", "municipality"},
	"county":        {"county", "place", "county"},
	"macrocounty":   {"state_district", "place", "state_district"},
	"region":        {"state", "place", "state"},
	"macroregion":   {"region", "place", "region"},
	"dependency":    {"country", "place", "country"},
	"country":       {"country", "place", "country"},
	"postalcode":    {"postcode", "place", "postcode"},
}

func readPelias(rep outbound.Reply) ([]place.Place, error) {
	type properties struct {
		Layer         string `json:"layer"`
		Source        string `json:"source"`
		SourceID      string `json:"source_id"`
		Name          string `json:"name"`
		Label         string `json:"label"`
		HouseNumber   string `json:"housenumber"`
		Street        string `json:"street"`
		PostalCode    string `json:"postalcode"`
		Neighbourhood string `json:"neighbourhood"`
		Borough       string `json:"borough"`
		Locality      string `json:"locality"`
		LocalAdmin    string `json:"localadmin"`
		County        string `json:"county"`
		MacroCounty   string `json:"macrocounty"`
		Region        string `json:"region"`
		MacroRegion   string `json:"macroregion"`
		Country       string `json:"country"`
		CountryA      string `json:"country_a"`    // alpha-3
		CountryCode   string `json:"country_code"` // alpha-2, in newer versions
	}
	found, err := features[properties](rep.Body)
	if err != nil {
		return nil, err
	}
	places := make([]place.Place, len(found))
	for i, f := range found {
		it := f.Properties
		kind := peliasKinds[it.Layer]
		p := place.Place{
			Point: f.point(), Category: kind.category, Type: kind.kind, Name: it.Name, DisplayName: it.Label,
			CountryCode: alpha2(it.CountryCode, it.CountryA),
		}
		if it.Source == "openstreetmap" {
			osmType, id, _ := strings.Cut(it.SourceID, "/")
			if n, err := strconv.ParseInt(id, 10, 64); err == nil {
				p.OSMType, p.OSMID = osmType, n
			}
		}
		if b := f.BBox; len(b) == 4 {
			p.Box = place.Box{West: b[0], South: b[1], East: b[2], North: b[3]}
		}
		if kind.label == "house_number" {
			p.Name = "" // it is house number and street once more
		}
		setAddress(&p, map[string]string{
			"house_number": it.HouseNumber, "road": it.Street, "neighbourhood": it.Neighbourhood,
			"borough": it.Borough, "city": it.Locality, "municipality": it.LocalAdmin, "county": it.County,
			"state_district": it.MacroCounty, "state": it.Region, "region": it.MacroRegion,
			"postcode": it.PostalCode, "country": it.Country,
		}, kind.label)
		places[i] = p
	}
	return places, nil
}

// alpha2 returns the two-letter code of a country in lower case, from either
// of its codes.
func alpha2(codes ...string) string {
	for _, code := range codes {
		if r, err := language.ParseRegion(code); err == nil && r.IsCountry() {
			return strings.ToLower(r.String())
		}
	}
	return ""
}
