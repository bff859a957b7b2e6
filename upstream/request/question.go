package request

import (
	"cmp"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"geogate/internal/geo"
	"geogate/internal/place"
)

// A Question is what a request asks for, as Nominatim understands its
// parameters. It is read once, when the request is made canonical, from the
// values that travel: requests with one key ask one question. What an endpoint
// has no parameter for keeps its zero value.
type Question struct {
	// Text is the free text of a search. See [Question.Words].
	Text string

	// Reverse: what lies at Point is asked for, by a reverse request or by a
	// search for nothing but a pair of coordinates.
	Reverse bool
	Point   geo.Point // in degrees; that of a reverse request may lie off the globe
	Zoom    int       // 0…18
	Near    bool      // of a suggestion: Point is where the reader is

	Limit       int        // 1…50
	Countries   []string   // codes in lower case, sorted; nil: all
	Viewbox     *place.Box // nil: none
	FeatureType string
	Excluded    []string // ids as they came, without the space around them

	PlaceID int64    // of a details request; 0: asked by OSM id
	Objects []string // OSM ids of a lookup or details request, such as N123

	flags     Flag
	fields    []fieldValue // of a structured search, in Nominatim's order
	layers    []string     // nil: none were named
	zoomText  string       // the zoom as it came, in xml
	languages string
}

// A Flag is a parameter that is true or false.
type Flag uint32

// The flags, by Nominatim's names.
const (
	AddressDetails Flag = 1 << iota
	ExtraTags
	NameDetails
	Entrances
	Bounded // nothing outside the viewbox
	Dedupe
	Debug
	PolygonGeoJSON
	PolygonKML
	PolygonSVG
	PolygonText
	LinkedPlaces
	Hierarchy
	GroupHierarchy
	Keywords
	Reduced
)

// A Field is one part of a structured search.
type Field int

// The fields, in Nominatim's order.
const (
	Amenity Field = iota
	Street
	City
	County
	State
	PostalCode
	Country

	fieldCount = 7
)

var fieldNames = [fieldCount]string{"amenity", "street", "city", "county", "state", "postalcode", "country"}

// String returns the parameter's name.
func (f Field) String() string { return fieldNames[f] }

type fieldValue struct {
	field Field
	value string // never empty
}

// Has reports whether a flag is set.
func (q *Question) Has(f Flag) bool { return q.flags&f != 0 }

func (q *Question) set(f Flag, to bool) {
	q.flags &^= f
	if to {
		q.flags |= f
	}
}

// IsStructured reports whether a search names fields instead of free text.
func (q *Question) IsStructured() bool { return len(q.fields) > 0 }

// Field returns a field of a structured search, "" where it is not named.
func (q *Question) Field(f Field) string {
	for _, named := range q.fields {
		if named.field == f {
			return named.value
		}
	}
	return ""
}

// Fields ranges over the named fields of a structured search, in Nominatim's
// order.
func (q *Question) Fields() iter.Seq2[Field, string] {
	return func(yield func(Field, string) bool) {
		for _, named := range q.fields {
			if !yield(named.field, named.value) {
				return
			}
		}
	}
}

// Words returns what a search looks for: free text, or the fields joined by
// commas.
func (q *Question) Words() string {
	if !q.IsStructured() {
		return q.Text
	}
	fields := make([]string, len(q.fields))
	for i, named := range q.fields {
		fields[i] = named.value
	}
	return strings.Join(fields, ", ")
}

// Languages returns the languages asked for, best first; nil when the client
// named none.
func (q *Question) Languages() []string {
	if q.languages == "" {
		return nil
	}
	return strings.Split(q.languages, ",")
}

// WantsAddresses reports whether the layers asked for include that of
// addresses. A FeatureType takes the place of the layers.
func (q *Question) WantsAddresses() bool {
	return q.layers == nil || slices.Contains(q.layers, "address")
}

// Layers returns the layers asked for, sorted; nil when the request named none.
func (q *Question) Layers() []string { return q.layers }

// echo is what an answer repeats of the question: a search its words in every
// format that has room for them, a reverse request its parameters in xml.
func (q *Question) echo(ep Endpoint, f place.Format) string {
	switch {
	case ep == Search, ep == Suggest:
		return q.Words()
	case ep == Reverse && f == place.XML:
		echo := "lat=" + pythonFloat(q.Point.Lat) + "&lon=" + pythonFloat(q.Point.Lon) + "&format=xml"
		if q.zoomText != "" {
			echo += "&zoom=" + url.QueryEscape(q.zoomText)
		}
		return echo
	default:
		return ""
	}
}

// pythonFloat prints a coordinate as Nominatim repeats it: never without a
// point.
func pythonFloat(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// turn is the order in which Nominatim looks at parameters: of several mistakes
// it reports the first.
type turn int

const (
	turnLon turn = iota + 1
	turnLat
	turnOutline
	turnThreshold
	turnZoom
	turnLimit
	turnObjects
	turnPlaceID
	turnOSMType
	turnOSMID
	turnText
	turnViewbox
)

// mistake notes why Nominatim refuses the request.
func (c *reading) mistake(t turn, message string) {
	if c.wrong == "" || t < c.wrongTurn {
		c.wrong, c.wrongTurn = message, t
	}
}

func notANumber(name string) string { return "Parameter '" + name + "' must be a number." }

func missing(name string) string { return "Parameter '" + name + "' missing." }

// finish looks at what no single parameter tells.
func (c *reading) finish(ep Endpoint) {
	switch ep {
	case Search:
		c.finishSearch()
	case Reverse:
		c.asked.Reverse = true
		if !c.hasLon {
			c.mistake(turnLon, missing("lon"))
		}
		if !c.hasLat {
			c.mistake(turnLat, missing("lat"))
		}
	case Details:
		c.finishDetails()
	case Suggest:
		c.asked.Near = c.hasLat && c.hasLon && c.asked.Point.Valid()
	}
	c.countOutlines()
}

func (c *reading) finishSearch() {
	text, structured := c.asked.Text, c.asked.IsStructured()
	switch {
	case c.hasText && structured:
		c.mistake(turnText, "Structured query parameters("+strings.Join(fieldNames[:], ", ")+
			") cannot be used together with 'q' parameter.")
	case c.hasText && text == "":
		// Nominatim finds nothing then, before it looks at the rest.
		if c.wrongTurn > turnText {
			c.wrong, c.wrongTurn = "", 0
		}
	case c.hasText && trimSpace(text) == "", !c.hasText && !structured:
		c.mistake(turnText, "Nothing to search for.")
	}
	slices.SortFunc(c.asked.fields, func(a, b fieldValue) int { return cmp.Compare(a.field, b.field) })
}

func (c *reading) finishDetails() {
	if c.asked.PlaceID != 0 {
		return
	}
	if _, ok := c.last("osmtype"); !ok {
		c.mistake(turnOSMType, "Missing ID parameter 'place_id' or 'osmtype'.")
	}
	id, ok := c.last("osmid")
	if !ok {
		c.mistake(turnOSMID, missing("osmid"))
	} else if _, ok := parseInt(id); !ok {
		c.mistake(turnOSMID, notANumber("osmid"))
	} else if kind, _ := c.last("osmtype"); kind != "" {
		c.asked.Objects = []string{kind + id}
	}
}

// countOutlines: an answer holds one outline. The GeoJSON formats can hold no
// other than their own, and ignore the others.
func (c *reading) countOutlines() {
	if c.format == place.GeoJSON || c.format == place.GeocodeJSON {
		return
	}
	outlines := 0
	for _, f := range []Flag{PolygonGeoJSON, PolygonKML, PolygonSVG, PolygonText} {
		if c.asked.Has(f) {
			outlines++
		}
	}
	if outlines > 1 {
		c.mistake(turnOutline, "Too many polygon output options selected.")
	}
}
