package docs

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"

	"geogate/checks/geogate"
)

// What the examples presume. Ids are made up in them, and the program has others.
const (
	exampleRide       = "default.fdkb24pj5jh6vbzwm22uf5ps2q"
	exampleOffer      = exampleRide + ".9a1f"
	exampleJob        = "91a0c9e1f39fb41f2b7f0f7a1bfc7b5d"
	exampleKey        = "0k3v9d1m2a"
	exampleSubscriber = "sub_wq5hkd2u7xnpq3yj4ma6zrc2te"
	exampleDelivery   = "evt_1763709000123-0"
	exampleHost       = "https://app.example.org" // gets webhooks
)

var presumed = map[string]func(*stage){
	"getRide": (*stage).endedRide, "rideEvents": (*stage).endedRide,
	"cancelRide": (*stage).matchedRide, "cancelRideByID": (*stage).matchedRide, "rideDriver": (*stage).matchedRide,
	"completeRide": (*stage).matchedRide, "completeRideByID": (*stage).matchedRide,
	"arrive": (*stage).matchedRide, "startRide": (*stage).matchedRide, "releaseRide": (*stage).matchedRide,
	"getDriver": (*stage).driver, "deleteDriver": (*stage).driver, "beginShift": (*stage).driver, "endShift": (*stage).driver,
	"getOffers": (*stage).asked, "acceptOffer": (*stage).offer, "declineOffer": (*stage).offer,
	"getJob": (*stage).job, "jobEvents": (*stage).job, "jobResult": (*stage).job, "deleteJob": (*stage).job,
	"revokeKey": (*stage).key,
	"subscribe": (*stage).host, "getSubscriber": (*stage).subscriber, "unsubscribe": (*stage).subscriber,
	"keepAlive": (*stage).subscriber, "rotateSecret": (*stage).subscriber, "testSubscriber": (*stage).subscriber,
	"listDeliveries": (*stage).subscriber, "redeliver": (*stage).delivery,
}

// TestExamplesWork sends the example of every operation, as "try it" of the reference does,
// and holds the answers against the description. Each must be a success.
func TestExamplesWork(t *testing.T) {
	dir := t.TempDir()
	geogate.Build(t, dir)
	nominatim := newRecordedNominatim(t)
	start := func(more ...string) string {
		return geogate.Start(t, dir, "bin/geogate serve", append(more, "ADMIN_TOKEN=secret", "RATE_LIMIT=0",
			"TOKEN_SECRET=0123456789abcdef0123456789abcdef", "WEBHOOK_ALLOW_CIDRS=127.0.0.0/8",
			"UPSTREAMS=nominatim+"+nominatim.URL)...)
	}
	assigns, asks := start(), start("DISPATCH_OFFER_TTL=1m")
	routes := map[string]routers.Router{assigns: routesOf(t, assigns), asks: routesOf(t, asks)}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)

	paths := description(t).Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path]
		for method, operation := range item.Operations() {
			base := assigns
			if strings.Contains(strings.ToLower(operation.OperationID), "offer") {
				base = asks
			}
			for name, r := range examplesOf(t, method, path, item, operation) {
				t.Run(operation.OperationID+name, func(t *testing.T) {
					s := &stage{t: t, client: client, base: base, routes: routes[base], receiver: nominatim.URL}
					if prepare := presumed[operation.OperationID]; prepare != nil {
						prepare(s)
					}
					s.try(r)
					s.tidy()
				})
			}
		}
	}
}

// A request is an example.
type request struct {
	method, target, contentType, body string
	header                            http.Header
}

// examplesOf returns the requests that the examples of an operation make, by what
// distinguishes them: one for each example of the body.
func examplesOf(t *testing.T, method, path string, item *openapi3.PathItem, operation *openapi3.Operation) map[string]request {
	t.Helper()
	query, header := url.Values{}, http.Header{}
	for _, ref := range slices.Concat(item.Parameters, operation.Parameters) {
		p := ref.Value
		if p.Example == nil {
			if p.Required {
				t.Errorf("%s: the parameter %s has no example", operation.OperationID, p.Name)
			}
			continue
		}
		value := fmt.Sprint(p.Example)
		switch p.In {
		case openapi3.ParameterInPath:
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(value))
		case openapi3.ParameterInQuery:
			query.Set(p.Name, value)
		case openapi3.ParameterInHeader:
			header.Set(p.Name, value)
		}
	}
	plain := request{method: method, target: path, header: header}
	if len(query) > 0 {
		plain.target += "?" + query.Encode()
	}
	if operation.RequestBody == nil {
		return map[string]request{"": plain}
	}
	requests := map[string]request{}
	for contentType, media := range operation.RequestBody.Value.Content {
		bodies := map[string]any{}
		if media.Example != nil {
			bodies["/"+contentType] = media.Example
		}
		for name, example := range media.Examples {
			bodies["/"+name] = example.Value.Value
		}
		for name, body := range bodies {
			r := plain
			r.contentType = contentType
			text, isText := body.(string)
			if !isText {
				encoded, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				text = string(encoded)
			}
			r.body = text
			requests[name] = r
		}
	}
	if len(requests) == 0 {
		t.Errorf("%s: the body has no example", operation.OperationID)
	}
	return requests
}

// try sends an example.
func (s *stage) try(r request) {
	s.t.Helper()
	live := strings.NewReplacer(s.live...)
	target, body := live.Replace(r.target), live.Replace(r.body)
	if len(s.live) > 0 && target == r.target && body == r.body {
		s.t.Errorf("%s %s %s has none of the made-up names %q", r.method, target, body, s.live)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), r.method, s.base+target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header = r.header.Clone()
	req.Header.Set("Authorization", "Bearer secret")
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	route, parameters, err := s.routes.FindRoute(req)
	if err != nil {
		s.t.Fatalf("%s %s is not described: %v", r.method, target, err)
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer := answer{res, s.read(res)}
	if res.StatusCode/100 != 2 {
		s.t.Fatalf("%s %s %s: %s\n%s", r.method, target, body, res.Status, answer.body)
	}
	if err := fits(s.t.Context(), req, route, parameters, answer); err != nil {
		s.t.Errorf("%s %s: the answer is not as described: %v\n%s", r.method, target, err, answer.body)
	}
	s.note(answer.body)
}

// read returns the body, of a stream its first block.
func (s *stage) read(res *http.Response) []byte {
	s.t.Helper()
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		body, err := io.ReadAll(res.Body)
		if err != nil {
			s.t.Fatal(err)
		}
		return body
	}
	var block bytes.Buffer
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() && lines.Text() != "" {
		block.WriteString(lines.Text() + "\n")
	}
	if block.Len() == 0 {
		s.t.Errorf("the stream begins with nothing: %v", lines.Err())
	}
	return block.Bytes()
}

// asked is the endpoint of a Nominatim and the format that it is to answer in.
func asked(target *url.URL) string {
	path := strings.TrimSuffix(target.Path, ".php")
	byDefault := map[string]string{"/search": "jsonv2", "/reverse": "xml", "/lookup": "xml", "/status": "text"}[path]
	return path + " " + cmp.Or(target.Query().Get("format"), byDefault, "json")
}

// newRecordedNominatim answers each endpoint as a real Nominatim did once, whatever the
// query, and takes webhooks.
func newRecordedNominatim(t *testing.T) *httptest.Server {
	t.Helper()
	type recording struct {
		Method, URL, Body string
		Status            int
		Headers           map[string]string
	}
	file, err := os.Open(filepath.Join(geogate.Root, "testdata", "nominatim", "recorded.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	answers := map[string]recording{}
	for lines := json.NewDecoder(file); lines.More(); {
		var r recording
		if err := lines.Decode(&r); err != nil {
			t.Fatal(err)
		}
		target, err := url.Parse(r.URL)
		if err != nil {
			continue // one that a Nominatim refuses
		}
		of := asked(target)
		if r.Method == http.MethodGet && r.Status == http.StatusOK && target.Query().Get("json_callback") == "" &&
			len(r.Body) > len(answers[of].Body) {
			answers[of] = r
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			return
		}
		found, ok := answers[asked(r.URL)]
		if !ok {
			t.Errorf("nothing is recorded for %s", r.URL)
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", found.Headers["content-type"])
		_, _ = io.WriteString(w, found.Body)
	}))
	t.Cleanup(server.Close)
	return server
}
