package gateway_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/asynctest"
	"geogate/internal/trace"
	"geogate/internal/trace/tracetest"
)

const (
	clientTrace = "0af7651916cd43dd8448eb211c80319c"
	clientSpan  = "00-" + clientTrace + "-b7ad6b7169203331-01"
)

// A hit of the fast lane has a span like any other request, and stays in the lane.
func TestHitsOfTheLaneAreTraced(t *testing.T) {
	collector := tracetest.New(t)
	tracer := trace.New(trace.Config{URL: collector.URL + "/v1/traces", Every: 10 * time.Millisecond, Service: "geogate", Version: "test", Instance: "one"})
	asynctest.Background(t, tracer.Run)
	f := gatewaytest.New(t, func(c *gateway.Config) { c.Tracer = tracer })
	f.Do(t, "GET "+gatewaytest.Vaduz, "")
	f.URL = "http://" + f.Serve(t)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	t.Cleanup(client.CloseIdleConnections)
	for range 3 { // the first one of a connection is net/http's
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.URL+gatewaytest.Vaduz, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, res.Body) // else the connection is not used again
		if err = errors.Join(err, res.Body.Close()); err != nil {
			t.Fatal(err)
		}
	}
	hits := map[string]bool{}
	asynctest.Eventually(t, "a span of each hit", func() bool {
		for _, s := range collector.Spans() {
			if s.Name == "GET /search" && s.Attributes["geogate.cache"] == "HIT" && s.Parent == "" {
				hits[s.Trace] = true
			}
		}
		return len(hits) == 3
	})
	if f.LaneAnswers(t) == 0 {
		t.Error("no hit was answered in the lane")
	}
	for id := range hits {
		if !strings.Contains(f.Log.String(), `"trace_id":"`+id+`"`) {
			t.Errorf("no line of the log names trace %s", id)
		}
	}
}

// Without a tracer the trace of a client is in the log, and nothing else is there.
func TestTraceOfTheClientIsLogged(t *testing.T) {
	f := gatewaytest.New(t)
	for _, tt := range []struct {
		name    string
		headers []string
		want    bool
	}{
		{"none", nil, false},
		{"one", []string{"traceparent: " + clientSpan}, true},
		{"two", []string{"traceparent: " + clientSpan, "traceparent: " + clientSpan}, false},
		{"malformed", []string{"traceparent: 00-" + clientTrace}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.Log.Reset()
			f.Do(t, "GET "+gatewaytest.Vaduz, "", tt.headers...)
			asynctest.Eventually(t, "a line", func() bool { return strings.Contains(f.Log.String(), `"message":"request"`) })
			if got := strings.Contains(f.Log.String(), `"trace_id":"`+clientTrace+`"`); got != tt.want || !got && strings.Contains(f.Log.String(), "trace_id") {
				t.Errorf("log %s", f.Log.String())
			}
		})
	}
}
