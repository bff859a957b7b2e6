package trace

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// These are the messages of opentelemetry-proto's trace service in its JSON form: ids in
// hex, 64-bit numbers as strings, enumerations as numbers.

type exportRequest struct {
	ResourceSpans []resourceSpans `json:"resourceSpans"`
}

type resourceSpans struct {
	Resource   resource     `json:"resource"`
	ScopeSpans []scopeSpans `json:"scopeSpans"`
}

type resource struct {
	Attributes []keyValue `json:"attributes"`
}

type scopeSpans struct {
	Scope instrumentation `json:"scope"`
	Spans []wireSpan      `json:"spans"`
}

type instrumentation struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type wireSpan struct {
	TraceID      string     `json:"traceId"`
	SpanID       string     `json:"spanId"`
	ParentSpanID string     `json:"parentSpanId,omitempty"`
	Name         string     `json:"name"`
	Kind         Kind       `json:"kind"`
	Start        string     `json:"startTimeUnixNano"`
	End          string     `json:"endTimeUnixNano"`
	Attributes   []keyValue `json:"attributes,omitempty"`
	Status       wireStatus `json:"status"`
}

type keyValue struct {
	Key   string   `json:"key"`
	Value anyValue `json:"value"`
}

type anyValue struct {
	String *string `json:"stringValue,omitempty"`
	Int    string  `json:"intValue,omitempty"`
}

type wireStatus struct {
	Code    int    `json:"code,omitempty"` // 0: unset, 2: error
	Message string `json:"message,omitempty"`
}

// exportAnswer is what a collector says of spans that it did not take.
type exportAnswer struct {
	PartialSuccess struct {
		RejectedSpans json.Number `json:"rejectedSpans"`
		ErrorMessage  string      `json:"errorMessage"`
	} `json:"partialSuccess"`
}

func text(key, value string) keyValue { return keyValue{key, anyValue{String: &value}} }

// encode writes spans of one process as the body of a request.
func (t *Tracer) encode(spans []*Span) ([]byte, error) {
	wire := make([]wireSpan, len(spans))
	for i, s := range spans {
		wire[i] = s.wire()
	}
	body, err := json.Marshal(exportRequest{[]resourceSpans{{
		Resource: resource{[]keyValue{
			text("service.name", t.cfg.Service), text("service.version", t.cfg.Version), text("service.instance.id", t.cfg.Instance),
		}},
		ScopeSpans: []scopeSpans{{Scope: instrumentation{"geogate", t.cfg.Version}, Spans: wire}},
	}}})
	if err != nil {
		return nil, fmt.Errorf("encode spans: %w", err)
	}
	return body, nil
}

func (s *Span) wire() wireSpan {
	w := wireSpan{
		TraceID: s.scope.ID(), SpanID: hex.EncodeToString(s.scope.Context.span[:]), Name: s.name, Kind: s.kind,
		Start: nanoseconds(s.start), End: nanoseconds(s.end),
	}
	if s.scope.parent != (spanID{}) {
		w.ParentSpanID = hex.EncodeToString(s.scope.parent[:])
	}
	for _, a := range s.attributes {
		if a.text != "" {
			w.Attributes = append(w.Attributes, text(a.key, a.text))
			continue
		}
		w.Attributes = append(w.Attributes, keyValue{a.key, anyValue{Int: strconv.FormatInt(a.number, 10)}})
	}
	if s.failure != "" {
		w.Status = wireStatus{2, s.failure}
	}
	return w
}

func nanoseconds(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }
