package doctor

import (
	"net/http"
	"strings"
	"testing"

	"geogate/internal/trace"
	"geogate/internal/trace/tracetest"
)

func TestExamineCollector(t *testing.T) {
	status := func(code int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(code)
			return false
		}
	}
	for _, tt := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request) bool
		gone   bool
		want   Verdict
		detail string
	}{
		{name: "takes spans", want: Healthy, detail: "/v1/traces takes spans, in "},
		{name: "wants another token", answer: status(http.StatusUnauthorized), want: Warned, detail: "/v1/traces: status 401"},
		{name: "is busy", answer: status(http.StatusServiceUnavailable), want: Warned, detail: "/v1/traces: status 503"},
		{name: "is gone", gone: true, want: Warned, detail: "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			collector := tracetest.New(t)
			collector.Answer(tt.answer)
			if tt.gone {
				collector.Close()
			}
			url := collector.URL + "/v1/traces"
			tracer := trace.New(trace.Config{URL: url})
			got := examineCollector(t.Context(), &Collector{URL: url, Probe: tracer.Probe})
			if len(got) != 1 || got[0].Verdict != tt.want || !strings.Contains(got[0].Detail, tt.detail) || (tt.want == Healthy) != (got[0].Hint == "") {
				t.Errorf("%+v, want %s %q, with a hint unless it is ok", got, tt.want, tt.detail)
			}
			if n := len(collector.Spans()); n != 0 {
				t.Errorf("%d spans were sent", n)
			}
		})
	}
	if got := examineCollector(t.Context(), nil); got != nil {
		t.Errorf("without a collector: %+v", got)
	}
}
