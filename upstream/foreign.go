package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"geogate/internal/geo"
	"geogate/internal/place"
)

// foreignEndpoints are what a geocoder with an API of its own can answer.
var foreignEndpoints = []Endpoint{Search, Reverse}

// foreign is a geocoder that speaks another language than Nominatim: a dialect
// says how it is asked and what its answers mean. To clients it looks like a
// Nominatim with other data: the same parameters, refusals and formats. What
// its API has no word for (outlines, entrances) is left out of the answer.
type foreign struct {
	fetcher
	base    string
	secret  string
	dialect dialect
}

// dialect is the API of one kind of geocoder. The functions are pure.
type dialect struct {
	attribution place.Attribution
	// search and reverse say which path and parameters ask the question.
	search, reverse func(q question) (path string, query url.Values)
	// headerLanguage sends the languages as a header instead.
	headerLanguage bool
	// read understands an answer of status 200, or 404 where that means nothing
	// was found. No places is an answer, too.
	read func(rep reply) ([]place.Place, error)
	// anyZoom: reverse questions cannot say how coarse the answer should be, and
	// every answer is the finest there is.
	anyZoom bool
	// notFound: status 404 is how it says that there is no such place.
	notFound bool
}

// question is a request as dialects see it.
type question struct {
	text       string            // free text, or the structured fields joined by commas
	structured map[string]string // by Nominatim's names; nil for free text
	point      geo.Point         // of a reverse question
	zoom       int
	limit      int
	languages  []string // best first
	countries  []string // lower case
	viewbox    *place.Box
	bounded    bool // nothing outside viewbox
	extraTags  bool
	names      bool
}

// language is the language wanted most, or "".
func (q question) language() string {
	if len(q.languages) == 0 {
		return ""
	}
	return q.languages[0]
}

// center is the middle of the viewbox.
func (q question) center() geo.Point {
	return geo.Point{Lat: (q.viewbox.South + q.viewbox.North) / 2, Lon: (q.viewbox.West + q.viewbox.East) / 2}
}

func newForeign(d dialect) func(Spec, fetcher) Provider {
	return func(s Spec, f fetcher) Provider {
		return &foreign{fetcher: f, base: s.base, secret: s.secret, dialect: d}
	}
}

func (f *foreign) Name() string { return f.provider }

func (f *foreign) Geocode(ctx context.Context, r Request) (Answer, error) {
	asked := &asked{query: ParseQuery(r.Query()), request: r, attribution: f.dialect.attribution}
	q, o := asked.question()
	if asked.refusal != nil {
		return f.refuse(*asked.refusal), nil
	}
	if r.Endpoint() == Search && q.text == "" {
		return f.list(r, nil, o), nil
	}
	ask, reverse := f.dialect.search, r.Endpoint() == Reverse
	if p, ok := coordinates(q.text); ok && q.structured == nil {
		// Nominatim takes a bare pair of coordinates for a reverse question.
		q.point, q.zoom, reverse = p, 18, true
	}
	if reverse {
		if !q.point.Valid() {
			return f.single(r, nil, o), nil
		}
		ask = f.dialect.reverse
	}
	places, refused, err := f.ask(ctx, q, ask)
	switch {
	case err != nil:
		return Answer{}, err
	case refused:
		return f.refuse(refusal{http.StatusBadRequest, "The geocoder refused the request.", r.Format()}), nil
	}
	places = slices.DeleteFunc(places, asked.isExcluded)
	if reverse && f.dialect.anyZoom {
		for i := range places {
			coarsen(&places[i], labelAt(q.zoom))
		}
	}
	if r.Endpoint() == Reverse {
		return f.single(r, places, o), nil
	}
	return f.list(r, places[:min(len(places), q.limit)], o), nil
}

// ask sends the question. refused is the provider's own 400.
func (f *foreign) ask(ctx context.Context, q question, by func(question) (string, url.Values)) (places []place.Place, refused bool, err error) {
	path, query := by(q)
	target := f.base + path + "?" + query.Encode()
	if f.secret != "" {
		target += "&" + f.secret
	}
	header := ""
	if f.dialect.headerLanguage {
		header = strings.Join(q.languages, ",")
	}
	rep, err := f.get(ctx, target, header)
	if err != nil {
		return nil, false, err
	}
	switch {
	case rep.status == http.StatusOK:
	case rep.status == http.StatusNotFound && f.dialect.notFound:
	case rep.status == http.StatusBadRequest && json.Valid(rep.body):
		return nil, true, nil
	default:
		return nil, false, f.fail(ErrInvalidAnswer, fmt.Errorf("status %d", rep.status))
	}
	places, err = f.dialect.read(rep)
	if err != nil {
		return nil, false, f.fail(ErrInvalidAnswer, err)
	}
	return places, false, nil
}

func (f *foreign) refuse(r refusal) Answer {
	contentType, body := place.RenderError(r.format, r.status, r.message)
	return Answer{Status: r.status, ContentType: contentType, Body: body, Outcome: Refused, Provider: f.provider}
}

func (f *foreign) list(r Request, places []place.Place, o place.Options) Answer {
	contentType, body := place.RenderList(r.Format(), places, o)
	return f.answer(contentType, body, len(places))
}

func (f *foreign) single(r Request, places []place.Place, o place.Options) Answer {
	var first *place.Place
	if len(places) > 0 {
		first = &places[0]
	}
	contentType, body := place.RenderOne(r.Format(), first, o)
	return f.answer(contentType, body, len(places))
}

func (f *foreign) answer(contentType string, body []byte, places int) Answer {
	a := Answer{
		Status: http.StatusOK, ContentType: contentType, Body: body, Outcome: Found, Provider: f.provider,
	}
	if places == 0 {
		a.Outcome = Empty
	}
	return a
}

// question reads a search or a reverse request, and refuses what Nominatim
// refuses, in its words.
func (q *asked) question() (question, place.Options) {
	known := endpoints[q.request.Endpoint()].formats
	if !slices.Contains(known, q.request.Format()) {
		q.refusal = &refusal{http.StatusBadRequest, place.BadFormatMessage(known...), place.Text}
		return question{}, place.Options{}
	}
	o := q.options(q.request.Endpoint() == Reverse)
	ask := question{extraTags: o.ExtraTags, names: o.NameDetails}
	if l := q.request.Languages(); l != "" {
		ask.languages = strings.Split(l, ",")
	}
	if q.request.Endpoint() == Reverse {
		ask.point.Lon, ask.point.Lat = q.float("lon"), q.float("lat")
		ask.zoom = min(max(q.integer("zoom", 18), 0), 18)
		o.Query = q.reverseEcho(ask.point.Lat, ask.point.Lon)
		ask.limit = 1
		return ask, o
	}
	ask.limit = min(max(q.integer("limit", 10), 1), 50)
	ask.countries, ask.viewbox, ask.bounded = q.countryCodes(), q.viewbox(), q.flag("bounded", false)
	ask.text, ask.structured = q.searchText()
	o.Query = ask.text
	return ask, o
}

// isExcluded reports whether a place is among the exclude_place_ids.
func (q *asked) isExcluded(p place.Place) bool {
	list := q.text("exclude_place_ids")
	if list == "" {
		return false
	}
	for id := range strings.SplitSeq(list, ",") {
		id = strings.ToUpper(strings.TrimFunc(id, isPythonSpace))
		if p.ID != 0 && id == strconv.FormatInt(p.ID, 10) ||
			p.OSMID != 0 && p.OSMType != "" && id == strings.ToUpper(p.OSMType[:1])+strconv.FormatInt(p.OSMID, 10) {
			return true
		}
	}
	return false
}

// errNotTheirs: an answer in another shape than the provider's documentation
// gives.
var errNotTheirs = errors.New("not in the shape that is documented")

// features reads a GeoJSON collection of points, which Photon and Pelias give.
func features[P any](body []byte) ([]feature[P], error) {
	var top struct {
		Type     string       `json:"type"`
		Features []feature[P] `json:"features"`
	}
	if err := json.Unmarshal(body, &top); err != nil || top.Features == nil {
		return nil, errNotTheirs
	}
	for _, f := range top.Features {
		if len(f.Geometry.Coordinates) < 2 {
			return nil, errNotTheirs
		}
	}
	return top.Features, nil
}

type feature[P any] struct {
	Geometry struct {
		Coordinates []float64 `json:"coordinates"`
	} `json:"geometry"`
	Properties P         `json:"properties"`
	BBox       []float64 `json:"bbox"` // west, south, east, north
}

func (f feature[P]) point() geo.Point {
	return geo.Point{Lat: f.Geometry.Coordinates[1], Lon: f.Geometry.Coordinates[0]}
}
