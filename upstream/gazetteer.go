package upstream

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"geogate/internal/gazetteer"
	"geogate/internal/geo"
	"geogate/internal/place"
)

// gazetteerName is the provider's name in answers, keys and metrics.
const gazetteerName = "gazetteer"

// NewGazetteer returns the provider that answers from the places built into
// the binary, as a Nominatim with the same places would: the same formats,
// defaults, refusals and empty answers. It goes into Config.Gazetteer. version
// is geogate's own, shown by /status.
//
// It never fails. Parameters that only make sense for OpenStreetMap's data are
// accepted and have no effect: outlines (polygon_…), entrances, dedupe by OSM
// id, lookup of OSM ids, and debug.
func NewGazetteer(g *gazetteer.Gazetteer, version string) Provider {
	return &builtin{places: g, version: version}
}

type builtin struct {
	places  *gazetteer.Gazetteer
	version string
}

func (b *builtin) Name() string { return gazetteerName }

// Geocode answers r. The error is always nil.
func (b *builtin) Geocode(_ context.Context, r Request) (Answer, error) {
	q := asked{query: ParseQuery(r.Query()), request: r}
	a := b.answer(&q)
	if q.refusal != nil {
		contentType, body := place.RenderError(q.refusal.format, q.refusal.status, q.refusal.message)
		a = Answer{Status: q.refusal.status, ContentType: contentType, Body: body, Outcome: Refused}
	}
	a.Provider = gazetteerName
	return a, nil
}

func (b *builtin) answer(q *asked) Answer {
	known := endpoints[q.request.Endpoint()].formats
	if !slices.Contains(known, q.request.Format()) {
		// In text, since there is no telling what the client can read.
		q.refusal = &refusal{http.StatusBadRequest, place.BadFormatMessage(known...), place.Text}
		return Answer{}
	}
	switch q.request.Endpoint() {
	case Search:
		return b.search(q)
	case Reverse:
		return b.reverse(q)
	case Lookup:
		return b.lookup(q)
	case Details:
		return b.details(q)
	case Status:
		return b.status(q)
	default: // deletable and polygons list faults of OpenStreetMap's data
		return Answer{Status: http.StatusOK, ContentType: place.JSON.ContentType(), Body: []byte("[]"), Outcome: Empty}
	}
}

// search reads the parameters in Nominatim's order, so that of several
// mistakes the same one is reported.
func (b *builtin) search(q *asked) Answer {
	o := q.options(false)
	query := gazetteer.Query{
		Limit:          min(max(q.integer("limit", 10), 1), 50),
		KeepDuplicates: !q.flag("dedupe", true),
		City:           q.text("city"), County: q.text("county"), State: q.text("state"), Country: q.text("country"),
		Finer: q.text("amenity") + q.text("street") + q.text("postalcode"),
	}
	var structured []string
	for _, name := range []string{"amenity", "street", "city", "county", "state", "postalcode", "country"} {
		if v := q.text(name); v != "" {
			structured = append(structured, v)
		}
	}
	text, free := q.last("q")
	switch {
	case free && len(structured) > 0:
		q.refuse("Structured query parameters(amenity, street, city, county, state, postalcode, country)" +
			" cannot be used together with 'q' parameter.")
	case free && text == "":
		o.Query = text
		return q.list(nil, o)
	case free && strings.TrimFunc(text, isPythonSpace) == "", !free && len(structured) == 0:
		q.refuse("Nothing to search for.")
	case free:
		query.Text, o.Query = text, text
	default:
		o.Query = strings.Join(structured, ", ")
	}
	query.CountryCodes = q.countryCodes()
	query.Exclude = q.excluded()
	query.Viewbox = q.viewbox()
	query.Bounded = q.flag("bounded", false)
	query.MinRank, query.MaxRank = q.ranks()
	if q.refusal != nil || !q.wantsAddresses() {
		return q.list(nil, o)
	}

	var found []gazetteer.Match
	if p, ok := coordinates(text); ok {
		// Nominatim takes a bare pair of coordinates for a reverse geocode.
		if m, ok := b.places.Reverse(p, 18); ok {
			found = append(found, m)
		}
	} else {
		found = b.places.Search(query)
	}
	places := make([]place.Place, len(found))
	var shown []string
	for i, m := range found {
		places[i] = m.Place(gazetteer.ParseLanguages(q.request.Languages()))
		if m.ID != 0 {
			shown = append(shown, strconv.FormatInt(m.ID, 10))
		}
	}
	// For those who ask on, with what they have seen excluded. Nominatim also
	// gives the URL for that, but a provider does not know the gateway's.
	for _, id := range query.Exclude {
		shown = append(shown, strconv.FormatInt(id, 10))
	}
	o.ExcludePlaceIDs = strings.Join(shown, ",")
	if query.Viewbox != nil {
		o.Viewbox = q.text("viewbox")
	}
	return q.list(places, o)
}

func (b *builtin) reverse(q *asked) Answer {
	lon, lat := q.float("lon"), q.float("lat")
	o := q.options(true)
	zoom := q.integer("zoom", 18)
	o.Query = "lat=" + pythonFloat(lat) + "&lon=" + pythonFloat(lon) + "&format=xml"
	if z := q.text("zoom"); z != "" {
		o.Query += "&zoom=" + url.QueryEscape(z)
	}
	if q.request.Format() != place.XML {
		o.Query = ""
	}
	var found *place.Place
	outcome := Empty
	if q.wantsAddresses() && q.refusal == nil {
		if m, ok := b.places.Reverse(geo.Point{Lat: lat, Lon: lon}, zoom); ok {
			p := m.Place(gazetteer.ParseLanguages(q.request.Languages()))
			metres := int(m.Distance)
			p.Accuracy = &metres
			found, outcome = &p, Found
		}
	}
	contentType, body := place.RenderOne(q.request.Format(), found, o)
	return Answer{Status: http.StatusOK, ContentType: contentType, Body: body, Outcome: outcome}
}

// maxLookups is how many OSM objects may be looked up at once.
const maxLookups = 50

// lookup finds nothing: the places have no OSM ids.
func (b *builtin) lookup(q *asked) Answer {
	o := q.options(true)
	count := 0
	for id := range strings.SplitSeq(q.text("osm_ids"), ",") {
		id = strings.TrimFunc(id, isPythonSpace)
		if len(id) > 1 && strings.ContainsRune("NWRnwr", rune(id[0])) && strings.Trim(id[1:], "0123456789") == "" {
			count++
		}
	}
	if count > maxLookups {
		q.refuse("Too many object IDs.")
	}
	return q.list(nil, o)
}

func (b *builtin) details(q *asked) Answer {
	const unknown = "No place with that OSM ID found."
	id := q.integer("place_id", 0)
	if id == 0 {
		switch _, ok := q.last("osmtype"); {
		case !ok:
			q.refuse("Missing ID parameter 'place_id' or 'osmtype'.")
		case !q.has("osmid"):
			q.refuse("Parameter 'osmid' missing.")
		default:
			q.integer("osmid", 0)
			q.refuseWith(http.StatusNotFound, unknown)
		}
		return Answer{}
	}
	m, ok := b.places.ByID(int64(id))
	if !ok {
		q.refuseWith(http.StatusNotFound, unknown)
		return Answer{}
	}
	contentType, body := place.RenderDetails(m.Place(gazetteer.ParseLanguages(q.request.Languages())), place.Options{
		Attribution: gazetteer.Attribution, AddressDetails: q.flag("addressdetails", false),
	})
	return Answer{Status: http.StatusOK, ContentType: contentType, Body: body, Outcome: Found}
}

func (b *builtin) status(q *asked) Answer {
	contentType, body := place.RenderStatus(q.request.Format(), place.Status{
		Message: "OK", DataUpdated: b.places.Date(), Software: "geogate " + b.version,
	})
	return Answer{Status: http.StatusOK, ContentType: contentType, Body: body, Outcome: Found, MaxTTL: statusTTL}
}

// asked reads the parameters of one request. The first mistake is kept; what is
// read after it does not matter.
type asked struct {
	query   url.Values
	request Request
	refusal *refusal
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
		Attribution:    gazetteer.Attribution,
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

// excluded reads exclude_place_ids. Ids of OSM objects are well-formed but
// exclude nothing here.
func (q *asked) excluded() []int64 {
	var ids []int64
	for id := range strings.SplitSeq(q.text("exclude_place_ids"), ",") {
		id = strings.TrimFunc(id, isPythonSpace)
		digits := id
		if id != "" && strings.ContainsRune("NWRnwr", rune(id[0])) {
			digits = id[1:]
		}
		n, ok := parseInt(digits)
		switch {
		case id == "":
		case !ok || strings.Trim(digits, "0123456789") != "":
			q.refuse("Invalid exclude ID: " + id)
		case digits == id && n > 0:
			ids = append(ids, int64(n))
		}
	}
	return ids
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

// ranks are the address ranks that a featureType stands for.
func (q *asked) ranks() (lowest, highest int) {
	switch q.text("featureType") {
	case "country":
		return 4, 4
	case "state":
		return 8, 8
	case "city":
		return 14, 16
	case "settlement":
		return 8, 20
	default:
		return 0, 30
	}
}

// wantsAddresses reports whether the layers asked for include that of
// addresses, which all places here belong to.
func (q *asked) wantsAddresses() bool {
	layers, ok := q.last("layer")
	if !ok || q.has("featureType") {
		return true
	}
	return slices.Contains(strings.Split(layers, ","), "address")
}

func (q *asked) list(places []place.Place, o place.Options) Answer {
	contentType, body := place.RenderList(q.request.Format(), places, o)
	outcome := Found
	if len(places) == 0 {
		outcome = Empty
	}
	return Answer{Status: http.StatusOK, ContentType: contentType, Body: body, Outcome: outcome}
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
