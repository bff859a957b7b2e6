package provider

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"geogate/internal/place"
	"geogate/internal/streets"
	"geogate/upstream/request"
)

// NewStreets returns the provider that answers from files made by geogate
// import, as a Nominatim with the same data would. name is its own in answers,
// keys and metrics; version is geogate's, shown by /status.
//
// Its outlines are not simplified; entrances and debug have no effect.
func NewStreets(l *streets.Library, name, version string) Provider {
	return &local{library: l, name: name, version: version}
}

type local struct {
	library *streets.Library
	name    string
	version string
}

func (l *local) Name() string { return l.name }

// DataVersion changes with the files: answers of older ones are not served.
func (l *local) DataVersion() string { return l.library.Version() }

// Geocode answers r. The error says that a file is damaged.
func (l *local) Geocode(ctx context.Context, r request.Request) (a Answer, err error) {
	if wrong := r.Mistake(); wrong != nil {
		return Refuse(l.name, wrong), nil
	}
	err = l.library.Use(func(files streets.Files) error {
		var err error
		switch r.Endpoint() {
		case request.Search:
			a, err = l.search(ctx, files, r)
		case request.Reverse:
			a, err = l.reverse(files, r)
		case request.Lookup:
			a = l.lookup(files, r)
		case request.Details:
			a = l.details(files, r)
		case request.Status:
			a = l.status(files, r)
		case request.Suggest:
			a, err = l.suggest(ctx, files, r)
		default: // deletable and polygons list faults of OpenStreetMap's data
			a = answer(l.name, place.JSON.ContentType(), []byte("[]"), 0)
		}
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			return Answer{}, ctx.Err() //nolint:wrapcheck // the caller left
		}
		return Answer{}, &Error{Provider: l.name, Kind: ErrUnavailable, Err: err}
	}
	return a, nil
}

func (l *local) search(ctx context.Context, files streets.Files, r request.Request) (Answer, error) {
	q, o := r.Question(), options(r, streets.Attribution)
	if o.Query == "" {
		return list(l.name, r, nil, o), nil
	}
	if q.Reverse {
		m, ok, err := files.Reverse(streets.ReverseQuery{Point: q.Point, Zoom: q.Zoom, Layers: layersOf(q)})
		if err != nil || !ok {
			return list(l.name, r, nil, o), err
		}
		return list(l.name, r, l.places(q, []streets.Match{m}), o), nil
	}
	exclude, wrong := placeIDs(q.Excluded)
	if wrong != "" {
		return Refuse(l.name, &request.BadRequest{Status: http.StatusBadRequest, Message: "Invalid exclude ID: " + wrong, Format: r.Format()}), nil
	}
	query := streets.Query{
		Text: q.Text, Amenity: q.Field(request.Amenity), Street: q.Field(request.Street), City: q.Field(request.City),
		County: q.Field(request.County), State: q.Field(request.State), Country: q.Field(request.Country),
		PostalCode: q.Field(request.PostalCode), CountryCodes: q.Countries, Viewbox: q.Viewbox, Bounded: q.Has(request.Bounded),
		Limit: q.Limit, Layers: layersOf(q), Exclude: exclude,
	}
	if q.FeatureType != "" {
		query.MinRank, query.MaxRank = ranks(q.FeatureType)
	}
	if q.Has(request.Dedupe) {
		query.Limit += min(q.Limit, maxAlike)
	}
	found, err := files.Search(ctx, query)
	if err != nil {
		return Answer{}, err //nolint:wrapcheck // wrapped by Geocode
	}
	places := l.places(q, found)
	var shown []string
	for _, p := range places {
		shown = append(shown, strconv.FormatInt(p.ID, 10))
	}
	for _, id := range exclude {
		shown = append(shown, strconv.FormatInt(id, 10))
	}
	o.ExcludePlaceIDs = strings.Join(shown, ",")
	if q.Viewbox != nil {
		o.Viewbox = request.FormatBox(*q.Viewbox)
	}
	return list(l.name, r, places, o), nil
}

// suggest completes what somebody is typing.
func (l *local) suggest(ctx context.Context, files streets.Files, r request.Request) (Answer, error) {
	q := r.Question()
	query := streets.Query{Text: q.Text, CountryCodes: q.Countries, Limit: q.Limit}
	if q.Near {
		query.Near = &q.Point
	}
	places, err := files.Suggest(ctx, query, q.Languages())
	if err != nil {
		return Answer{}, err //nolint:wrapcheck // wrapped by Geocode
	}
	return list(l.name, r, places, options(r, streets.Attribution)), nil
}

// maxAlike is how many answers more are looked at, for those that read alike.
const maxAlike = 10

// look is what places that read alike have in common.
type look struct {
	osmType, category, name string
	rank                    int
}

// places are the answers in the words of the client's languages. Where the client
// wants no doubles, what reads like a better answer and is of the same kind is
// dropped, as Nominatim does: the stops of both directions, the ways of a street.
func (l *local) places(q *request.Question, found []streets.Match) []place.Place {
	want := details(q)
	limit := len(found)
	dedupe := q.Has(request.Dedupe)
	if dedupe {
		limit = min(limit, q.Limit)
	}
	places := make([]place.Place, 0, limit)
	var seen []look
	for _, m := range found {
		if len(places) == limit {
			break
		}
		p := m.Place(want)
		if dedupe {
			k := look{p.OSMType, p.Category, p.DisplayName, p.AddressRank}
			if slices.Contains(seen, k) {
				continue
			}
			seen = append(seen, k)
		}
		places = append(places, p)
	}
	return places
}

// details are what a question wants of its answers.
func details(q *request.Question) streets.Details {
	return streets.Details{
		Languages: q.Languages(), Outline: notation(q), Tags: q.Has(request.NameDetails) || q.Has(request.ExtraTags),
	}
}

// notation is the one in which a question wants outlines, 0 for none of them.
func notation(q *request.Question) streets.Notation {
	switch {
	case q.Has(request.PolygonGeoJSON):
		return streets.GeoJSON
	case q.Has(request.PolygonKML):
		return streets.KML
	case q.Has(request.PolygonSVG):
		return streets.SVG
	case q.Has(request.PolygonText):
		return streets.WKT
	default:
		return 0
	}
}

// layersOf are the layers that a question names, 0 for none.
func layersOf(q *request.Question) (layers streets.Layers) {
	for _, name := range q.Layers() {
		switch name {
		case "address":
			layers |= streets.Addresses
		case "poi":
			layers |= streets.POIs
		default:
			layers |= streets.Other
		}
	}
	return layers
}

func (l *local) reverse(files streets.Files, r request.Request) (Answer, error) {
	q, o := r.Question(), options(r, streets.Attribution)
	if !q.Point.Valid() {
		return single(l.name, r, nil, o), nil
	}
	m, ok, err := files.Reverse(streets.ReverseQuery{Point: q.Point, Zoom: q.Zoom, Layers: layersOf(q)})
	if err != nil || !ok {
		return single(l.name, r, nil, o), err //nolint:wrapcheck // wrapped by Geocode
	}
	p := l.places(q, []streets.Match{m})[0]
	metres := int(m.Distance)
	p.Accuracy = &metres
	return single(l.name, r, &p, o), nil
}

func (l *local) lookup(files streets.Files, r request.Request) Answer {
	q := r.Question()
	var found []streets.Match
	for _, id := range q.Objects {
		if m, ok := lookupObject(files, id); ok && !slices.ContainsFunc(found, func(have streets.Match) bool { return have.ID == m.ID }) {
			found = append(found, m)
		}
	}
	return list(l.name, r, l.places(q, found), options(r, streets.Attribution))
}

// lookupObject finds an object by an id such as N123.
func lookupObject(files streets.Files, id string) (streets.Match, bool) {
	n, err := strconv.ParseInt(id[1:], 10, 64)
	if err != nil {
		return streets.Match{}, false
	}
	return files.Lookup(strings.ToUpper(id)[0], n)
}

func (l *local) details(files streets.Files, r request.Request) Answer {
	q := r.Question()
	m, ok := files.ByID(q.PlaceID)
	if q.PlaceID == 0 && len(q.Objects) > 0 {
		m, ok = lookupObject(files, q.Objects[0])
	}
	if !ok {
		return Refuse(l.name, &request.BadRequest{Status: http.StatusNotFound, Message: "No place with that OSM ID found.", Format: r.Format()})
	}
	want := details(q)
	want.Tags = true
	contentType, body := place.RenderDetails(m.Place(want), place.Options{
		Attribution: streets.Attribution, AddressDetails: q.Has(request.AddressDetails),
	})
	return answer(l.name, contentType, body, 1)
}

// status tells the date of the data, and of a new file that could not be read.
func (l *local) status(files streets.Files, r request.Request) Answer {
	s := place.Status{Message: "OK", DataUpdated: files.Info().Date, Software: "geogate " + l.version}
	if err := l.library.Err(); err != nil && !errors.Is(err, context.Canceled) {
		s.Message = "OK, but a new file could not be read"
	}
	contentType, body := place.RenderStatus(r.Format(), s)
	a := answer(l.name, contentType, body, 1)
	a.MaxTTL = statusTTL
	return a
}
