package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"geogate/internal/fleet"
)

// modeCollector tells the fleet's mode, as this process knows it.
type modeCollector struct{ value func() fleet.Value }

var (
	modeDesc = prometheus.NewDesc("geogate_mode",
		"1 for the mode that the fleet is in, 0 for the others.", []string{"mode"}, nil)
	modeGenerationDesc = prometheus.NewDesc("geogate_mode_generation",
		"How often the mode was changed.", nil, nil)
)

func (c modeCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- modeDesc
	descs <- modeGenerationDesc
}

func (c modeCollector) Collect(out chan<- prometheus.Metric) {
	v := c.value()
	for _, mode := range fleet.Modes {
		on := 0.0
		if mode == v.Mode {
			on = 1
		}
		out <- prometheus.MustNewConstMetric(modeDesc, prometheus.GaugeValue, on, string(mode))
	}
	out <- prometheus.MustNewConstMetric(modeGenerationDesc, prometheus.GaugeValue, float64(v.Generation))
}
