package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"geogate/internal/event"
	"geogate/internal/webhook"
)

// eventCollector asks Redis, where the counters of all processes are, when
// somebody asks for metrics. There are at most a thousand subscribers.
type eventCollector struct {
	log         *event.Log
	subscribers *webhook.Registry
}

// collectTimeout bounds what an outage of Redis costs a scrape.
const collectTimeout = 2 * time.Second

var (
	deliveredDesc = prometheus.NewDesc("geogate_webhook_delivered_total",
		"Events delivered, by subscriber; of all processes.", []string{"subscriber"}, nil)
	failedDesc = prometheus.NewDesc("geogate_webhook_failed_attempts_total",
		"Attempts to deliver that failed.", []string{"subscriber"}, nil)
	retriedDesc = prometheus.NewDesc("geogate_webhook_retried_total",
		"Failed attempts that were followed by another one.", []string{"subscriber"}, nil)
	deadDesc = prometheus.NewDesc("geogate_webhook_dead_total",
		"Deliveries that became dead letters.", []string{"subscriber"}, nil)
	deadLettersDesc = prometheus.NewDesc("geogate_webhook_dead_letters",
		"Dead letters that are kept and can be delivered again.", []string{"subscriber"}, nil)
	pendingDesc = prometheus.NewDesc("geogate_webhook_pending",
		"Deliveries not yet settled.", []string{"subscriber"}, nil)
	deliveryLagDesc = prometheus.NewDesc("geogate_webhook_lag_seconds",
		"Age of the oldest delivery not yet settled.", []string{"subscriber"}, nil)
	subscribersDesc = prometheus.NewDesc("geogate_webhook_subscribers",
		"Subscribers by state (active, failing, disabled).", []string{"state"}, nil)
	enabledDesc = prometheus.NewDesc("geogate_webhook_enabled",
		"0 for a subscriber that is disabled because its endpoint only fails.", []string{"subscriber"}, nil)
	eventLagDesc = prometheus.NewDesc("geogate_events_lag_seconds",
		"How far a group (webhooks, nats) is behind the newest event.", []string{"group"}, nil)
)

func (c eventCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{deliveredDesc, failedDesc, retriedDesc, deadDesc, deadLettersDesc, pendingDesc, deliveryLagDesc, subscribersDesc, enabledDesc, eventLagDesc} {
		descs <- d
	}
}

func (c eventCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	// Without Redis there is nothing to tell; the metrics of dispatch say so.
	subscribers, err := c.subscribers.List(ctx)
	if err != nil {
		return
	}
	states := map[webhook.State]int{webhook.Active: 0, webhook.Failing: 0, webhook.Disabled: 0}
	for _, s := range subscribers {
		states[s.State]++
		counter := func(d *prometheus.Desc, n int64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), s.ID)
		}
		gauge := func(d *prometheus.Desc, v float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, s.ID)
		}
		counter(deliveredDesc, s.Delivered)
		counter(failedDesc, s.Failed)
		counter(retriedDesc, s.Retried)
		counter(deadDesc, s.Dead)
		gauge(deadLettersDesc, float64(s.DeadLetters))
		gauge(pendingDesc, float64(s.Pending))
		gauge(deliveryLagDesc, s.Lag.Seconds())
		enabled := 1.0
		if s.State == webhook.Disabled {
			enabled = 0
		}
		gauge(enabledDesc, enabled)
	}
	for state, n := range states {
		out <- prometheus.MustNewConstMetric(subscribersDesc, prometheus.GaugeValue, float64(n), string(state))
	}
	groups, err := c.log.Groups(ctx)
	if err != nil {
		return
	}
	for _, g := range groups {
		out <- prometheus.MustNewConstMetric(eventLagDesc, prometheus.GaugeValue, g.Lag.Seconds(), g.Name)
	}
}

func newAttemptHistogram() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "geogate_webhook_attempt_duration_seconds",
		Help:    "Time that attempts to deliver took, by outcome (delivered, refused, timeout, connection failed and the like); of this process.",
		Buckets: latencies,
	}, []string{"outcome"})
}

// ObserveDelivery counts an attempt to deliver; it fits webhook.Config.Observe.
func (m *Metrics) ObserveDelivery(t webhook.Tried) {
	m.deliveries.WithLabelValues(t.Outcome).Observe(t.Took.Seconds())
}

// ObserveBus adds what a bus counts for itself; call it before serving, once.
func (m *Metrics) ObserveBus(stats func() (connected bool, published, answered int64)) {
	register := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	count := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
	}
	register("geogate_bus_connected", "1 while there is a connection to the bus.", func() float64 {
		if connected, _, _ := stats(); connected {
			return 1
		}
		return 0
	})
	count("geogate_bus_published_total", "Events that the bus took from this process.", func() float64 {
		_, published, _ := stats()
		return float64(published)
	})
	count("geogate_bus_answered_total", "Requests over the bus that this process answered.", func() float64 {
		_, _, answered := stats()
		return float64(answered)
	})
}
