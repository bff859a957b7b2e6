package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"geogate/internal/trace"
)

// traceCollector tells what became of spans.
type traceCollector struct{ tracer *trace.Tracer }

var spansDesc = prometheus.NewDesc("geogate_trace_spans_total",
	"Spans of traces, by what became of them: sent, dropped (there was no room) or failed (the collector did not take them).", []string{"outcome"}, nil)

func (c traceCollector) Describe(descs chan<- *prometheus.Desc) { descs <- spansDesc }

func (c traceCollector) Collect(out chan<- prometheus.Metric) {
	s := c.tracer.Stats()
	for outcome, n := range map[string]uint64{"sent": s.Sent, "dropped": s.Dropped, "failed": s.Failed} {
		out <- prometheus.MustNewConstMetric(spansDesc, prometheus.CounterValue, float64(n), outcome)
	}
}
