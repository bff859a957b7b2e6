// Package place holds what a geocoder answers, whoever the geocoder is, and
// renders it the way Nominatim 5.3 does: xml, json, jsonv2, geojson and
// geocodejson, as the list that /search and /lookup give and as the single
// place that /reverse gives, with their empty answers and errors, and /details
// and /status.
//
// It promises that a client written for Nominatim reads the result, down to the
// order of keys and to numbers that are strings, and that nothing is invented:
// what a Place does not say is left out. All functions are pure and safe for
// concurrent use.
package place

import (
	"time"

	"geogate/internal/geo"
)

// Format names one of the shapes of an answer, as in the parameter format=.
type Format string

// The formats of Nominatim. Text exists for /status, and for an error that
// comes up before the format asked for is known to exist.
const (
	XML         Format = "xml"
	JSON        Format = "json"
	JSONV2      Format = "jsonv2"
	GeoJSON     Format = "geojson"
	GeocodeJSON Format = "geocodejson"
	Text        Format = "text"
)

// Formats lists what /search, /reverse and /lookup accept, in the order in
// which Nominatim's error message names them.
func Formats() []Format {
	return []Format{XML, GeoJSON, GeocodeJSON, JSON, JSONV2}
}

// Known reports whether f is one of [Formats].
func (f Format) Known() bool {
	switch f {
	case XML, JSON, JSONV2, GeoJSON, GeocodeJSON:
		return true
	default:
		return false
	}
}

// ContentType is the media type of an answer in this format. An unknown format
// counts as Text, as it does in Nominatim's errors.
func (f Format) ContentType() string {
	switch f {
	case XML:
		return "text/xml; charset=utf-8"
	case JSON, JSONV2, GeoJSON, GeocodeJSON:
		return "application/json; charset=utf-8"
	default:
		return "text/plain; charset=utf-8"
	}
}

// Place is one result. The zero value of a field means that the geocoder did
// not say, and the rendering leaves it out, except for Name and DisplayName:
// clients rely on those two keys being there.
type Place struct {
	ID      int64  // the geocoder's own number of the place
	OSMType string // "node", "way" or "relation"
	OSMID   int64
	Point   geo.Point

	Category string // "boundary", "place", "highway"…: OpenStreetMap's key
	Type     string // "administrative", "city", "residential"…: its value

	PlaceRank   int // Nominatim's search rank, 4 (country) … 30 (house)
	AddressRank int // rank within addresses; decides the type in geocodejson
	Importance  float64
	AddressType string // what the place is called in addresses: "city", "road"…

	Name        string
	DisplayName string
	Ref         string // shown in xml only; empty: Name is shown there, as Nominatim does

	Address     []AddressLine // from the smallest part to the country
	CountryCode string        // lower case ISO 3166-1 alpha-2

	// ExtraTags and NameDetails keep their order. Nil renders as null and an
	// empty one as {}.
	ExtraTags   []Tag
	NameDetails []Tag

	Box      Box
	Geometry Geometry
	Accuracy *int // metres between the point asked for and the one found; geocodejson only
}

// AddressLine is one part of an address.
type AddressLine struct {
	Label string // "road", "city", "state", "postcode", "house_number", "country"…
	Name  string
	// Rank is Nominatim's address rank, from which geocodejson takes its own
	// word for the part; 0 keeps the line out of geocodejson.
	Rank int
	// AdminLevel is the level of an administrative boundary, 0 for any other.
	AdminLevel int
	// Self marks the line that is the place itself: geocodejson says its name
	// once, outside the address.
	Self bool
}

// Tag is a key with its value.
type Tag struct{ Key, Value string }

// Box is a bounding box in degrees. The zero Box means none is known.
type Box struct{ South, North, West, East float64 }

// Geometry is the outline of a place in the notation the client asked for,
// each as the geocoder gave it.
type Geometry struct {
	GeoJSON string // polygon_geojson: a GeoJSON geometry object
	KML     string // polygon_kml: an XML element
	SVG     string // polygon_svg: a path
	WKT     string // polygon_text: well-known text
}

// Attribution says to whom the data belongs.
type Attribution struct {
	Text    string // the full sentence: licence in json, attribution in xml
	Licence string // the short name that geocodejson wants, such as "ODbL"
}

// Options say what to render besides the places themselves.
type Options struct {
	Attribution Attribution
	// Query is what xml and geocodejson repeat: the q of a search, the encoded
	// parameters of a reverse geocode in xml.
	Query string

	AddressDetails, ExtraTags, NameDetails bool
	// Entrances adds the key that clients ask for with entrances=1. No geocoder
	// that is rendered here knows entrances, so its value is null.
	Entrances bool

	// For xml only. MoreURL, ExcludePlaceIDs and Viewbox are left out when empty.
	Time            time.Time // when the answer was made
	MoreURL         string
	ExcludePlaceIDs string
	Viewbox         string
}

// RenderList renders the answer to a search or a lookup. Without places it is the
// format's empty list. A format that is not [Format.Known] is rendered as JSONV2.
func RenderList(f Format, places []Place, o Options) (contentType string, body []byte) {
	var w writer
	switch f {
	case XML:
		w.xmlList(places, o)
	case GeoJSON:
		w.geoJSON(places, o)
	case GeocodeJSON:
		w.geocodeJSON(places, o)
	case JSON:
		w.list(places, o, "class")
	default:
		f = JSONV2
		w.list(places, o, "category")
	}
	return f.ContentType(), w.buf
}

// RenderOne renders the answer to a reverse geocode; p nil means that nothing
// was found, which Nominatim says as {"error":"Unable to geocode"} with status
// 200. A format that is not [Format.Known] is rendered as JSONV2.
func RenderOne(f Format, p *Place, o Options) (contentType string, body []byte) {
	var w writer
	switch {
	case f == XML:
		w.xmlOne(p, o)
		return f.ContentType(), w.buf
	case p == nil:
		return JSON.ContentType(), []byte(`{"error":"` + unableToGeocode + `"}`)
	}
	switch f {
	case GeoJSON:
		w.geoJSON([]Place{*p}, o)
	case GeocodeJSON:
		w.geocodeJSON([]Place{*p}, o)
	case JSON:
		w.place(*p, o, "class")
	default:
		w.place(*p, o, "category")
	}
	return JSON.ContentType(), w.buf
}

const unableToGeocode = "Unable to geocode"
