package provider

import (
	"net/url"
	"strconv"
	"strings"

	"geogate/internal/geo"
	"geogate/internal/outbound"
	"geogate/internal/place"
	"geogate/upstream/request"
)

const osmAttribution = "Data © OpenStreetMap contributors, ODbL 1.0. http://osm.org/copyright"

// photon is the API of github.com/komoot/photon (docs/api-v1.md). The languages
// go as a header: a lang= that the server has not indexed is an error there,
// a header is a wish.
var photon = dialect{
	attribution:    place.Attribution{Text: osmAttribution, Licence: "ODbL"},
	headerLanguage: true,
	search: func(q *request.Question) (string, url.Values) {
		v := url.Values{"q": {q.Words()}, "limit": {strconv.Itoa(q.Limit)}}
		for _, code := range q.Countries {
			v.Add("countrycode", strings.ToUpper(code))
		}
		if q.Viewbox != nil && q.Has(request.Bounded) {
			v.Set("bbox", request.FormatBox(*q.Viewbox))
		} else if q.Viewbox != nil {
			setPoint(v, "lat", "lon", center(*q.Viewbox))
		}
		return "/api", v
	},
	suggest: func(q *request.Question) (string, url.Values) { // its search is made for it
		v := url.Values{"q": {q.Text}, "limit": {strconv.Itoa(q.Limit)}}
		for _, code := range q.Countries {
			v.Add("countrycode", strings.ToUpper(code))
		}
		if q.Near {
			setPoint(v, "lat", "lon", q.Point)
		}
		return "/api", v
	},
	reverse: func(q *request.Question) (string, url.Values) {
		v := url.Values{"limit": {"1"}}
		setPoint(v, "lat", "lon", q.Point)
		if layer := photonLayers[labelAt(q.Zoom)]; layer != "" {
			v.Set("layer", layer)
		}
		return "/reverse", v
	},
	read: readPhoton,
}

// photonLayers names Photon's layers by the label of an address part.
var photonLayers = map[string]string{
	"country": "country", "state": "state", "county": "county", "city": "city", "suburb": "district", "road": "street",
}

// photonLabels is the way back, from the type of a result.
var photonLabels = map[string]string{
	"house": "house_number", "street": "road", "locality": "neighbourhood", "district": "suburb",
	"city": "city", "county": "county", "state": "state", "country": "country",
}

var osmTypes = map[string]string{"N": "node", "W": "way", "R": "relation"}

func readPhoton(rep outbound.Reply) ([]place.Place, error) {
	type properties struct {
		OSMType     string    `json:"osm_type"`
		OSMID       int64     `json:"osm_id"`
		Key         string    `json:"osm_key"`
		Value       string    `json:"osm_value"`
		Type        string    `json:"type"`
		Name        string    `json:"name"`
		HouseNumber string    `json:"housenumber"`
		Street      string    `json:"street"`
		Locality    string    `json:"locality"`
		District    string    `json:"district"`
		City        string    `json:"city"`
		County      string    `json:"county"`
		State       string    `json:"state"`
		Postcode    string    `json:"postcode"`
		Country     string    `json:"country"`
		CountryCode string    `json:"countrycode"`
		Extent      []float64 `json:"extent"` // west, north, east, south
	}
	found, err := features[properties](rep.Body)
	if err != nil {
		return nil, err
	}
	places := make([]place.Place, len(found))
	for i, f := range found {
		it := f.Properties
		p := place.Place{
			OSMType: osmTypes[it.OSMType], OSMID: it.OSMID, Point: f.point(),
			Category: it.Key, Type: it.Value, Name: it.Name, CountryCode: strings.ToLower(it.CountryCode),
		}
		if e := it.Extent; len(e) == 4 {
			p.Box = place.Box{West: e[0], North: e[1], East: e[2], South: e[3]}
		}
		parts := map[string]string{
			"house_number": it.HouseNumber, "road": it.Street, "neighbourhood": it.Locality, "suburb": it.District,
			"city": it.City, "county": it.County, "state": it.State, "postcode": it.Postcode, "country": it.Country,
		}
		self := photonLabels[it.Type]
		if self == "house_number" && it.HouseNumber == "" {
			self = "" // a place in its own right: a shop, a park
		}
		// Photon does not repeat the name of a place among the parts.
		if self != "" && self != "house_number" && parts[self] == "" {
			parts[self] = it.Name
		}
		setAddress(&p, parts, self)
		places[i] = p
	}
	return places, nil
}

func setPoint(v url.Values, lat, lon string, p geo.Point) {
	v.Set(lat, request.FormatLat(p.Lat))
	v.Set(lon, request.FormatLon(p.Lon))
}
