package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"strings"
	"time"

	"geogate/cache"
	"geogate/internal/place"
	"geogate/upstream"
)

// geocodeTimeout bounds one geocode, the wait for a budget included. Heroku's
// router gives up after 30 s.
const geocodeTimeout = 25 * time.Second

// endpoints are the paths of a Nominatim server.
var endpoints = map[string]upstream.Endpoint{
	"/search":    upstream.Search,
	"/reverse":   upstream.Reverse,
	"/lookup":    upstream.Lookup,
	"/details":   upstream.Details,
	"/status":    upstream.Status,
	"/deletable": upstream.Deletable,
	"/polygons":  upstream.Polygons,
}

// dropInPaths are the routes of endpoints; Nominatim answers each with .php too.
var dropInPaths = func() []string {
	var paths []string
	for p := range endpoints {
		paths = append(paths, p, p+".php")
	}
	return paths
}()

// dropInEndpoint tells which endpoint of Nominatim a path is.
func dropInEndpoint(urlPath string) (upstream.Endpoint, bool) {
	endpoint, found := endpoints[strings.TrimSuffix(path.Clean(urlPath), ".php")]
	return endpoint, found
}

// nominatim answers as the upstream does, byte for byte.
func (g *Gateway) nominatim(endpoint upstream.Endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req, cell, err := g.canonical(endpoint, upstream.ParseQuery(r.URL.RawQuery), r.Header.Get("Accept-Language"))
		if err != nil {
			g.failAsNominatim(w, r, err)
			return
		}
		res, err := g.lookup(r, req)
		if err != nil {
			g.failAsNominatim(w, r, err)
			return
		}
		setCell(w.Header(), cell)
		g.writeAnswer(w, r, req, res)
	}
}

// setCell says that another position was asked than the client's own.
func setCell(h http.Header, cell string) {
	if cell != "" {
		h.Set("X-Cache-Cell", cell)
	}
}

// lookup geocodes for the person who waits for r.
func (g *Gateway) lookup(r *http.Request, req upstream.Request) (cache.Result, error) {
	ex := exchangeOf(r)
	ex.query = g.queryHash.hash(req.Key())
	d := directives(r.Header)
	typed := g.isTyping(req, ex.client)
	d.OnlyIfCached = d.OnlyIfCached || typed
	if res, held := g.geocoder.Held(req, d, nil); held {
		ex.cache, ex.upstream = string(res.Class), res.Provider
		return res, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), geocodeTimeout)
	defer cancel()
	res, err := g.geocoder.Lookup(ctx, req, upstream.People, d)
	if typed && errors.Is(err, cache.ErrNotCached) {
		return cache.Result{}, errTyping
	}
	if err != nil {
		return cache.Result{}, err
	}
	ex.cache, ex.upstream = string(res.Class), res.Provider
	return res, nil
}

func (g *Gateway) writeAnswer(w http.ResponseWriter, r *http.Request, req upstream.Request, res cache.Result) {
	h := w.Header()
	exchangeOf(r).freshness.write(h, &res)
	if callback := req.Callback(); callback != "" && strings.HasPrefix(res.ContentType, "application/json") {
		body := make([]byte, 0, len(callback)+len(res.Body)+2)
		body = append(append(append(append(body, callback...), '('), res.Body...), ')')
		write(w, res.Status, "application/javascript; charset=utf-8", body)
		return
	}
	etag, length, body := res.ETagHeader(), res.ContentLengthHeader(), res.Body
	if acceptsGzip(r.Header["Accept-Encoding"]) {
		if z := res.Gzip(); z != nil {
			etag, length, body = z.ETagHeader(), z.ContentLengthHeader(), z.Body
			h["Content-Encoding"] = gzipEncoding
		}
	}
	h["Etag"] = etag
	if res.Status == http.StatusOK && notModified(r, etag[0]) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"], h["Content-Length"] = res.ContentTypeHeader(), length
	w.WriteHeader(res.Status)
	_, _ = w.Write(body) // the client may have gone
}

var gzipEncoding = []string{"gzip"}

// nominatimOptions answers OPTIONS as Nominatim's framework does. Preflight
// requests of browsers never come this far.
func (g *Gateway) nominatimOptions(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", allowed(r))
	write(w, http.StatusOK, "application/json", nil)
}

func (g *Gateway) failAsNominatim(w http.ResponseWriter, r *http.Request, err error) {
	exchangeOf(r).err = err
	g.writeNominatimError(w, r, problemOf(err))
}

// writeNominatimError gives p the shape of Nominatim's own errors: JSON, its
// XML twin, or text, as the format asks.
func (g *Gateway) writeNominatimError(w http.ResponseWriter, r *http.Request, p *problem) {
	endpoint, _ := dropInEndpoint(r.URL.Path)
	p.setHeaders(w.Header())
	contentType, body := place.RenderError(askedFormat(endpoint, r.URL.Query().Get("format")), p.Status, p.Detail)
	write(w, p.Status, contentType, body)
}

// askedFormat is the format in which a client expects an error, however wrong
// the rest of its request is.
func askedFormat(endpoint upstream.Endpoint, format string) place.Format {
	if format != "" {
		return place.Format(format)
	}
	return endpoint.DefaultFormat()
}

// writeBareTitle answers as the framework under Nominatim does where no
// endpoint of Nominatim is reached.
func writeBareTitle(w http.ResponseWriter, status int) {
	titles := map[int]string{
		http.StatusNotFound:         `{"title": "404 Not Found"}`,
		http.StatusMethodNotAllowed: `{"title": "405 Method Not Allowed"}`,
	}
	write(w, status, "application/json", []byte(titles[status]))
}

// errorMessage is what an upstream says in its own error body of status 400 or
// 404, asked in JSON.
func errorMessage(body []byte) (string, error) {
	var answer struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Error.Message == "" {
		return "", errors.New("no message in the error of the upstream")
	}
	return answer.Error.Message, nil
}
