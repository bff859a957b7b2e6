package bulk

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"geogate/internal/asynctest"
	"geogate/internal/trace"
	"geogate/internal/trace/tracetest"
)

// A chunk is in the trace of its upload, with a span of its own and none for its rows. The
// job's id, which is a secret, is in none.
func TestChunksAreTraced(t *testing.T) {
	collector := tracetest.New(t)
	tracer := trace.New(trace.Config{URL: collector.URL + "/v1/traces", Every: 10 * time.Millisecond})
	asynctest.Background(t, tracer.Run)
	w := newWorld(t)
	var mu sync.Mutex
	var asked []string
	w.town.before = func(ctx context.Context, _ int, _ Query) error {
		_, span := trace.Start(ctx, trace.Client, "ask")
		span.End()
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, trace.Header(ctx))
		return nil
	}
	upload := tracer.Begin("")
	job, err := w.master.Create(trace.With(t.Context(), upload), Upload{Body: strings.NewReader("address\nVaduz\nSchaan\n")})
	if err != nil {
		t.Fatal(err)
	}
	w.worker(t, WorkerConfig{Tracer: tracer})
	w.finished(t, job.ID)
	asynctest.Eventually(t, "a span", func() bool { return len(collector.Spans()) > 0 })
	spans := collector.Spans()
	if s := spans[0]; len(spans) != 1 || s.Name != "work on chunk" || s.Trace != upload.ID() || s.Attributes["geogate.rows"] != "2" || s.Attributes["geogate.chunk"] != "0" {
		t.Fatalf("spans %+v, want one of the chunk", spans)
	}
	for _, value := range spans[0].Attributes {
		if strings.Contains(value, job.ID) {
			t.Error("the span tells the job's id")
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if want := "00-" + upload.ID() + "-" + spans[0].ID + "-01"; len(asked) != 2 || asked[0] != want || asked[1] != want {
		t.Errorf("rows were asked for in %v, want %s", asked, want)
	}
}
