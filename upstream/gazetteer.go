package upstream

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

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
	q := asked{query: ParseQuery(r.Query()), request: r, attribution: gazetteer.Attribution}
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
	text, structured := q.searchText()
	if text == "" {
		return q.list(nil, o)
	}
	o.Query = text
	if structured == nil {
		query.Text = text
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
	if p, ok := coordinates(query.Text); ok {
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
	o.Query = q.reverseEcho(lat, lon)
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
