package provider

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
	"geogate/internal/outbound"
	"geogate/internal/place"
	"geogate/upstream/request"
)

// foreignEndpoints are what a geocoder with an API of its own can answer.
var foreignEndpoints = []request.Endpoint{request.Search, request.Reverse}

// foreign is a geocoder that speaks another language than Nominatim: a dialect
// says how it is asked and what its answers mean. To clients it looks like a
// Nominatim with other data: the same parameters, refusals and formats. What
// its API has no word for (outlines, entrances) is left out of the answer.
type foreign struct {
	server  Server
	dialect dialect
}

// dialect is the API of one kind of geocoder. The functions are pure.
type dialect struct {
	attribution place.Attribution
	// search and reverse say which path and parameters ask the question.
	search, reverse func(q *request.Question) (path string, query url.Values)
	// suggest asks for what somebody is typing; nil: there is no way to.
	suggest func(q *request.Question) (path string, query url.Values)
	// headerLanguage sends the languages as a header instead.
	headerLanguage bool
	// read understands an answer of status 200, or 404 where that means nothing
	// was found. Without any place it is an answer, too.
	read func(rep outbound.Reply) ([]place.Place, error)
	// anyZoom: a reverse question cannot say how coarse the answer should be, and
	// every answer is the finest there is.
	anyZoom bool
	// notFound: status 404 is how it says that there is no such place.
	notFound bool
}

// favourite is the language wanted most, or "".
func favourite(q *request.Question) string {
	languages := q.Languages()
	if len(languages) == 0 {
		return ""
	}
	return languages[0]
}

// center is the middle of a box.
func center(b place.Box) geo.Point {
	return geo.Point{Lat: (b.South + b.North) / 2, Lon: (b.West + b.East) / 2}
}

func newForeign(d dialect) func(Server) Provider {
	return func(s Server) Provider { return &foreign{s, d} }
}

func (f *foreign) Name() string { return f.server.Provider }

func (f *foreign) Geocode(ctx context.Context, r request.Request) (Answer, error) {
	if wrong := r.Mistake(); wrong != nil {
		return Refuse(f.Name(), wrong), nil
	}
	q, o := r.Question(), options(r, f.dialect.attribution)
	ask := f.dialect.search
	switch {
	case q.Reverse && !q.Point.Valid():
		return single(f.Name(), r, nil, o), nil
	case q.Reverse:
		ask = f.dialect.reverse
	case q.Words() == "":
		return list(f.Name(), r, nil, o), nil
	case r.Endpoint() == request.Suggest:
		ask = f.dialect.suggest
	}
	places, refused, err := f.ask(ctx, q, ask)
	switch {
	case err != nil:
		return Answer{}, err
	case refused:
		return Refuse(f.Name(), &request.BadRequest{
			Status: http.StatusBadRequest, Message: "The geocoder refused the request.", Format: r.Format(),
		}), nil
	}
	places = slices.DeleteFunc(places, func(p place.Place) bool { return isExcluded(p, q.Excluded) })
	if q.Reverse && f.dialect.anyZoom {
		for i := range places {
			coarsen(&places[i], labelAt(q.Zoom))
		}
	}
	switch {
	case r.Endpoint() != request.Reverse:
		return list(f.Name(), r, places[:min(len(places), q.Limit)], o), nil
	case len(places) == 0:
		return single(f.Name(), r, nil, o), nil
	default:
		return single(f.Name(), r, &places[0], o), nil
	}
}

// ask sends the question. refused is the provider's own 400.
func (f *foreign) ask(ctx context.Context, q *request.Question, by func(*request.Question) (string, url.Values)) (places []place.Place, refused bool, err error) {
	path, query := by(q)
	header := ""
	if f.dialect.headerLanguage {
		header = strings.Join(q.Languages(), ",")
	}
	rep, err := f.server.Get(ctx, path, query.Encode(), header)
	if err != nil {
		return nil, false, err
	}
	switch {
	case rep.Status == http.StatusOK:
	case rep.Status == http.StatusNotFound && f.dialect.notFound:
	case rep.Status == http.StatusBadRequest && json.Valid(rep.Body):
		return nil, true, nil
	default:
		return nil, false, f.server.Fail(ErrInvalidAnswer, fmt.Errorf("status %d", rep.Status))
	}
	places, err = f.dialect.read(rep)
	if err != nil {
		return nil, false, f.server.Fail(ErrInvalidAnswer, err)
	}
	return places, false, nil
}

// isExcluded reports whether a place is among the ids that a client does not
// want to see again.
func isExcluded(p place.Place, ids []string) bool {
	for _, id := range ids {
		id = strings.ToUpper(id)
		if p.ID != 0 && id == strconv.FormatInt(p.ID, 10) ||
			p.OSMID != 0 && p.OSMType != "" && id == strings.ToUpper(p.OSMType[:1])+strconv.FormatInt(p.OSMID, 10) {
			return true
		}
	}
	return false
}

// errNotTheirs: an answer in another shape than the provider documents.
var errNotTheirs = errors.New("not in the documented shape")

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
