package request

import (
	"maps"

	"geogate/internal/place"
)

// An Endpoint is one of the operations of the Nominatim API.
type Endpoint string

// The endpoints that Nominatim 5.3 serves.
const (
	Search    Endpoint = "search"
	Reverse   Endpoint = "reverse"
	Lookup    Endpoint = "lookup"
	Details   Endpoint = "details"
	Status    Endpoint = "status"
	Deletable Endpoint = "deletable"
	Polygons  Endpoint = "polygons"
)

// Suggest completes what somebody is typing. No Nominatim has it: it is asked of
// those who do, in their own way.
const Suggest Endpoint = "suggest"

// DefaultFormat is the format of an answer when the client names none.
func (ep Endpoint) DefaultFormat() place.Format { return endpoints[ep].format }

// Formats are those that the endpoint answers in. They are not to be modified.
func (ep Endpoint) Formats() []place.Format { return endpoints[ep].formats }

// endpoint says how the parameters of one endpoint are read. Defaults and
// meanings are those of Nominatim 5.3 (its v1 server glue).
type endpoint struct {
	format    place.Format   // when the client names none
	formats   []place.Format // that the endpoint knows
	localized bool           // takes languages
	flags     Flag           // that are set unless the client says otherwise
	params    map[string]rule
}

var placeFormats = place.Formats()

var endpoints = map[Endpoint]*endpoint{
	Search: {
		format: place.JSONV2, formats: placeFormats, localized: true, flags: Dedupe,
		params: with(output, map[string]rule{
			"q":                 freeText,
			"limit":             limit,
			"countrycodes":      countryCodes,
			"viewbox":           viewbox,
			"viewboxlbrt":       viewboxAlias,
			"bounded":           bounded,
			"dedupe":            boolean(Dedupe),
			"layer":             searchLayers,
			"featureType":       featureType,
			"exclude_place_ids": excluded,
			"amenity":           field(Amenity),
			"street":            field(Street),
			"city":              field(City),
			"county":            field(County),
			"state":             field(State),
			"postalcode":        field(PostalCode),
			"country":           field(Country),
		}),
	},
	Reverse: {
		format: place.XML, formats: placeFormats, localized: true, flags: AddressDetails,
		params: with(output, map[string]rule{
			"lat":   latitude,
			"lon":   longitude,
			"zoom":  zoom,
			"layer": reverseLayers,
		}),
	},
	Lookup: {
		format: place.XML, formats: placeFormats, localized: true, flags: AddressDetails,
		params: with(output, map[string]rule{"osm_ids": objects}),
	},
	Details: {
		format: place.JSON, formats: []place.Format{place.JSON}, localized: true, flags: LinkedPlaces,
		params: map[string]rule{
			"addressdetails":  boolean(AddressDetails),
			"entrances":       boolean(Entrances),
			"linkedplaces":    boolean(LinkedPlaces),
			"hierarchy":       boolean(Hierarchy),
			"group_hierarchy": boolean(GroupHierarchy),
			"keywords":        boolean(Keywords),
			"polygon_geojson": boolean(PolygonGeoJSON),
			"debug":           boolean(Debug),
			"place_id":        placeID,
			"osmtype":         osmType,
		},
	},
	Suggest: {
		format: place.JSON, formats: []place.Format{place.JSON}, localized: true, flags: AddressDetails,
		params: map[string]rule{
			"q":            typedText,
			"limit":        limit,
			"countrycodes": countryCodes,
			"lat":          latitude,
			"lon":          longitude,
		},
	},
	Status:    {format: place.Text, formats: []place.Format{place.Text, place.JSON}},
	Deletable: {format: place.JSON, formats: []place.Format{place.JSON}},
	Polygons: {
		format: place.JSON, formats: []place.Format{place.JSON},
		params: map[string]rule{"reduced": boolean(Reduced)},
	},
}

// output holds the parameters that search, reverse and lookup share.
var output = map[string]rule{
	"addressdetails":    boolean(AddressDetails),
	"extratags":         boolean(ExtraTags),
	"namedetails":       boolean(NameDetails),
	"entrances":         boolean(Entrances),
	"polygon_geojson":   boolean(PolygonGeoJSON),
	"polygon_kml":       boolean(PolygonKML),
	"polygon_svg":       boolean(PolygonSVG),
	"polygon_text":      boolean(PolygonText),
	"polygon_threshold": threshold,
	"debug":             boolean(Debug),
}

func with(shared, own map[string]rule) map[string]rule {
	maps.Copy(own, shared)
	return own
}
