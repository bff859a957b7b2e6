package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"geogate/internal/headroom"
)

// memoryCollector tells how full Redis is.
type memoryCollector struct{ state func() headroom.State }

var (
	memoryUsedDesc = prometheus.NewDesc("geogate_redis_memory_bytes",
		"Memory that Redis uses, of a cluster the fullest node; with the built-in one, that of this process.", nil, nil)
	memoryLimitDesc = prometheus.NewDesc("geogate_redis_memory_limit_bytes",
		"Memory that Redis may use; 0 without a limit.", nil, nil)
	writesPausedDesc = prometheus.NewDesc("geogate_redis_optional_writes_paused",
		"1 while cache and jobs write nothing to Redis, because it is filling up.", nil, nil)
)

func (c memoryCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- memoryUsedDesc
	descs <- memoryLimitDesc
	descs <- writesPausedDesc
}

func (c memoryCollector) Collect(out chan<- prometheus.Metric) {
	s := c.state()
	if !s.Known {
		return
	}
	paused := 0.0
	if s.Paused {
		paused = 1
	}
	out <- prometheus.MustNewConstMetric(memoryUsedDesc, prometheus.GaugeValue, float64(s.Used))
	out <- prometheus.MustNewConstMetric(memoryLimitDesc, prometheus.GaugeValue, float64(s.Limit))
	out <- prometheus.MustNewConstMetric(writesPausedDesc, prometheus.GaugeValue, paused)
}
