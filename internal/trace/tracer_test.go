package trace_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/asynctest"
	"geogate/internal/trace"
	"geogate/internal/trace/tracetest"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func start(t *testing.T, url string) (tracer *trace.Tracer, stop func()) {
	t.Helper()
	tracer = trace.New(trace.Config{
		URL: url + "/v1/traces", Every: 10 * time.Millisecond, Service: "town", Version: "v1", Instance: "one",
		Header: http.Header{"Authorization": {"Bearer secret"}}, Log: zerolog.Nop(),
	})
	return tracer, asynctest.Background(t, tracer.Run)
}

// work makes one span of a request and one below it.
func work(t *testing.T, tracer *trace.Tracer, traceparent string) {
	t.Helper()
	scope := tracer.Begin(traceparent)
	_, span := trace.Start(trace.With(t.Context(), scope), trace.Client, "ask")
	span.Set("text", strings.Repeat("x", 1000))
	span.Set("none", "")
	span.SetNumber("number", 0)
	span.Fail("no answer")
	span.End()
	root := scope.Root(trace.Server, "GET /", time.Now())
	root.End()
}

func TestSpansArrive(t *testing.T) {
	collector := tracetest.New(t)
	tracer, _ := start(t, collector.URL)
	work(t, tracer, parent)
	asynctest.Eventually(t, "both spans", func() bool { return len(collector.Spans()) == 2 })
	spans := collector.Spans()
	ask, root := spans[0], spans[1]
	if root.Trace != parent[3:35] || root.Parent != parent[36:52] || ask.Trace != root.Trace || ask.Parent != root.ID {
		t.Errorf("root %+v, below it %+v: not one trace", root, ask)
	}
	if root.Service != "town" || root.Instance != "one" || root.Kind != 2 || root.Status != 0 || root.Authorization != "Bearer secret" {
		t.Errorf("root %+v", root)
	}
	if ask.Status != 2 || ask.StatusMessage != "no answer" || ask.Attributes["number"] != "0" || len(ask.Attributes["text"]) != 256 || len(ask.Attributes) != 2 {
		t.Errorf("ask %+v", ask)
	}
	asynctest.Eventually(t, "they are counted", func() bool { return tracer.Stats() == trace.Stats{Sent: 2} })
}

func TestUnwantedSpansStay(t *testing.T) {
	collector := tracetest.New(t)
	tracer, stop := start(t, collector.URL)
	unwanted := strings.TrimSuffix(parent, "1") + "0"
	work(t, tracer, unwanted)
	if scope := tracer.Begin(unwanted); scope.ID() != parent[3:35] || !strings.HasSuffix(scope.String(), "-00") {
		t.Errorf("the trace goes on as %s", scope)
	}
	stop()
	if n := collector.Calls(); n != 0 {
		t.Errorf("%d calls for spans that nobody wants", n)
	}
}

func TestEndSendsWhatIsLeft(t *testing.T) {
	collector := tracetest.New(t)
	tracer := trace.New(trace.Config{URL: collector.URL + "/v1/traces", Every: time.Hour})
	stop := asynctest.Background(t, tracer.Run)
	for range 600 { // more than a batch
		work(t, tracer, "")
	}
	stop()
	if got := len(collector.Spans()); got != 1200 {
		t.Errorf("%d of 1200 spans arrived", got)
	}
}

// TestCollectorInTrouble has a collector fail in each way while far more spans are made
// than wait: nobody waits for it, and every span is accounted for.
func TestCollectorInTrouble(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request) bool
	}{
		{"hangs", func(_ http.ResponseWriter, r *http.Request) bool {
			<-r.Context().Done()
			return false
		}},
		{"is busy", func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
			return false
		}},
		{"refuses", func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusForbidden)
			return false
		}},
		{"redirects", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
			return false
		}},
		{"is gone", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			collector := tracetest.New(t)
			collector.Answer(tt.answer)
			if tt.answer == nil {
				collector.Close()
			}
			tracer, stop := start(t, collector.URL)
			const spans = 20_000
			for range spans / 2 {
				work(t, tracer, "")
			}
			if s := tracer.Stats(); s.Sent != 0 {
				t.Errorf("after %d spans: %+v", spans, s)
			}
			collector.CloseClientConnections()
			collector.Close()
			stop()
			if s := tracer.Stats(); s.Sent != 0 || s.Failed+s.Dropped != spans {
				t.Errorf("at the end: %+v, want %d lost", s, spans)
			}
		})
	}
}

func TestBusyCollectorGetsTheBatchLater(t *testing.T) {
	collector := tracetest.New(t)
	busy := make(chan struct{}, 1)
	busy <- struct{}{}
	collector.Answer(func(w http.ResponseWriter, _ *http.Request) bool {
		select {
		case <-busy:
			w.WriteHeader(http.StatusTooManyRequests)
			return false
		default:
			return true
		}
	})
	tracer, _ := start(t, collector.URL)
	work(t, tracer, "")
	asynctest.Eventually(t, "the spans", func() bool { return len(collector.Spans()) == 2 })
	asynctest.Eventually(t, "they are counted", func() bool { return tracer.Stats() == trace.Stats{Sent: 2} })
}

func TestRefusalsInPartAreCounted(t *testing.T) {
	collector := tracetest.New(t)
	collector.Answer(func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write([]byte(`{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}`))
		return false
	})
	tracer := trace.New(trace.Config{URL: collector.URL + "/v1/traces", Every: time.Hour})
	work(t, tracer, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tracer.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if s := tracer.Stats(); s != (trace.Stats{Sent: 1, Failed: 1}) {
		t.Errorf("Stats = %+v", s)
	}
}
