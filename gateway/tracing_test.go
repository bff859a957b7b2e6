package gateway_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

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
	asked := 0
	asynctest.Eventually(t, "the lane answers a hit", func() bool {
		asked++ // the first one of a connection is net/http's, and who is faster than it gets the next ones from it too
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
		return f.LaneAnswers(t) > 0
	})
	hits := map[string]bool{}
	asynctest.Eventually(t, "a span of each hit", func() bool {
		for _, s := range collector.Spans() {
			if s.Name == "GET /search" && s.Attributes["geogate.cache"] == "HIT" && s.Parent == "" {
				hits[s.Trace] = true
			}
		}
		return len(hits) == asked
	})
	for id := range hits {
		asynctest.Eventually(t, "a line of the log names trace "+id, func() bool { return strings.Contains(f.Log.String(), `"trace_id":"`+id+`"`) })
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

// A hit of the lane in a trace that nobody wants takes no more memory than without traces.
func TestUnwantedTracesCostTheLaneNothing(t *testing.T) {
	sampler, err := trace.ParseSampler("always_off", "")
	if err != nil {
		t.Fatal(err)
	}
	off := allocationsOfHit(t, nil)
	unwanted := allocationsOfHit(t, trace.New(trace.Config{URL: "http://127.0.0.1:9/v1/traces", Sampler: sampler}))
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties pools, of one of the two mostly
	var more []float64
	for range 101 {
		more = append(more, unwanted()-off())
	}
	slices.Sort(more)
	median := more[len(more)/2]
	t.Logf("a hit of the lane allocates %.2f times more in a trace that nobody wants", median)
	if median > 0.5 {
		t.Errorf("so many more (%.2f to %.2f) are no chance", more[0], more[len(more)-1])
	}
}

// allocationsOfHit returns a function that measures how often this process allocates memory
// for a hit of the lane. The client does not; what else the process does is counted as well.
func allocationsOfHit(t *testing.T, tracer *trace.Tracer) (measure func() float64) {
	t.Helper()
	f := gatewaytest.New(t, func(c *gateway.Config) {
		c.Tracer, c.Log, c.RateLimit = tracer, zerolog.New(discard{}), gateway.RateLimit{Requests: 1 << 40, Per: time.Minute}
	})
	f.Do(t, "GET "+gatewaytest.Vaduz, "")
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", f.Serve(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	answers := bufio.NewReader(conn)
	request, length := []byte("GET "+gatewaytest.Vaduz+" HTTP/1.1\r\nHost: geogate\r\n\r\n"), []byte("Content-Length: ")
	hit := func() {
		if _, err := conn.Write(request); err != nil {
			t.Fatal(err)
		}
		body := 0
		for {
			line, err := answers.ReadSlice('\n')
			if err != nil {
				t.Fatal(err)
			}
			if line = bytes.TrimSpace(line); len(line) == 0 {
				break
			}
			if digits, found := bytes.CutPrefix(line, length); found {
				for _, d := range digits {
					body = body*10 + int(d-'0')
				}
			}
		}
		if _, err := answers.Discard(body); err != nil {
			t.Fatal(err)
		}
	}
	return func() float64 {
		const hits = 100
		for range 100 {
			var before, after runtime.MemStats
			answered := f.LaneAnswers(t)
			runtime.ReadMemStats(&before)
			for range hits {
				hit()
			}
			runtime.ReadMemStats(&after)
			if f.LaneAnswers(t)-answered == hits { // none was left to net/http
				return float64(after.Mallocs-before.Mallocs) / hits
			}
		}
		t.Fatalf("in no round all of %d hits were answered in the lane", hits)
		return 0
	}
}
