package geocoding

import (
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"strconv"
	"strings"

	"geogate/cache"
	"geogate/gateway/exchange"
	"geogate/internal/place"
	"geogate/upstream"
)

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

// Paths are the endpoints of a Nominatim server by their paths; it answers each
// path with .php, too.
func Paths() map[string]upstream.Endpoint {
	paths := make(map[string]upstream.Endpoint, 2*len(endpoints))
	for name, endpoint := range endpoints {
		paths[name], paths[name+".php"] = endpoint, endpoint
	}
	return paths
}

// EndpointOf tells which endpoint of a Nominatim server a path is.
func EndpointOf(urlPath string) (upstream.Endpoint, bool) {
	endpoint, found := endpoints[strings.TrimSuffix(path.Clean(urlPath), ".php")]
	return endpoint, found
}

// DropIn answers as the upstream's endpoint does, byte for byte.
func (a *API) DropIn(endpoint upstream.Endpoint) exchange.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		req, cell, err := a.Canonical(endpoint, upstream.ParseQuery(r.URL.RawQuery), r.Header.Get("Accept-Language"))
		if err != nil {
			return err
		}
		res, err := a.lookup(r, req)
		if err != nil {
			return err
		}
		setCell(w.Header(), cell)
		writeAnswer(w, r, req, res)
		return nil
	}
}

// setCell says that a position other than the client's own was asked.
func setCell(h http.Header, cell string) {
	if cell != "" {
		h.Set("X-Cache-Cell", cell)
	}
}

func writeAnswer(w http.ResponseWriter, r *http.Request, req upstream.Request, res cache.Result) {
	h := w.Header()
	exchange.Of(r).Freshness.Write(h, &res)
	if callback := req.Callback(); callback != "" && strings.HasPrefix(res.ContentType, "application/json") {
		body := make([]byte, 0, len(callback)+len(res.Body)+2)
		body = append(append(append(append(body, callback...), '('), res.Body...), ')')
		exchange.Write(w, res.Status, "application/javascript; charset=utf-8", body)
		return
	}
	etag, body := res.ETag, res.Body
	if exchange.AcceptsGzip(r.Header["Accept-Encoding"]) {
		if z := res.Gzip(); z != nil {
			etag, body = z.ETag, z.Body
			h["Content-Encoding"] = exchange.GzipEncoding
		}
	}
	h["Etag"] = []string{etag}
	if res.Status == http.StatusOK && exchange.NotModified(r, etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"], h["Content-Length"] = []string{res.ContentType}, []string{strconv.Itoa(len(body))}
	w.WriteHeader(res.Status)
	_, _ = w.Write(body) // the client may have gone
}

// WriteError answers with p in the shape of Nominatim's own errors: JSON, its XML
// twin, or text, depending on the format that was asked of endpoint.
func WriteError(endpoint upstream.Endpoint, w http.ResponseWriter, r *http.Request, p *exchange.Problem) {
	p.SetHeaders(w.Header())
	contentType, body := place.RenderError(askedFormat(endpoint, r.URL.Query().Get("format")), p.Status, p.Detail)
	exchange.Write(w, p.Status, contentType, body)
}

// askedFormat is the format in which a client expects an error, however wrong
// the rest of its request is.
func askedFormat(endpoint upstream.Endpoint, format string) place.Format {
	if format != "" {
		return place.Format(format)
	}
	return endpoint.DefaultFormat()
}

// WriteTitle answers with p as the framework under Nominatim does when a request
// reaches none of its endpoints.
func WriteTitle(w http.ResponseWriter, p *exchange.Problem) {
	p.SetHeaders(w.Header())
	titles := map[int]string{
		http.StatusNotFound:         `{"title": "404 Not Found"}`,
		http.StatusMethodNotAllowed: `{"title": "405 Method Not Allowed"}`,
	}
	exchange.Write(w, p.Status, exchange.JSON, []byte(titles[p.Status]))
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
