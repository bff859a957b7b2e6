package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"geogate/internal/routing"
)

func newRoadHistogram() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "geogate_router_call_duration_seconds", Help: "Time that a routing engine took, by engine and outcome.", Buckets: latencies,
	}, []string{"engine", "outcome"})
}

// ObserveRouter counts a call to a routing engine; it fits
// routing.Config.Observe.
func (m *Metrics) ObserveRouter(c routing.Call) {
	m.roads.WithLabelValues(c.Engine, c.Outcome).Observe(c.Took.Seconds())
	m.waits.WithLabelValues(c.Engine, "people").Observe(c.Waited.Seconds())
}

// routerCollector turns what the router counts for itself into metrics when
// somebody asks.
type routerCollector struct{ router *routing.Router }

var (
	roadCellsDesc = prometheus.NewDesc("geogate_router_cells_total",
		"Ways from one point to another that were wanted, by where they came from (hit: the cache, miss: an engine, estimate).", []string{"from"}, nil)
	roadFailuresDesc = prometheus.NewDesc("geogate_router_failures_total",
		"Questions that an engine did not answer in time.", nil, nil)
	roadUpDesc = prometheus.NewDesc("geogate_router_up",
		"1 while a routing engine may be asked, 0 while its breaker is open or it has asked for a pause.", []string{"engine"}, nil)
)

func (c routerCollector) Describe(descs chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(c, descs)
}

func (c routerCollector) Collect(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	s := c.router.Stats()
	counter(roadCellsDesc, s.Hits, "hit")
	counter(roadCellsDesc, s.Misses, "miss")
	counter(roadCellsDesc, s.Estimated, "estimate")
	counter(roadFailuresDesc, s.Failures)
	for _, state := range c.router.States() {
		up := 0.0
		if state.State == "up" {
			up = 1
		}
		out <- prometheus.MustNewConstMetric(roadUpDesc, prometheus.GaugeValue, up, state.Name)
	}
}
