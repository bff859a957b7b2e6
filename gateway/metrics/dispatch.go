package metrics

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"geogate/dispatch"
)

// dispatchScrapeTimeout bounds what Redis may cost a scrape: Prometheus gives
// one 10 s by default, and everything else it asked for is in memory.
const dispatchScrapeTimeout = time.Second

// dispatchCollector asks the engine for its figures when somebody asks for
// metrics. They are those of the fleet and the same in every process: take the
// maximum over processes, not the sum. Streams are those of the process.
type dispatchCollector struct {
	engine  *dispatch.Engine
	streams func() int64
}

var (
	ridesDesc = prometheus.NewDesc("geogate_dispatch_rides",
		"Rides by region, of the fleet: live (not ended) and, of those, searching.", []string{"region", "set"}, nil)
	driversDesc = prometheus.NewDesc("geogate_dispatch_drivers",
		"Drivers by region, of the fleet: available, and engaged (reserved or busy).", []string{"region", "set"}, nil)
	rideTransitionsDesc = prometheus.NewDesc("geogate_dispatch_ride_transitions_total",
		"Transitions of rides by region and the state reached, of the fleet.", []string{"region", "state"}, nil)
	driverTransitionsDesc = prometheus.NewDesc("geogate_dispatch_driver_transitions_total",
		"Drivers who became available or offline, or were released after a leak, by region, of the fleet.", []string{"region", "state"}, nil)
	unsentDesc = prometheus.NewDesc("geogate_dispatch_unsent_events",
		"Events by region that have still to be handed on to webhooks, streams and the bus. At 1,000,000 no ride begins.", []string{"region"}, nil)
	storeUpDesc = prometheus.NewDesc("geogate_dispatch_store_up",
		"1 when Redis told the figures of dispatch for this scrape, 0 when they are missing from it.", nil, nil)
	streamsDesc = prometheus.NewDesc("geogate_event_streams",
		"Event streams that are open in this process.", nil, nil)
)

func newMatchHistogram() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "geogate_dispatch_request_to_match_seconds",
		Help: "Time from a ride's request to its match, by region. Each match is told by one process: sum over them.",
		// From a driver who is there at once to the end of a long search.
		Buckets: []float64{.005, .025, .1, .5, 1, 2, 5, 10, 20, 40, 60, 120, 240, 480},
	}, []string{"region"})
}

// ObserveRide takes in a version of a ride, once, from whoever hands on the
// events of dispatch. It counts a match when that is one.
func (m *Metrics) ObserveRide(ride dispatch.Ride) {
	if ride.State == dispatch.Matched {
		m.matches.WithLabelValues(ride.Region).Observe(ride.UpdatedAt.Sub(ride.CreatedAt).Seconds())
	}
}

func (c dispatchCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{ridesDesc, driversDesc, rideTransitionsDesc, driverTransitionsDesc, unsentDesc, storeUpDesc, streamsDesc} {
		descs <- d
	}
}

func (c dispatchCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	gauge(streamsDesc, c.streams())
	ctx, cancel := context.WithTimeout(context.Background(), dispatchScrapeTimeout)
	defer cancel()
	regions, err := c.engine.Stats(ctx)
	if err != nil {
		gauge(storeUpDesc, 0)
		return
	}
	gauge(storeUpDesc, 1)
	for _, s := range regions {
		gauge(ridesDesc, s.Live, s.Region, "live")
		gauge(ridesDesc, s.Waiting, s.Region, "searching")
		gauge(driversDesc, s.Available, s.Region, "available")
		gauge(driversDesc, s.Engaged, s.Region, "engaged")
		gauge(unsentDesc, s.Unsent, s.Region)
		for event, n := range s.Events {
			kind, state, _ := strings.Cut(event, ".")
			d := rideTransitionsDesc
			if kind == "driver" {
				d = driverTransitionsDesc
			}
			out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), s.Region, state)
		}
	}
}
