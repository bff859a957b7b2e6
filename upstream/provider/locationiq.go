package provider

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"geogate/internal/geo"
	"geogate/internal/outbound"
	"geogate/internal/place"
	"geogate/upstream/request"
)

// locationIQ is the API of docs.locationiq.com (/v1/search, /v1/reverse): much
// like a Nominatim's json, except that ids are strings and that nothing found is
// a 404. The access token is the query of the URL in UPSTREAMS
// (?key=…).
var locationIQ = dialect{
	attribution: place.Attribution{Text: "https://locationiq.com/attribution"},
	search: func(q *request.Question) (string, url.Values) {
		v := url.Values{"format": {"json"}, "addressdetails": {"1"}, "limit": {strconv.Itoa(q.Limit)}}
		path := "/search"
		if !q.IsStructured() {
			v.Set("q", q.Text)
		} else {
			path = "/search/structured"
			for field, value := range q.Fields() {
				v.Set(field.String(), value)
			}
		}
		if len(q.Countries) > 0 {
			v.Set("countrycodes", strings.Join(q.Countries, ","))
		}
		if q.Viewbox != nil {
			v.Set("viewbox", request.FormatBox(*q.Viewbox))
			if q.Has(request.Bounded) {
				v.Set("bounded", "1")
			}
		}
		locationIQShared(v, q)
		return path, v
	},
	reverse: func(q *request.Question) (string, url.Values) {
		v := url.Values{"format": {"json"}, "addressdetails": {"1"}, "zoom": {strconv.Itoa(q.Zoom)}}
		setPoint(v, "lat", "lon", q.Point)
		locationIQShared(v, q)
		return "/reverse", v
	},
	read:     readLocationIQ,
	notFound: true,
}

func locationIQShared(v url.Values, q *request.Question) {
	// Its own default is English. Nominatim gives local names to clients who name
	// no language.
	v.Set("accept-language", "native")
	if len(q.Languages()) > 0 {
		v.Set("accept-language", strings.Join(q.Languages(), ","))
	}
	if q.Has(request.ExtraTags) {
		v.Set("extratags", "1")
	}
	if q.Has(request.NameDetails) {
		v.Set("namedetails", "1")
	}
}

func readLocationIQ(rep outbound.Reply) ([]place.Place, error) {
	type item struct {
		PlaceID     string   `json:"place_id"`
		OSMType     string   `json:"osm_type"`
		OSMID       string   `json:"osm_id"`
		Lat         string   `json:"lat"`
		Lon         string   `json:"lon"`
		DisplayName string   `json:"display_name"`
		Class       string   `json:"class"`
		Type        string   `json:"type"`
		Importance  float64  `json:"importance"`
		Box         []string `json:"boundingbox"` // south, north, west, east
		Address     tags     `json:"address"`
		ExtraTags   tags     `json:"extratags"`
		NameDetails tags     `json:"namedetails"`
		Error       string   `json:"error"`
	}
	if rep.Status == http.StatusNotFound {
		var none item
		if err := json.Unmarshal(rep.Body, &none); err != nil || none.Error != unableToGeocode {
			return nil, errNotTheirs
		}
		return nil, nil
	}
	body := bytes.TrimSpace(rep.Body)
	if !bytes.HasPrefix(body, []byte("[")) { // a reverse question has one answer
		body = slices.Concat([]byte("["), body, []byte("]"))
	}
	var items []item
	if err := json.Unmarshal(body, &items); err != nil {
		return nil, errNotTheirs
	}
	places := make([]place.Place, len(items))
	for i, it := range items {
		lat, errLat := geo.ParseDegrees(it.Lat)
		lon, errLon := geo.ParseDegrees(it.Lon)
		if errLat != nil || errLon != nil {
			return nil, errNotTheirs
		}
		p := place.Place{
			OSMType: it.OSMType, Point: geo.Point{Lat: lat, Lon: lon}, Category: it.Class, Type: it.Type,
			Importance: it.Importance, DisplayName: it.DisplayName,
			ExtraTags: it.ExtraTags, NameDetails: it.NameDetails,
		}
		p.ID, _ = strconv.ParseInt(it.PlaceID, 10, 64)
		p.OSMID, _ = strconv.ParseInt(it.OSMID, 10, 64)
		p.Box = boxOf(it.Box)
		locationIQAddress(&p, it.Address)
		places[i] = p
	}
	return places, nil
}

// locationIQAddress keeps the parts in their order. The first one is the place
// itself, and "name" its name.
func locationIQAddress(p *place.Place, parts []place.Tag) {
	self := ""
	for _, part := range parts {
		switch {
		case part.Key == "name":
			p.Name = part.Value
			continue
		case part.Key == "country_code":
			p.CountryCode = part.Value
			continue
		case self == "" && rankOf(part.Key) > 0 && part.Key != "postcode":
			self = part.Key
		}
		p.Address = append(p.Address, place.AddressLine{
			Label: part.Key, Name: part.Value, Rank: rankOf(part.Key), Self: part.Key == self,
		})
	}
	p.AddressRank = rankOf(self)
	p.AddressType = self
	if self == "house_number" {
		p.AddressType = "building"
	}
	p.PlaceRank = p.AddressRank
	if p.Name == "" && self != "house_number" {
		for _, line := range p.Address {
			if line.Self {
				p.Name = line.Name
			}
		}
	}
}

// boxOf reads south, north, west, east; anything else is the empty box.
func boxOf(edges []string) place.Box {
	var at [4]float64
	if len(edges) != len(at) {
		return place.Box{}
	}
	for i, edge := range edges {
		degrees, err := geo.ParseDegrees(edge)
		if err != nil {
			return place.Box{}
		}
		at[i] = degrees
	}
	return place.Box{South: at[0], North: at[1], West: at[2], East: at[3]}
}

// tags is a JSON object of strings that keeps its order; other values are
// skipped.
type tags []place.Tag

func (t *tags) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return err // null, or an empty list where there are none
	}
	*t = tags{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return err
		}
		if s, ok := value.(string); ok {
			*t = append(*t, place.Tag{Key: key.(string), Value: s})
		}
	}
	return nil
}
