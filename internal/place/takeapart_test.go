package place

import (
	"encoding/json"
	"encoding/xml"
	"strconv"
	"strings"
	"testing"
	"time"

	"geogate/internal/geo"
)

func takeApart(t *testing.T, f Format, body string) ([]Place, Options) {
	t.Helper()
	if body == `{"error":"Unable to geocode"}` {
		return nil, Options{}
	}
	switch f {
	case XML:
		return fromXML(t, body)
	case GeoJSON:
		return fromGeoJSON(t, body)
	case GeocodeJSON:
		return fromGeocodeJSON(t, body)
	default:
		return fromJSON(t, body)
	}
}

// jsonPlace has the keys of json, jsonv2 and geojson's properties.
type jsonPlace struct {
	PlaceID     int64           `json:"place_id"`
	Licence     string          `json:"licence"`
	OSMType     string          `json:"osm_type"`
	OSMID       int64           `json:"osm_id"`
	Lat, Lon    string          // as strings in json, absent in geojson
	Class       string          `json:"class"`
	Category    string          `json:"category"`
	Type        string          `json:"type"`
	PlaceRank   int             `json:"place_rank"`
	Importance  float64         `json:"importance"`
	AddressType string          `json:"addresstype"`
	Name        string          `json:"name"`
	DisplayName string          `json:"display_name"`
	Address     json.RawMessage `json:"address"`
	ExtraTags   json.RawMessage `json:"extratags"`
	NameDetails json.RawMessage `json:"namedetails"`
	Box         []string        `json:"boundingbox"`
	GeoText     string          `json:"geotext"`
	GeoKML      string          `json:"geokml"`
	GeoJSON     json.RawMessage `json:"geojson"`
	SVG         string          `json:"svg"`
}

func (j jsonPlace) place(t *testing.T) Place {
	t.Helper()
	p := Place{
		ID: j.PlaceID, OSMType: j.OSMType, OSMID: j.OSMID,
		Category: j.Class + j.Category, Type: j.Type, PlaceRank: j.PlaceRank, Importance: j.Importance,
		AddressType: j.AddressType, Name: j.Name, DisplayName: j.DisplayName,
		ExtraTags: tags(t, j.ExtraTags), NameDetails: tags(t, j.NameDetails),
		Geometry: Geometry{WKT: j.GeoText, KML: j.GeoKML, GeoJSON: string(j.GeoJSON), SVG: j.SVG},
	}
	for _, tag := range tags(t, j.Address) {
		if tag.Key == "country_code" {
			p.CountryCode = tag.Value
			continue
		}
		p.Address = append(p.Address, AddressLine{Label: tag.Key, Name: tag.Value})
	}
	if j.Lat != "" {
		p.Point = geo.Point{Lat: number(t, j.Lat), Lon: number(t, j.Lon)}
	}
	if len(j.Box) == 4 {
		p.Box = Box{number(t, j.Box[0]), number(t, j.Box[1]), number(t, j.Box[2]), number(t, j.Box[3])}
	}
	return p
}

func fromJSON(t *testing.T, body string) ([]Place, Options) {
	t.Helper()
	if strings.HasPrefix(body, "{") {
		body = "[" + body + "]"
	}
	var list []jsonPlace
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	var places []Place
	var o Options
	for _, j := range list {
		o.Attribution.Text = j.Licence
		places = append(places, j.place(t))
	}
	return places, o
}

type feature[P any] struct {
	Properties P
	Box        []float64 `json:"bbox"`
	Geometry   json.RawMessage
}

// locate fills in what a feature says about where the place is.
func (f feature[P]) locate(t *testing.T, p *Place) {
	t.Helper()
	if len(f.Box) == 4 {
		p.Box = Box{South: f.Box[1], North: f.Box[3], West: f.Box[0], East: f.Box[2]}
	}
	var g struct {
		Type        string
		Coordinates json.RawMessage
	}
	if err := json.Unmarshal(f.Geometry, &g); err != nil {
		t.Fatal(err)
	}
	if g.Type != "Point" {
		p.Geometry.GeoJSON = string(f.Geometry)
		return
	}
	var xy [2]float64
	if err := json.Unmarshal(g.Coordinates, &xy); err != nil {
		t.Fatal(err)
	}
	p.Point = geo.Point{Lat: xy[1], Lon: xy[0]}
}

func fromGeoJSON(t *testing.T, body string) ([]Place, Options) {
	t.Helper()
	var c struct {
		Licence  string
		Features []feature[jsonPlace]
	}
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		t.Fatal(err)
	}
	var places []Place
	for _, f := range c.Features {
		p := f.Properties.place(t)
		f.locate(t, &p)
		places = append(places, p)
	}
	return places, Options{Attribution: Attribution{Text: c.Licence}}
}

func fromGeocodeJSON(t *testing.T, body string) ([]Place, Options) {
	t.Helper()
	var c struct {
		Geocoding struct{ Attribution, Licence, Query string }
		Features  []feature[struct {
			Geocoding struct {
				PlaceID     int64  `json:"place_id"`
				OSMType     string `json:"osm_type"`
				OSMID       int64  `json:"osm_id"`
				Key         string `json:"osm_key"`
				Value       string `json:"osm_value"`
				Type        string `json:"type"`
				Accuracy    *int   `json:"accuracy"`
				Label       string `json:"label"`
				Name        string `json:"name"`
				Postcode    string `json:"postcode"`
				City        string `json:"city"`
				County      string `json:"county"`
				Country     string `json:"country"`
				CountryCode string `json:"country_code"`
				Admin       json.RawMessage
				Extra       json.RawMessage
			}
		}]
	}
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		t.Fatal(err)
	}
	ranks := map[string]int{"house": 30, "street": 26, "city": 16}
	var places []Place
	for _, f := range c.Features {
		g := f.Properties.Geocoding
		p := Place{
			ID: g.PlaceID, OSMType: g.OSMType, OSMID: g.OSMID, Category: g.Key, Type: g.Value,
			AddressRank: ranks[g.Type], Accuracy: g.Accuracy, DisplayName: g.Label, Name: g.Name,
			CountryCode: g.CountryCode, ExtraTags: tags(t, g.Extra),
			Address: []AddressLine{
				{Label: "town", Name: g.City, Rank: 16},
				{Label: "county", Name: g.County, Rank: 12},
				{Label: "postcode", Name: g.Postcode, Rank: 5},
				{Label: "country", Name: g.Country, Rank: 4},
			},
		}
		for _, tag := range tags(t, g.Admin) {
			level := int(number(t, strings.TrimPrefix(tag.Key, "level")))
			p.Address = append(p.Address, AddressLine{Name: tag.Value, AdminLevel: level})
		}
		if g.Postcode == "" {
			p.Address = nil
		}
		f.locate(t, &p)
		places = append(places, p)
	}
	return places, Options{
		Attribution: Attribution{Text: c.Geocoding.Attribution, Licence: c.Geocoding.Licence},
		Query:       c.Geocoding.Query,
	}
}

func fromXML(t *testing.T, body string) ([]Place, Options) {
	t.Helper()
	type element struct {
		XMLName xml.Name
		Key     string `xml:"key,attr"`
		Value   string `xml:"value,attr"`
		Desc    string `xml:"desc,attr"`
		Text    string `xml:",chardata"`
	}
	var r struct {
		Timestamp   string `xml:"timestamp,attr"`
		Attribution string `xml:"attribution,attr"`
		Query       string `xml:"querystring,attr"`
		MoreURL     string `xml:"more_url,attr"`
		Exclude     string `xml:"exclude_place_ids,attr"`
		Places      []struct {
			ID          int64   `xml:"place_id,attr"`
			OSMType     string  `xml:"osm_type,attr"`
			OSMID       int64   `xml:"osm_id,attr"`
			Ref         string  `xml:"ref,attr"`
			Lat         float64 `xml:"lat,attr"`
			Lon         float64 `xml:"lon,attr"`
			Box         string  `xml:"boundingbox,attr"`
			PlaceRank   int     `xml:"place_rank,attr"`
			AddressRank int     `xml:"address_rank,attr"`
			GeoJSON     string  `xml:"geojson,attr"`
			DisplayName string  `xml:"display_name,attr"`
			Class       string  `xml:"class,attr"`
			Type        string  `xml:"type,attr"`
			Importance  float64 `xml:"importance,attr"`
			ExtraTags   struct {
				Tags []element `xml:"tag"`
			} `xml:"extratags"`
			NameDetails struct {
				Names []element `xml:"name"`
			} `xml:"namedetails"`
			Address []element `xml:",any"`
		} `xml:"place"`
	}
	if err := xml.Unmarshal([]byte(body), &r); err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(xmlTime, r.Timestamp)
	if err != nil {
		t.Fatal(err)
	}
	var places []Place
	for _, x := range r.Places {
		p := Place{
			ID: x.ID, OSMType: x.OSMType, OSMID: x.OSMID, Ref: x.Ref,
			Point: geo.Point{Lat: x.Lat, Lon: x.Lon}, PlaceRank: x.PlaceRank, AddressRank: x.AddressRank,
			Geometry: Geometry{GeoJSON: x.GeoJSON}, DisplayName: x.DisplayName,
			Category: x.Class, Type: x.Type, Importance: x.Importance,
		}
		b := strings.Split(x.Box, ",")
		p.Box = Box{number(t, b[0]), number(t, b[1]), number(t, b[2]), number(t, b[3])}
		for _, e := range x.Address {
			if e.XMLName.Local == "country_code" {
				p.CountryCode = e.Text
				continue
			}
			p.Address = append(p.Address, AddressLine{Label: e.XMLName.Local, Name: e.Text})
		}
		for _, e := range x.ExtraTags.Tags {
			p.ExtraTags = append(p.ExtraTags, Tag{e.Key, e.Value})
		}
		for _, e := range x.NameDetails.Names {
			p.NameDetails = append(p.NameDetails, Tag{e.Desc, e.Text})
		}
		places = append(places, p)
	}
	return places, Options{
		Attribution: Attribution{Text: r.Attribution}, Query: r.Query, Time: at,
		MoreURL: r.MoreURL, ExcludePlaceIDs: r.Exclude,
	}
}

// tags reads a JSON object of strings in the order of its keys.
func tags(t *testing.T, object json.RawMessage) []Tag {
	t.Helper()
	if len(object) == 0 {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(object)))
	var all []Tag
	var key string
	for first := true; ; {
		token, err := d.Token()
		if err != nil {
			return all
		}
		s, ok := token.(string)
		switch {
		case !ok:
		case first:
			key, first = s, false
		default:
			all, first = append(all, Tag{key, s}), true
		}
	}
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
