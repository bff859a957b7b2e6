package metrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"geogate/internal/bulk"
)

// jobCollector asks Redis for the figures of bulk jobs when somebody asks for
// metrics. They are those of the fleet and the same in every process, workers that
// have no /metrics included: take the maximum over processes, not the sum.
type jobCollector struct{ master *bulk.Master }

var (
	jobsDesc = prometheus.NewDesc("geogate_jobs",
		"Bulk jobs that have not ended, by state (queued: no worker has had it yet, running), of the fleet.", []string{"state"}, nil)
	jobsKeptDesc = prometheus.NewDesc("geogate_jobs_kept",
		"Bulk jobs that are kept, those that have ended and uploads under way included. JOBS_MAX bounds them.", nil, nil)
	jobBytesDesc = prometheus.NewDesc("geogate_jobs_kept_bytes",
		"What they take, compressed. JOBS_MAX_TOTAL_BYTES bounds it.", nil, nil)
	jobsEndedDesc = prometheus.NewDesc("geogate_jobs_ended_total",
		"Bulk jobs that ended, by state (finished, failed, cancelled), of the fleet.", []string{"state"}, nil)
	jobRowsDesc = prometheus.NewDesc("geogate_jobs_rows_total",
		"Rows of bulk jobs that are done, by outcome (found, empty, invalid, failed), of the fleet.", []string{"outcome"}, nil)
	jobWaitDesc = prometheus.NewDesc("geogate_jobs_oldest_queued_seconds",
		"For how long the oldest bulk job that no worker has had yet has waited; 0 without one.", nil, nil)
)

func (c jobCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{jobsDesc, jobsKeptDesc, jobBytesDesc, jobsEndedDesc, jobRowsDesc, jobWaitDesc} {
		descs <- d
	}
}

func (c jobCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	s, err := c.master.Stats(ctx)
	if err != nil { // geogate_dispatch_store_up tells of it
		return
	}
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	tell(jobsDesc, prometheus.GaugeValue, float64(s.Queued), string(bulk.Queued))
	tell(jobsDesc, prometheus.GaugeValue, float64(s.Running), string(bulk.Running))
	tell(jobsKeptDesc, prometheus.GaugeValue, float64(s.Jobs))
	tell(jobBytesDesc, prometheus.GaugeValue, float64(s.Bytes))
	tell(jobWaitDesc, prometheus.GaugeValue, s.OldestQueued.Seconds())
	for state, n := range s.Ended {
		tell(jobsEndedDesc, prometheus.CounterValue, float64(n), string(state))
	}
	for outcome, n := range s.Rows {
		tell(jobRowsDesc, prometheus.CounterValue, float64(n), string(outcome))
	}
}
