package provider

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"geogate/internal/gazetteer"
	"geogate/internal/place"
	"geogate/upstream/request"
)

// gazetteerName is the provider's name in answers, keys and metrics.
const gazetteerName = "gazetteer"

// NewGazetteer returns the provider that answers from the places built into
// the binary, as a Nominatim with the same places would: the same formats,
// defaults, refusals and empty answers. version is geogate's own, shown by
// /status.
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

// DataVersion identifies what the answers are made from: the places, and the
// release of geogate, which ranks and words them.
func (b *builtin) DataVersion() string { return b.places.DataVersion() + " " + b.version }

// Geocode answers r. The error is always nil.
func (b *builtin) Geocode(_ context.Context, r request.Request) (Answer, error) {
	if wrong := r.Mistake(); wrong != nil {
		return Refuse(gazetteerName, wrong), nil
	}
	switch r.Endpoint() {
	case request.Search:
		return b.search(r), nil
	case request.Reverse:
		return b.reverse(r), nil
	case request.Lookup: // the places have no OSM ids
		return list(gazetteerName, r, nil, options(r, gazetteer.Attribution)), nil
	case request.Details:
		return b.details(r), nil
	case request.Status:
		return b.status(r), nil
	case request.Suggest:
		return b.suggest(r), nil
	default: // deletable and polygons list faults of OpenStreetMap's data
		return answer(gazetteerName, place.JSON.ContentType(), []byte("[]"), 0), nil
	}
}

func (b *builtin) search(r request.Request) Answer {
	q, o := r.Question(), options(r, gazetteer.Attribution)
	if o.Query == "" {
		return list(gazetteerName, r, nil, o)
	}
	exclude, wrong := placeIDs(q.Excluded)
	if wrong != "" {
		return refuse(r, http.StatusBadRequest, "Invalid exclude ID: "+wrong)
	}
	if !q.WantsAddresses() {
		return list(gazetteerName, r, nil, o)
	}
	found := b.find(q, exclude)
	places := make([]place.Place, len(found))
	var shown []string
	for i, m := range found {
		places[i] = m.Place(gazetteer.ParseLanguages(r.Languages()))
		if m.ID != 0 {
			shown = append(shown, strconv.FormatInt(m.ID, 10))
		}
	}
	// A client that asks for more excludes what it has seen. Nominatim also gives
	// the URL for that, but a provider does not know the gateway's.
	for _, id := range exclude {
		shown = append(shown, strconv.FormatInt(id, 10))
	}
	o.ExcludePlaceIDs = strings.Join(shown, ",")
	if q.Viewbox != nil {
		o.Viewbox = request.FormatBox(*q.Viewbox)
	}
	return list(gazetteerName, r, places, o)
}

func (b *builtin) find(q *request.Question, exclude []int64) []gazetteer.Match {
	if q.Reverse {
		if m, ok := b.places.Reverse(q.Point, q.Zoom); ok {
			return []gazetteer.Match{m}
		}
		return nil
	}
	query := gazetteer.Query{
		Text: q.Text,
		City: q.Field(request.City), County: q.Field(request.County),
		State: q.Field(request.State), Country: q.Field(request.Country),
		Finer:          q.Field(request.Amenity) + q.Field(request.Street) + q.Field(request.PostalCode),
		CountryCodes:   q.Countries,
		Viewbox:        q.Viewbox,
		Bounded:        q.Has(request.Bounded),
		Limit:          q.Limit,
		Exclude:        exclude,
		KeepDuplicates: !q.Has(request.Dedupe),
	}
	query.MinRank, query.MaxRank = ranks(q.FeatureType)
	return b.places.Search(query)
}

func (b *builtin) suggest(r request.Request) Answer {
	q, languages := r.Question(), gazetteer.ParseLanguages(r.Languages())
	prefix := gazetteer.Prefix{Text: q.Text, CountryCodes: q.Countries, Languages: languages, Limit: q.Limit}
	if q.Near {
		prefix.Near = &q.Point
	}
	found := b.places.Suggest(prefix)
	places := make([]place.Place, len(found))
	for i, m := range found {
		places[i] = m.Place(languages)
	}
	return list(gazetteerName, r, places, options(r, gazetteer.Attribution))
}

func (b *builtin) reverse(r request.Request) Answer {
	q, o := r.Question(), options(r, gazetteer.Attribution)
	if !q.WantsAddresses() {
		return single(gazetteerName, r, nil, o)
	}
	m, ok := b.places.Reverse(q.Point, q.Zoom)
	if !ok {
		return single(gazetteerName, r, nil, o)
	}
	p := m.Place(gazetteer.ParseLanguages(r.Languages()))
	metres := int(m.Distance)
	p.Accuracy = &metres
	return single(gazetteerName, r, &p, o)
}

func (b *builtin) details(r request.Request) Answer {
	q := r.Question()
	m, ok := b.places.ByID(q.PlaceID)
	if !ok {
		return refuse(r, http.StatusNotFound, "No place with that OSM ID found.")
	}
	contentType, body := place.RenderDetails(m.Place(gazetteer.ParseLanguages(r.Languages())), place.Options{
		Attribution: gazetteer.Attribution, AddressDetails: q.Has(request.AddressDetails),
	})
	return answer(gazetteerName, contentType, body, 1)
}

func (b *builtin) status(r request.Request) Answer {
	contentType, body := place.RenderStatus(r.Format(), place.Status{
		Message: "OK", DataUpdated: b.places.Date(), Software: "geogate " + b.version,
	})
	a := answer(gazetteerName, contentType, body, 1)
	a.MaxTTL = statusTTL
	return a
}

func refuse(r request.Request, status int, message string) Answer {
	return Refuse(gazetteerName, &request.BadRequest{Status: status, Message: message, Format: r.Format()})
}

// placeIDs reads ids to exclude, up to the first wrong one. Ids of OSM objects
// are well-formed but exclude nothing here.
func placeIDs(excluded []string) (ids []int64, wrong string) {
	for _, id := range excluded {
		digits := id
		if strings.ContainsRune("NWRnwr", rune(id[0])) {
			digits = id[1:]
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || strings.Trim(digits, "0123456789") != "" {
			return nil, id
		}
		if digits == id && n > 0 {
			ids = append(ids, n)
		}
	}
	return ids, ""
}

// ranks are the address ranks that a featureType stands for.
func ranks(featureType string) (lowest, highest int) {
	switch featureType {
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
