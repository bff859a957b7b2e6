package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"geogate/internal/redistest"
	"geogate/internal/trace/tracetest"
)

// The traces that clients of these tests begin, and the span that they are in.
const (
	tracedGeocode = "0af7651916cd43dd8448eb211c80319c"
	tracedRide    = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan    = "b7ad6b7169203331"
)

// parents notes the traceparents that a server got.
type parents struct {
	mu   sync.Mutex
	seen []string
}

func (p *parents) note(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, r.Header.Get("traceparent"))
}

func (p *parents) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.seen, " ")
}

// awaitSpan waits for a span of a trace.
func awaitSpan(t *testing.T, c *tracetest.Collector, trace, service, name string) (found tracetest.Span) {
	t.Helper()
	eventually(t, patience, fmt.Sprintf("span %q of %s", name, service), func() error {
		for _, s := range c.Spans() {
			if s.Trace == trace && s.Service == service && s.Name == name {
				found = s
				return nil
			}
		}
		return errors.New("not there")
	})
	return found
}

// A geocode that missed, a ride that one process created and another one matched, and
// the webhook that tells of it: one trace each, in a collector that takes the JSON form
// of OTLP and nothing else.
func TestTraces(t *testing.T) {
	t.Parallel()
	collector, redis := tracetest.New(t), redistest.Start(t)
	var asked, told parents
	nominatim := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.note(r)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `[{"place_id":1,"lat":"47.14","lon":"9.52","display_name":"Vaduz"}]`)
	}))
	t.Cleanup(nominatim.Close)
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told.note(r) }))
	t.Cleanup(endpoint.Close)
	vars := func(name string) env {
		return settings("REDIS_URL", "redis://"+redis.Addr, "UPSTREAMS", "nominatim+"+nominatim.URL+"#name=own",
			"ADMIN_TOKEN", adminToken, "WEBHOOK_ALLOW_CIDRS", "127.0.0.0/8", "LOG_FORMAT", "json",
			"OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL, "OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret",
			"OTEL_SERVICE_NAME", name, "OTEL_BSP_SCHEDULE_DELAY", "50")
	}
	first, second := start(t, vars("first")), start(t, vars("second"))
	second.post(t, "/events/subscribers", fmt.Sprintf(`{"url":%q,"types":["request.matched"],"keepalive":false}`, endpoint.URL),
		"Authorization", "Bearer "+adminToken)

	first.get(t, "/search?q=vaduz&format=jsonv2", "traceparent", "00-"+tracedGeocode+"-"+clientSpan+"-01")
	request := awaitSpan(t, collector, tracedGeocode, "first", "GET /search")
	call := awaitSpan(t, collector, tracedGeocode, "first", "ask own")
	awaitSpan(t, collector, tracedGeocode, "first", "cache in redis")
	if request.Parent != clientSpan || call.Parent != request.ID || request.Attributes["geogate.cache"] != "MISS" ||
		request.Attributes["http.response.status_code"] != "200" || request.Authorization != "Bearer s3cret" {
		t.Errorf("request %+v, upstream %+v", request, call)
	}
	if want := "00-" + tracedGeocode + "-" + call.ID + "-01"; !strings.Contains(asked.all(), want) {
		t.Errorf("the upstream got %s, want %s", asked.all(), want)
	}
	for _, s := range collector.Spans() {
		if strings.Contains(strings.ToLower(fmt.Sprint(s.Attributes, s.Name)), "vaduz") {
			t.Errorf("span %+v tells what somebody looked for", s)
		}
	}
	figures := string(first.get(t, "/metrics", "Authorization", "Bearer "+adminToken, "Accept", "application/openmetrics-text").Body)
	if !strings.Contains(figures, `# {trace_id="`+tracedGeocode+`"}`) {
		t.Error("no histogram has the trace for an example")
	}
	eventually(t, patience, "the trace in the access log, which is written in batches", func() error {
		if !strings.Contains(first.Stderr.String(), `"trace_id":"`+tracedGeocode+`"`) {
			return errors.New("not there")
		}
		return nil
	})

	if code, said, _ := execute(t, vars("doctor"), "doctor"); !strings.Contains(said, collector.URL+"/v1/traces takes spans") {
		t.Errorf("geogate doctor = %d %s", code, said)
	}

	// Nobody is near. The first process is gone when the driver comes.
	first.post(t, "/v2/search", `{"lat":47.14,"lng":9.52}`, "traceparent", "00-"+tracedRide+"-"+clientSpan+"-01")
	posted := awaitSpan(t, collector, tracedRide, "first", "POST /v2/search")
	creation := awaitSpan(t, collector, tracedRide, "first", "create ride")
	first.stop(t)
	second.track(t, "1", 47.141, 9.521)
	match := awaitSpan(t, collector, tracedRide, "second", "match ride")
	delivery := awaitSpan(t, collector, tracedRide, "second", "deliver request.matched")
	if posted.Parent != clientSpan || creation.Parent != posted.ID || match.Parent != creation.ID || delivery.Parent != creation.ID || match.Instance == creation.Instance {
		t.Errorf("posted %+v, created %+v, matched %+v, told %+v: want one trace of two processes", posted, creation, match, delivery)
	}
	if want := "00-" + tracedRide + "-" + delivery.ID + "-01"; !strings.Contains(told.all(), want) {
		t.Errorf("the subscriber got %s, want %s", told.all(), want)
	}
}

// With a collector that hangs, and with one that is not there, geogate answers, and ends in time.
func TestTracesWithoutCollector(t *testing.T) {
	t.Parallel()
	hanging := tracetest.New(t)
	hanging.Answer(func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return false
	})
	for name, url := range map[string]string{"hangs": hanging.URL, "is not there": "http://127.0.0.1:9"} {
		t.Run(name, func(t *testing.T) {
			g := start(t, settings("OTEL_EXPORTER_OTLP_ENDPOINT", url, "OTEL_BSP_SCHEDULE_DELAY", "10", "ADMIN_TOKEN", adminToken))
			for range 50 {
				if got := g.get(t, "/readyz"); got.Status != http.StatusOK {
					t.Fatalf("/readyz = %v", got)
				}
			}
			g.stop(t)
		})
	}
}
