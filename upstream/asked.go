package upstream

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"geogate/internal/geo"
	"geogate/internal/place"
)

// asked reads the parameters of one request. The first mistake is kept; what is
// read after it does not matter.
type asked struct {
	query       url.Values
	request     Request
	refusal     *refusal
	attribution place.Attribution
}

type refusal struct {
	status  int
	message string
	format  place.Format
}

func (q *asked) refuse(message string) { q.refuseWith(http.StatusBadRequest, message) }

func (q *asked) refuseWith(status int, message string) {
	if q.refusal == nil {
		q.refusal = &refusal{status, message, q.request.Format()}
	}
}

// last is the value that counts when a parameter comes twice.
func (q *asked) last(name string) (string, bool) {
	values := q.query[name]
	if len(values) == 0 {
		return "", false
	}
	return values[len(values)-1], true
}

func (q *asked) has(name string) bool { return q.query.Has(name) }

func (q *asked) text(name string) string {
	v, _ := q.last(name)
	return v
}

func (q *asked) flag(name string, byDefault bool) bool {
	v, ok := q.last(name)
	if !ok {
		return byDefault
	}
	return v != "0"
}

func (q *asked) integer(name string, byDefault int) int {
	v, ok := q.last(name)
	if !ok {
		return byDefault
	}
	n, ok := parseInt(v)
	if !ok {
		q.refuse("Parameter '" + name + "' must be a number.")
	}
	return n
}

func (q *asked) float(name string) float64 {
	v, ok := q.last(name)
	if !ok {
		q.refuse("Parameter '" + name + "' missing.")
		return 0
	}
	f, ok := parseFloat(v)
	if !ok {
		q.refuse("Parameter '" + name + "' must be a number.")
	}
	return f
}

// options reads what search, reverse and lookup share.
func (q *asked) options(addressDetails bool) place.Options {
	outlines := 0
	for _, name := range []string{"polygon_geojson", "polygon_text", "polygon_kml", "polygon_svg"} {
		// The GeoJSON formats can hold no other outline and ignore the others.
		other := name != "polygon_geojson" && (q.request.Format() == place.GeoJSON || q.request.Format() == place.GeocodeJSON)
		if !other && q.flag(name, false) {
			outlines++
		}
	}
	if outlines > 1 {
		q.refuse("Too many polygon output options selected.")
	}
	if q.has("polygon_threshold") {
		q.float("polygon_threshold")
	}
	return place.Options{
		Attribution:    q.attribution,
		Time:           time.Now(),
		AddressDetails: q.flag("addressdetails", addressDetails),
		ExtraTags:      q.flag("extratags", false),
		NameDetails:    q.flag("namedetails", false),
		Entrances:      q.flag("entrances", false),
	}
}

func (q *asked) countryCodes() []string {
	var codes []string
	for code := range strings.SplitSeq(q.text("countrycodes"), ",") {
		if utf8.RuneCountInString(code) == 2 {
			codes = append(codes, strings.ToLower(code))
		}
	}
	return codes
}

// viewbox reads west, south, east and north; any two opposite corners were put
// into that order when the request was made canonical.
func (q *asked) viewbox() *place.Box {
	v := q.text("viewbox")
	if v == "" {
		return nil
	}
	parts := strings.Split(v, ",")
	if len(parts) != 4 {
		q.refuse("Bounding box parameter needs 4 coordinates.")
		return nil
	}
	var at [4]float64
	for i, part := range parts {
		f, ok := parseFloat(part)
		if !ok {
			q.refuse("Bounding box parameter needs to be numbers.")
			return nil
		}
		at[i] = f
	}
	box := place.Box{
		South: max(-90, min(at[1], at[3])), North: min(90, max(at[1], at[3])),
		West: max(-180, min(at[0], at[2])), East: min(180, max(at[0], at[2])),
	}
	if box.South >= box.North || box.West >= box.East {
		q.refuse("Bounding box with invalid parameters.")
		return nil
	}
	return &box
}

// coordinates reads a query that is nothing but two decimal numbers, latitude
// first, which is the form that apps send.
func coordinates(q string) (geo.Point, bool) {
	parts := strings.FieldsFunc(strings.Trim(q, "[] "), func(r rune) bool { return r == ',' || isPythonSpace(r) })
	if len(parts) != 2 || !strings.Contains(parts[0], ".") || !strings.Contains(parts[1], ".") {
		return geo.Point{}, false
	}
	lat, ok := parseFloat(parts[0])
	lon, alsoOK := parseFloat(parts[1])
	p := geo.Point{Lat: lat, Lon: lon}
	return p, ok && alsoOK && p.Valid()
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

// structuredNames are the fields of a structured search, in Nominatim's order.
var structuredNames = []string{"amenity", "street", "city", "county", "state", "postalcode", "country"}

// reverseEcho is what a reverse answer in xml repeats of its question.
func (q *asked) reverseEcho(lat, lon float64) string {
	if q.request.Format() != place.XML {
		return ""
	}
	echo := "lat=" + pythonFloat(lat) + "&lon=" + pythonFloat(lon) + "&format=xml"
	if z := q.text("zoom"); z != "" {
		echo += "&zoom=" + url.QueryEscape(z)
	}
	return echo
}

// searchText reads what a search looks for: free text, or the fields of a
// structured search, which are then joined to a text as well.
func (q *asked) searchText() (text string, structured map[string]string) {
	var fields []string
	for _, name := range structuredNames {
		if v := q.text(name); v != "" {
			if structured == nil {
				structured = make(map[string]string)
			}
			structured[name] = v
			fields = append(fields, v)
		}
	}
	text, free := q.last("q")
	switch {
	case free && len(fields) > 0:
		q.refuse("Structured query parameters(" + strings.Join(structuredNames, ", ") +
			") cannot be used together with 'q' parameter.")
	case free && text != "" && strings.TrimFunc(text, isPythonSpace) == "", !free && len(fields) == 0:
		q.refuse("Nothing to search for.")
	case !free:
		text = strings.Join(fields, ", ")
	}
	return text, structured
}
