// Package tracetest is a stand-in for a collector of OpenTelemetry. It takes spans in the
// JSON form of OTLP and is as strict as the protocol: a field that the protocol does not
// know, an id of the wrong length or a number that is no string fails the test.
package tracetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// Span is one that arrived.
type Span struct {
	Service, Instance            string
	Trace, ID, Parent, Name      string
	Kind, Status                 int
	Start, End                   uint64 // Unix nanoseconds
	Attributes                   map[string]string
	Authorization, StatusMessage string
}

// Collector is a collector on a port of its own.
type Collector struct {
	*httptest.Server

	mu     sync.Mutex
	spans  []Span
	answer func(w http.ResponseWriter, r *http.Request) bool // nil, or true: spans are taken
	calls  int
}

// New starts a collector that ends with the test.
func New(tb testing.TB) *Collector {
	tb.Helper()
	c := &Collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(tb, w, r) }))
	tb.Cleanup(func() {
		c.CloseClientConnections() // one may hang
		c.Close()
	})
	return c
}

// Answer has f answer from now on, unless it returns true: then spans are taken.
func (c *Collector) Answer(f func(w http.ResponseWriter, r *http.Request) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

// Spans returns those that have arrived.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Calls is how often somebody has sent something.
func (c *Collector) Calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

func (c *Collector) serve(tb testing.TB, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender has left
	}
	c.mu.Lock()
	c.calls++
	answer := c.answer
	c.mu.Unlock()
	if answer != nil && !answer(w, r) {
		return
	}
	spans, err := parse(body)
	if r.URL.Path != "/v1/traces" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		err = fmt.Errorf("%s %s %q", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	if err != nil {
		tb.Errorf("collector: %v in %s", err, body)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for i := range spans {
		spans[i].Authorization = r.Header.Get("Authorization")
	}
	c.mu.Lock()
	c.spans = append(c.spans, spans...)
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"partialSuccess":{}}`)
}

// request is an ExportTraceServiceRequest of opentelemetry-proto, as far as anybody
// sends it.
type request struct {
	ResourceSpans []struct {
		Resource struct {
			Attributes []keyValue `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []struct {
			Scope struct {
				Name    string `json:"name"`
				Version string `json:"version"`
			} `json:"scope"`
			Spans []struct {
				TraceID           string     `json:"traceId"`
				SpanID            string     `json:"spanId"`
				ParentSpanID      string     `json:"parentSpanId"`
				Name              string     `json:"name"`
				Kind              int        `json:"kind"`
				StartTimeUnixNano string     `json:"startTimeUnixNano"`
				EndTimeUnixNano   string     `json:"endTimeUnixNano"`
				Attributes        []keyValue `json:"attributes"`
				Status            struct {
					Code    int    `json:"code"`
					Message string `json:"message"`
				} `json:"status"`
			} `json:"spans"`
		} `json:"scopeSpans"`
	} `json:"resourceSpans"`
}

type keyValue struct {
	Key   string `json:"key"`
	Value struct {
		StringValue *string `json:"stringValue"`
		IntValue    *string `json:"intValue"`
	} `json:"value"`
}

var (
	traceForm = regexp.MustCompile(`^[0-9a-f]{32}$`)
	spanForm  = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

func parse(body []byte) ([]Span, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	var req request
	if err := decoder.Decode(&req); err != nil {
		return nil, err
	}
	var spans []Span
	for _, r := range req.ResourceSpans {
		about, err := attributes(r.Resource.Attributes)
		if err != nil {
			return nil, err
		}
		for _, scope := range r.ScopeSpans {
			for _, s := range scope.Spans {
				if !traceForm.MatchString(s.TraceID) || !spanForm.MatchString(s.SpanID) ||
					s.ParentSpanID != "" && !spanForm.MatchString(s.ParentSpanID) {
					return nil, fmt.Errorf("ids %q %q %q", s.TraceID, s.SpanID, s.ParentSpanID)
				}
				if s.Kind < 1 || s.Kind > 5 || s.Status.Code < 0 || s.Status.Code > 2 || s.Name == "" {
					return nil, fmt.Errorf("span %q of kind %d, status %d", s.Name, s.Kind, s.Status.Code)
				}
				start, startErr := strconv.ParseUint(s.StartTimeUnixNano, 10, 64)
				end, endErr := strconv.ParseUint(s.EndTimeUnixNano, 10, 64)
				if startErr != nil || endErr != nil || end < start {
					return nil, fmt.Errorf("span %q from %q to %q", s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano)
				}
				own, err := attributes(s.Attributes)
				if err != nil {
					return nil, err
				}
				spans = append(spans, Span{
					Service: about["service.name"], Instance: about["service.instance.id"],
					Trace: s.TraceID, ID: s.SpanID, Parent: s.ParentSpanID, Name: s.Name, Kind: s.Kind,
					Status: s.Status.Code, StatusMessage: s.Status.Message, Start: start, End: end, Attributes: own,
				})
			}
		}
	}
	return spans, nil
}

func attributes(list []keyValue) (map[string]string, error) {
	all := map[string]string{}
	for _, a := range list {
		value := a.Value.StringValue
		if value == nil {
			value = a.Value.IntValue
			if value == nil || a.Value.StringValue != nil {
				return nil, fmt.Errorf("attribute %q has no value", a.Key)
			}
			if _, err := strconv.ParseInt(*value, 10, 64); err != nil {
				return nil, fmt.Errorf("attribute %q: %w", a.Key, err)
			}
		}
		if _, twice := all[a.Key]; twice || a.Key == "" {
			return nil, fmt.Errorf("attribute %q twice, or without a name", a.Key)
		}
		all[a.Key] = *value
	}
	return all, nil
}
