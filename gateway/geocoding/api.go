package geocoding

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"geogate/cache"
	"geogate/gateway/exchange"
	"geogate/upstream"
)

// maxQuery is the longest address, in characters, that geogate's own endpoints
// take.
const maxQuery = 1000

// maxPlaces is how many places one may ask for at most, as with Nominatim.
const maxPlaces = 50

// apiParameters are passed on to the geocoder as they are. Anything else is a
// mistake, and the client is told so.
var apiParameters = []string{
	"q", "lat", "lon", "lng", "limit", "zoom", "countrycodes", "viewbox", "bounded", "layer",
	"addressdetails", "extratags", "namedetails", "accept-language",
}

// Get geocodes q, or reverse geocodes lat and lon.
func (a *API) Get(w http.ResponseWriter, r *http.Request) error {
	query, err := exchange.Parameters(r.URL, apiParameters...)
	if err != nil {
		return err
	}
	return a.answerPlaces(w, r, query)
}

// Post is Get with the parameters in a JSON body: routers refuse long request
// lines, and a percent-encoded CJK character takes nine bytes of them.
func (a *API) Post(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Q              string `json:"q"`
		Limit          *int   `json:"limit"`
		Zoom           *int   `json:"zoom"`
		CountryCodes   string `json:"countrycodes"`
		AcceptLanguage string `json:"accept-language"`
		exchange.Coordinates
	}
	if err := exchange.Decode(w, r, &body); err != nil {
		return err
	}
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	set("q", body.Q)
	set("countrycodes", body.CountryCodes)
	set("accept-language", body.AcceptLanguage)
	if body.Limit != nil {
		query.Set("limit", strconv.Itoa(*body.Limit))
	}
	if body.Zoom != nil {
		query.Set("zoom", strconv.Itoa(*body.Zoom))
	}
	for name, v := range map[string]*exchange.Coordinate{"lat": body.Lat, "lng": body.Lng, "lon": body.Lon} {
		if v != nil {
			query.Set(name, strconv.FormatFloat(float64(*v), 'f', -1, 64))
		}
	}
	return a.answerPlaces(w, r, query)
}

func (a *API) answerPlaces(w http.ResponseWriter, r *http.Request, query url.Values) error {
	req, cell, err := a.request(query, r.Header.Get("Accept-Language"))
	if err != nil {
		return err
	}
	setCell(w.Header(), cell)
	res, err := a.lookup(r, req)
	if err != nil {
		return err
	}
	if res.Status != http.StatusOK {
		return refusedByUpstream(res)
	}
	exchange.Of(r).Freshness.Write(w.Header(), &res)
	answer := a.wrap(req.Endpoint(), &res)
	w.Header().Set("ETag", answer.ETag)
	if r.Method != http.MethodPost && exchange.NotModified(r, answer.ETag) { // 304 answers GET and HEAD only (RFC 9110, 13.1.2)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	exchange.Write(w, http.StatusOK, exchange.JSON, answer.AppendTo(make([]byte, 0, answer.Len())))
	return nil
}

// request turns the parameters of /api into a canonical request.
func (a *API) request(query url.Values, acceptLanguage string) (req upstream.Request, cell string, err error) {
	byPoint := exchange.HasPoint(query)
	switch {
	case query.Has("q") && byPoint:
		return req, "", exchange.ErrAddressAndPoint
	case byPoint:
		point, err := exchange.PointOf(query, false)
		if err != nil {
			return req, "", err
		}
		query.Del("lng")
		query.Set("lat", strconv.FormatFloat(point.Lat, 'f', -1, 64))
		query.Set("lon", strconv.FormatFloat(point.Lon, 'f', -1, 64))
		query.Set("format", "json")
		return a.Canonical(upstream.Reverse, query, acceptLanguage)
	}
	if err := checkAddress(query.Get("q")); err != nil {
		return req, "", err
	}
	if _, err := exchange.Limit(query, maxPlaces, maxPlaces); err != nil {
		return req, "", err
	}
	query.Set("format", "json")
	return a.Canonical(upstream.Search, query, acceptLanguage)
}

func checkAddress(q string) error {
	switch {
	case strings.TrimSpace(q) == "":
		return exchange.BadRequest("missing_query", "nothing to search for").
			WithHint("give q, an address or place, or lat and lon")
	case utf8.RuneCountInString(q) > maxQuery:
		return exchange.BadRequest("query_too_long", fmt.Sprintf("q is longer than %d characters", maxQuery))
	}
	return nil
}

// townsOnly is what a client of a geogate without a street-level geocoder needs
// to know when an address is not found.
const townsOnly = "only towns are known here: set UPSTREAMS, see docs/geocoders.md"

// hint says why an address was not found, if geogate knows.
func (a *API) hint(endpoint upstream.Endpoint, res *cache.Result) string {
	if endpoint != upstream.Search || res.Outcome != string(upstream.Empty) {
		return ""
	}
	if members := a.geocoder.Chain().States(); len(members) == 1 && members[0].Kind == "gazetteer" {
		return townsOnly
	}
	return ""
}

// wrap writes around the list of places what geogate says of it. The places stay as
// the geocoder gave them: nothing is decoded.
func (a *API) wrap(endpoint upstream.Endpoint, res *cache.Result) *exchange.Envelope {
	e := &exchange.Envelope{Body: res.Body, ETag: apiETag(res)}
	b := make([]byte, 0, 96)
	b = append(b, `{"cache":`...)
	b = strconv.AppendBool(b, res.Class == cache.Hit || res.Class == cache.Stale)
	if res.Class == cache.Stale {
		b = append(b, `,"stale":true`...)
	}
	if res.Provider != "" {
		b = strconv.AppendQuote(append(b, `,"source":`...), res.Provider)
	}
	b = append(b, `,"data":`...)
	e.After = wholeAnswer
	if endpoint == upstream.Reverse {
		b = append(b, '[')
		e.After = wholeList
		if res.Outcome != string(upstream.Found) {
			e.Body = nil
		}
	}
	e.Before = b
	if hint := a.hint(endpoint, res); hint != "" {
		e.After = fmt.Appendf(nil, `,"hint":%q}`, hint)
	}
	return e
}

// What ends the answers of /api: after a list of the geocoder's, and after a place.
var wholeAnswer, wholeList = []byte("}"), []byte("]}")

// apiETag is weak: the places are the same whether they came from the cache or
// not, the bytes are not.
func apiETag(res *cache.Result) string {
	if res.ETag == "" {
		return ""
	}
	return "W/" + res.ETag
}

// refusedByUpstream passes on what the geocoder itself objects to.
func refusedByUpstream(res cache.Result) error {
	message, err := errorMessage(res.Body)
	if err != nil {
		message = "the geocoder refused the request"
	}
	return exchange.NewProblem(res.Status, "refused_by_geocoder", message)
}
