// Package metrics is what /metrics tells: what the gateway counts itself, and
// what the cache, the upstreams, dispatch and the events count for themselves.
package metrics

import (
	"cmp"
	"maps"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"geogate/cache"
	"geogate/dispatch"
	"geogate/internal/bulk"
	"geogate/internal/event"
	"geogate/internal/fleet"
	"geogate/internal/headroom"
	"geogate/internal/routing"
	"geogate/internal/trace"
	"geogate/internal/webhook"
	"geogate/upstream"
)

// Metrics are counted here or collected when somebody asks. The packages below
// the gateway report to it through the functions that they are handed. Each
// gateway has Metrics of its own, so that several can live in one process, as
// they do in tests. Safe for concurrent use.
type Metrics struct {
	registry   *prometheus.Registry
	requests   *prometheus.HistogramVec
	calls      *prometheus.HistogramVec
	roads      *prometheus.HistogramVec
	waits      *prometheus.HistogramVec
	redis      *prometheus.HistogramVec
	matches    *prometheus.HistogramVec
	deliveries *prometheus.HistogramVec

	laneAnswers prometheus.Counter // they are in requests, too

	// answers are the series of requests found before: looking one up by its
	// labels takes longer than counting. There are as many as routes times
	// methods times statuses at most.
	answers atomic.Pointer[map[answerLabels]prometheus.Observer]
}

type answerLabels struct {
	route, method string
	status        int
}

// latencies suit both a hit in memory and a slow geocoder, in seconds.
var latencies = []float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// New returns metrics that nothing has reported to.
func New() *Metrics {
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: latencies}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: histogram("geogate_http_request_duration_seconds", "Time to answer, by route, method and status.", "route", "method", "status"),
		calls:    histogram("geogate_upstream_call_duration_seconds", "Time that a geocoder took, by provider and outcome.", "provider", "outcome"),
		waits:    histogram("geogate_upstream_wait_seconds", "Time that a call waited for the budget of its provider, by lane.", "provider", "lane"),
		roads:    newRoadHistogram(),
		redis:    histogram("geogate_cache_redis_duration_seconds", "Time of round trips of the cache to Redis, by operation and whether they failed.", "op", "failed"),
		matches:  newMatchHistogram(),

		deliveries: newAttemptHistogram(),
	}
	m.laneAnswers = prometheus.NewCounter(prometheus.CounterOpts{Name: "geogate_fast_lane_answers_total", Help: "Hits answered ahead of net/http."})
	m.registry.MustRegister(m.laneAnswers)
	m.answers.Store(&map[answerLabels]prometheus.Observer{})
	m.registry.MustRegister(m.requests, m.calls, m.waits, m.roads, m.redis, m.matches, m.deliveries, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// ObserveUpstream counts a call to a geocoder; it fits upstream.Config.Observe.
func (m *Metrics) ObserveUpstream(c upstream.Call) {
	m.calls.WithLabelValues(c.Provider, c.Outcome).Observe(c.Took.Seconds())
	m.waits.WithLabelValues(c.Provider, c.Lane.String()).Observe(c.Waited.Seconds())
}

// ObserveRedis counts a round trip of the cache; it fits
// cache.Config.ObserveRedis.
func (m *Metrics) ObserveRedis(op string, took time.Duration, err error) {
	m.redis.WithLabelValues(op, strconv.FormatBool(err != nil)).Observe(took.Seconds())
}

// Sources are what is asked when somebody asks for metrics.
type Sources struct {
	Cache       *cache.Cache
	Chain       *upstream.Chain
	Engine      *dispatch.Engine
	Router      *routing.Router
	Streams     func() int64 // event streams that are open
	Log         *event.Log
	Subscribers *webhook.Registry
	RedisMemory func() headroom.State // nil: not known
	Mode        func() fleet.Value
	Jobs        *bulk.Master // nil: there are none

	Disagreements func() []string // about settings; nil: not known
	Tracer        *trace.Tracer   // nil: nobody is traced
}

// Collect adds what s counts for itself; call it before serving, once.
func (m *Metrics) Collect(s Sources) {
	m.registry.MustRegister(geocodeCollector{s.Cache, s.Chain},
		routerCollector{s.Router}, dispatchCollector{s.Engine, s.Streams}, eventCollector{s.Log, s.Subscribers}, modeCollector{s.Mode})
	if s.Jobs != nil {
		m.registry.MustRegister(jobCollector{s.Jobs})
	}
	if s.Tracer != nil {
		m.registry.MustRegister(traceCollector{s.Tracer})
	}
	if s.Disagreements != nil {
		m.registry.MustRegister(disagreementCollector{s.Disagreements})
	}
	if s.RedisMemory != nil {
		m.registry.MustRegister(memoryCollector{s.RedisMemory})
	}
}

// Observe counts an answer. Routes are patterns and methods are known ones, so
// that no client can make the number of series grow.
func (m *Metrics) Observe(route, method string, status int, took time.Duration) {
	m.answersOf(answerLabels{cmp.Or(route, "none"), method, status}).Observe(took.Seconds())
}

func (m *Metrics) answersOf(labels answerLabels) prometheus.Observer {
	known := m.answers.Load()
	if series, found := (*known)[labels]; found {
		return series
	}
	series := m.requests.WithLabelValues(labels.route, labels.method, strconv.Itoa(labels.status))
	more := maps.Clone(*known)
	more[labels] = series
	m.answers.CompareAndSwap(known, &more) // if another request was faster, the next one adds this series
	return series
}

// ObserveTraced is Observe for a request with spans: its trace becomes the exemplar of
// the bucket that it falls into.
func (m *Metrics) ObserveTraced(route, method string, status int, took time.Duration, traceID string) {
	series, ok := m.answersOf(answerLabels{cmp.Or(route, "none"), method, status}).(prometheus.ExemplarObserver)
	if ok { // histograms are
		series.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": traceID})
	}
}

// ObserveLane counts an answer of the fast lane, besides Observe.
func (m *Metrics) ObserveLane() { m.laneAnswers.Inc() }

// Handler answers with all metrics in the format of Prometheus or, to who accepts it, in
// that of OpenMetrics, which has exemplars.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, EnableOpenMetrics: true})
}

// geocodeCollector turns what the cache and the upstreams count for themselves
// into metrics when somebody asks.
type geocodeCollector struct {
	cache *cache.Cache
	chain *upstream.Chain
}

var (
	answersDesc = prometheus.NewDesc("geogate_cache_answers_total",
		"Geocodes answered, by class (hit, stale, miss, bypass, error) and layer.", []string{"class", "layer"}, nil)
	collapsedDesc = prometheus.NewDesc("geogate_cache_collapsed_total",
		"Geocodes that shared a call which another one had begun.", nil, nil)
	refreshesDesc = prometheus.NewDesc("geogate_cache_refreshes_total",
		"Refreshes in the background, by outcome (done, failed, refused).", []string{"outcome"}, nil)
	entriesDesc = prometheus.NewDesc("geogate_cache_memory_entries",
		"Answers in the memory of this process.", nil, nil)
	bytesDesc = prometheus.NewDesc("geogate_cache_memory_bytes",
		"What they take, about.", nil, nil)
	avoidedDesc = prometheus.NewDesc("geogate_upstream_calls_avoided_total",
		"Geocodes that the cache answered in place of a provider.", []string{"provider"}, nil)
	upDesc = prometheus.NewDesc("geogate_upstream_up",
		"1 while a provider may be asked, 0 while its breaker is open or it has asked for a pause.", []string{"provider"}, nil)
	budgetDesc = prometheus.NewDesc("geogate_upstream_budget_left",
		"Calls that the budget of a provider would let through at once.", []string{"provider"}, nil)
	waitingDesc = prometheus.NewDesc("geogate_upstream_budget_waiting",
		"Requests of this process that wait for the budget of a provider.", []string{"provider"}, nil)
)

func (c geocodeCollector) Describe(descs chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(c, descs)
}

func (c geocodeCollector) Collect(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s := c.cache.Stats()
	counter(answersDesc, s.HitsMemory, "hit", cache.LayerMemory)
	counter(answersDesc, s.HitsRedis, "hit", cache.LayerRedis)
	counter(answersDesc, s.StaleMemory, "stale", cache.LayerMemory)
	counter(answersDesc, s.StaleRedis, "stale", cache.LayerRedis)
	counter(answersDesc, s.Misses, "miss", "")
	counter(answersDesc, s.Bypasses, "bypass", "")
	counter(answersDesc, s.Errors, "error", "")
	counter(collapsedDesc, s.Collapsed)
	counter(refreshesDesc, s.Refreshes-s.RefreshErrors, "done")
	counter(refreshesDesc, s.RefreshErrors, "failed")
	counter(refreshesDesc, s.RefreshesRefused, "refused")
	gauge(entriesDesc, float64(s.MemoryEntries))
	gauge(bytesDesc, float64(s.MemoryBytes))
	for name, p := range s.Providers {
		counter(avoidedDesc, p.Hits, name)
	}
	for _, state := range c.chain.States() {
		up := 0.0
		if state.State == "up" {
			up = 1
		}
		gauge(upDesc, up, state.Name)
		if b := state.Budget; b != nil {
			gauge(budgetDesc, b.Left, state.Name)
			gauge(waitingDesc, float64(b.Waiting), state.Name)
		}
	}
}
