package metrics

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// TellBuild adds which program this is; call it before serving, once. A fleet of one
// release has one value of each label.
func (m *Metrics) TellBuild(version, commit string) {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "geogate_build_info",
		Help:        "Always 1; its labels tell the release, its commit, and the Go that built it.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(build)
}

// disagreementCollector tells how many settings other processes on the same Redis
// have otherwise. It asks nobody: the process compares them every few seconds.
type disagreementCollector struct{ disagreements func() []string }

var disagreementsDesc = prometheus.NewDesc("geogate_settings_disagreements",
	"Settings that must agree in the fleet, and that this process has otherwise than another one.", nil, nil)

func (c disagreementCollector) Describe(descs chan<- *prometheus.Desc) { descs <- disagreementsDesc }

func (c disagreementCollector) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(disagreementsDesc, prometheus.GaugeValue, float64(len(c.disagreements())))
}
