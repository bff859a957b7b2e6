package gateway

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"geogate/cache"
	"geogate/internal/geo"
	"geogate/upstream"
)

// maxQuery is the longest address, in characters, that geogate's own endpoints
// take.
const maxQuery = 1000

// apiParameters are passed on to the geocoder as they are. Anything else is a
// mistake worth telling.
var apiParameters = []string{
	"q", "lat", "lon", "lng", "limit", "zoom", "countrycodes", "viewbox", "bounded", "layer",
	"addressdetails", "extratags", "namedetails", "accept-language",
}

// getAPI geocodes q, or reverse geocodes lat and lon.
func (g *Gateway) getAPI(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r.URL, apiParameters...)
	if err != nil {
		return err
	}
	return g.answerAPI(w, r, query)
}

// postAPI is getAPI with the parameters in a JSON body: routers refuse long
// request lines, and a percent-encoded CJK letter takes nine bytes of them.
func (g *Gateway) postAPI(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Q              string `json:"q"`
		Limit          *int   `json:"limit"`
		Zoom           *int   `json:"zoom"`
		CountryCodes   string `json:"countrycodes"`
		AcceptLanguage string `json:"accept-language"`
		coordinates
	}
	if err := decode(w, r, &body); err != nil {
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
	for name, v := range map[string]*float64{"lat": body.Lat, "lng": body.Lng, "lon": body.Lon} {
		if v != nil {
			query.Set(name, strconv.FormatFloat(*v, 'f', -1, 64))
		}
	}
	return g.answerAPI(w, r, query)
}

func (g *Gateway) answerAPI(w http.ResponseWriter, r *http.Request, query url.Values) error {
	req, cell, err := g.apiRequest(query, r.Header.Get("Accept-Language"))
	if err != nil {
		return err
	}
	setCell(w.Header(), cell)
	res, err := g.lookup(r, req)
	if err != nil {
		return err
	}
	if res.Status != http.StatusOK {
		return refusedByUpstream(res)
	}
	exchangeOf(r).freshness.write(w.Header(), &res)
	etag := apiETag(res)
	w.Header().Set("ETag", etag)
	if notModified(r, etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	write(w, http.StatusOK, "application/json", apiBody(req.Endpoint(), res))
	return nil
}

// apiRequest turns the parameters of /api into a canonical request.
func (g *Gateway) apiRequest(query url.Values, acceptLanguage string) (req upstream.Request, cell string, err error) {
	byPoint := query.Has("lat") || query.Has("lon") || query.Has("lng")
	switch {
	case query.Has("q") && byPoint:
		return req, "", errAddressAndPoint
	case byPoint:
		point, err := pointOfQuery(query, false)
		if err != nil {
			return req, "", err
		}
		query.Del("lng")
		query.Set("lat", strconv.FormatFloat(point.Lat, 'f', -1, 64))
		query.Set("lon", strconv.FormatFloat(point.Lon, 'f', -1, 64))
		query.Set("format", "json")
		return g.canonical(upstream.Reverse, query, acceptLanguage)
	}
	if err := checkAddress(query.Get("q")); err != nil {
		return req, "", err
	}
	if limit := query.Get("limit"); limit != "" {
		if n, err := strconv.Atoi(limit); err != nil || n < 1 || n > 50 {
			return req, "", badRequest("invalid_limit", "limit must be a whole number from 1 to 50")
		}
	}
	query.Set("format", "json")
	return g.canonical(upstream.Search, query, acceptLanguage)
}

// addressRequest asks for the one best place of an address.
func addressRequest(q, acceptLanguage string) (upstream.Request, error) {
	if err := checkAddress(q); err != nil {
		return upstream.Request{}, err
	}
	return upstream.Canonical(upstream.Search, url.Values{"q": {q}, "format": {"json"}, "limit": {"1"}}, acceptLanguage)
}

func checkAddress(q string) error {
	switch {
	case strings.TrimSpace(q) == "":
		return badRequest("missing_query", "there is nothing to search for").
			withHint("give q, an address or place, or lat and lon")
	case utf8.RuneCountInString(q) > maxQuery:
		return badRequest("query_too_long", fmt.Sprintf("q is longer than %d characters", maxQuery))
	}
	return nil
}

func pointOfQuery(query url.Values, indexable bool) (geo.Point, error) {
	var c coordinates
	for name, target := range map[string]**float64{"lat": &c.Lat, "lon": &c.Lon, "lng": &c.Lng} {
		if !query.Has(name) {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(query.Get(name)), 64)
		if err != nil || math.IsNaN(v) {
			return geo.Point{}, badRequest("invalid_position", name+" must be a number").
				withHint("decimal degrees with a point, such as 47.14")
		}
		*target = &v
	}
	return c.point(indexable)
}

// apiBody wraps the list of places, as the geocoder gave it, without decoding
// it.
func apiBody(endpoint upstream.Endpoint, res cache.Result) []byte {
	var b bytes.Buffer
	b.Grow(len(res.Body) + 64)
	fmt.Fprintf(&b, `{"cache":%t`, res.Class == cache.Hit || res.Class == cache.Stale)
	if res.Class == cache.Stale {
		b.WriteString(`,"stale":true`)
	}
	if res.Provider != "" {
		fmt.Fprintf(&b, `,"source":%q`, res.Provider)
	}
	b.WriteString(`,"data":`)
	switch {
	case endpoint != upstream.Reverse:
		b.Write(res.Body)
	case res.Outcome == string(upstream.Found):
		b.WriteByte('[')
		b.Write(res.Body)
		b.WriteByte(']')
	default:
		b.WriteString("[]")
	}
	b.WriteByte('}')
	return b.Bytes()
}

// apiETag is weak: the places are the same whether they came from the cache or
// not, the bytes are not.
func apiETag(res cache.Result) string {
	if res.ETag == "" {
		return ""
	}
	return "W/" + res.ETag
}

// refusedByUpstream passes on what the geocoder itself found wrong.
func refusedByUpstream(res cache.Result) error {
	message, err := errorMessage(res.Body)
	if err != nil {
		message = "the geocoder refused the request"
	}
	return newProblem(res.Status, "refused_by_geocoder", message)
}
