package upstreamtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"geogate/testdata/nominatim" //nolint:depguard // embedded test data: imports nothing and is for this test server
	"geogate/upstream"
)

// A Recording is one request to a real Nominatim and what it answered.
type Recording struct {
	Group     string            `json:"group"`
	Method    string            `json:"method"`
	URL       string            `json:"url"` // path and query, as it was sent
	ReqHeader map[string]string `json:"req_headers"`
	Status    int               `json:"status"`
	Header    map[string]string `json:"headers"` // names in lower case
	Body      string            `json:"body"`
}

// Recordings returns all recorded requests in their order.
func Recordings() []Recording {
	var all []Recording
	d := json.NewDecoder(bytes.NewReader(nominatim.Recorded))
	for {
		var r Recording
		if err := d.Decode(&r); err == io.EOF {
			return all
		} else if err != nil {
			panic(fmt.Sprintf("upstreamtest: recorded.jsonl: %v", err))
		}
		all = append(all, r)
	}
}

// Canonical returns the canonical request of a recording; ok is false for
// paths that are not endpoints and for requests that the gateway refuses itself.
func (r Recording) Canonical() (req upstream.Request, ok bool) {
	path, query, _ := strings.Cut(r.URL, "?")
	ep, ok := endpointOf(path)
	if !ok || r.Method != http.MethodGet {
		return upstream.Request{}, false
	}
	req, err := upstream.Canonical(ep, upstream.ParseQuery(query), r.ReqHeader["Accept-Language"])
	return req, err == nil
}

// Unwrapped returns the body without the function call that json_callback
// asked for, and the content type that goes with it.
func (r Recording) Unwrapped() (contentType, body string) {
	contentType, body = r.Header["content-type"], r.Body
	if !strings.HasPrefix(contentType, "application/javascript") {
		return contentType, body
	}
	_, body, _ = strings.Cut(body, "(")
	return "application/json; charset=utf-8", strings.TrimSuffix(body, ")")
}

// endpointOf reads a path as Nominatim does, aliases included.
func endpointOf(path string) (upstream.Endpoint, bool) {
	if p, err := url.PathUnescape(path); err == nil {
		path = p
	}
	ep := upstream.Endpoint(strings.TrimSuffix(strings.TrimLeft(path, "/"), ".php"))
	switch ep {
	case upstream.Search, upstream.Reverse, upstream.Lookup, upstream.Details,
		upstream.Status, upstream.Deletable, upstream.Polygons:
		return ep, true
	}
	return "", false
}
