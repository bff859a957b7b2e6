// Package dispatch finds a driver for a ride, once. It keeps the positions of
// drivers, searches them for riders who wait, and promises that no driver is given
// to two rides and that every acknowledged ride reaches exactly one end, with any
// number of processes and whichever of them dies.
//
// All state is in Redis; every transition of a ride or driver is one Lua script
// that checks it, carries it out and appends the event that tells of it. DESIGN.md
// has the states, the keys and the argument why that holds, and what it does not
// cover: an asynchronous failover of Redis can lose acknowledged writes.
package dispatch

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"geogate/internal/batch"
	"geogate/internal/geo"
	"geogate/internal/hub"
	"geogate/internal/pause"
	"geogate/internal/reach"
	"geogate/internal/trace"
)

// Limits that are not configured.
const (
	// lease is how long a worker may keep a due ride before others take it over.
	lease = 5 * time.Second
	// renewEvery is how old leases may grow before a worker renews them.
	renewEvery = 1500 * time.Millisecond
	// pollAtMost is the longest pause between two looks at the due set.
	pollAtMost = time.Second
	// tsAhead is how far a position's ts may lie in the future: enough for a clock that is
	// not set exactly, and no longer than a driver can be locked out by one wrong report.
	tsAhead = 2 * time.Minute

	// maxUnsent is how many events of a region may wait for Emit, some 110 MB of Redis,
	// before no ride begins and no driver comes on duty: an event is never dropped.
	maxUnsent = 1_000_000

	// scheduleAhead is how far ahead a ride may be scheduled.
	scheduleAhead = 30 * 24 * time.Hour

	channel = "geogate:dispatch"
)

// redisTimeout is Config.RedisTimeout unless set; tests, whose machine may stand still, have more.
var redisTimeout = 1500 * time.Millisecond

// Config adjusts an Engine. Zero values mean the defaults given; all processes on
// one Redis must use the same values.
type Config struct {
	Timeout   time.Duration // how long a ride may search; 4 min
	Interval  time.Duration // pause between two attempts of a ride, ±20 %; 2 s
	RadiiM    []float64     // expanding search radii in metres, ascending; 1000, 2000, 5000
	OfferTTL  time.Duration // how long a driver may answer an offer; 0: the nearest is assigned at once
	DriverTTL time.Duration // a driver not heard of for this long is not a candidate; 60 s
	Regions   []string      // names of the regions there are; DefaultRegion alone
	// RegionAt tells which region a point lies in, for those who name none; nil: they
	// mean DefaultRegion. It must be quick.
	RegionAt    func(geo.Point) (region string, found bool)
	MaxDrivers  int           // available, reserved and busy drivers in a region; 100000
	MaxPerRider int           // live rides of one rider and region; 3
	MaxRides    int           // live rides in a region; 100000
	Retention   time.Duration // how long ended rides, their idempotency keys and offline drivers stay readable; 24 h
	RideTTL     time.Duration // how long after the match a ride that nobody completes is completed; 4 h
	Lead        time.Duration // how long before its time a scheduled ride searches; 0: at that time
	LostAfter   time.Duration // matched and not heard of for this long, a driver is parted from their ride; 0: never
	StreamLen   int           // events kept per region, about, where there is no Emit; 50000 (some 5 MB)
	MaxUnsent   int           // events of a region that may wait for Emit; 1000000
	// RedisTimeout bounds one call to Redis whatever the client's own limits are, so
	// that callers learn within two seconds that it is down; 1.5 s.
	RedisTimeout time.Duration

	// Times orders candidates by the time that they need to the pickup: the quickest of
	// the 16 nearest gets the ride. Run must be running then. nil: the nearest does.
	Times TimesFunc
	// Emit receives every event of every region, in order, at least once, from one
	// process at a time. An error makes it come again. nil: events stay in the stream.
	Emit EmitFunc
	// Tracer takes the spans of attempts; nil: nobody wants them.
	Tracer *trace.Tracer
	// Log receives what Run has to say; the zero value discards it.
	Log zerolog.Logger
}

// Engine is the dispatcher. Its methods may be called concurrently, with or without
// Run: without, rides get their first attempt and those that a driver's arrival
// brings, and Wait polls.
type Engine struct {
	rdb    redis.UniversalClient
	cfg    Config
	worker string // names this engine in leases
	static string // the part of the scripts' configuration that never changes
	brief  string // the part of that for scripts that change nothing
	hub    hub.Hub
	live   board
	// subscribed tells whether wake-ups arrive at hub.
	subscribed atomic.Bool
	lines      sync.Map      // of a region's name to where its positions wait
	reach      reach.Memory  // of Nearest
	looking    chan struct{} // has room for maxLooks
	polls      *rate.Limiter // of looks without a wake-up
	regions    []string      // declared; never changes

	choosing chan struct{}  // as many as rides of workers are asked about
	aside    sync.WaitGroup // their choices
}

// New returns an engine on rdb. It starts nothing and does not call Redis.
func New(rdb redis.UniversalClient, cfg Config) *Engine {
	orDuration(&cfg.Timeout, 4*time.Minute)
	orDuration(&cfg.Interval, 2*time.Second)
	orDuration(&cfg.DriverTTL, time.Minute)
	orDuration(&cfg.Retention, 24*time.Hour)
	orDuration(&cfg.RideTTL, 4*time.Hour)
	orDuration(&cfg.RedisTimeout, redisTimeout)
	if len(cfg.RadiiM) == 0 {
		cfg.RadiiM = []float64{1000, 2000, 5000}
	}
	if len(cfg.Regions) == 0 {
		cfg.Regions = []string{DefaultRegion}
	}
	if cfg.MaxDrivers == 0 {
		cfg.MaxDrivers = 100_000
	}
	if cfg.MaxPerRider == 0 {
		cfg.MaxPerRider = 3
	}
	if cfg.MaxRides == 0 {
		cfg.MaxRides = 100_000
	}
	if cfg.StreamLen == 0 {
		cfg.StreamLen = 50_000
	}
	if cfg.MaxUnsent == 0 {
		cfg.MaxUnsent = maxUnsent
	}
	if cfg.Emit == nil {
		cfg.MaxUnsent = 0 // nothing waits for anybody
	}
	named := 0
	if cfg.Times != nil {
		named = candidates
	}
	static, err := json.Marshal(map[string]any{
		"candidates":     named,
		"channel":        channel,
		"driver_ttl":     cfg.DriverTTL.Milliseconds(),
		"in_flight":      inFlight.Milliseconds(),
		"lead":           cfg.Lead.Milliseconds(),
		"schedule_ahead": scheduleAhead.Milliseconds(),
		"lost_after":     cfg.LostAfter.Milliseconds(),
		"max_drivers":    cfg.MaxDrivers,
		"max_per_rider":  cfg.MaxPerRider,
		"max_rides":      cfg.MaxRides,
		"max_unsent":     cfg.MaxUnsent,
		"offer_ttl":      cfg.OfferTTL.Milliseconds(),
		"radius":         cfg.RadiiM[len(cfg.RadiiM)-1],
		"retention":      cfg.Retention.Milliseconds(),
		"ride_ttl":       cfg.RideTTL.Milliseconds(),
		"stream":         cfg.StreamLen,
		"timeout":        cfg.Timeout.Milliseconds(),
		"ts_ahead":       tsAhead.Milliseconds(),
	})
	if err != nil {
		// Only a radius that is not a number gets here; configuration checks that.
		panic(fmt.Sprintf("dispatch: encode configuration: %v", err))
	}
	return &Engine{
		rdb:     rdb,
		cfg:     cfg,
		worker:  strings.ToLower(rand.Text()),
		static:  strings.TrimSuffix(string(static), "}"),
		brief:   fmt.Sprintf(`{"driver_ttl":%d}`, cfg.DriverTTL.Milliseconds()),
		looking: make(chan struct{}, maxLooks),
		polls:   rate.NewLimiter(maxPolls, maxPolls),
		regions: slices.Clone(cfg.Regions),

		choosing: make(chan struct{}, choosingMost),
	}
}

func orDuration(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// scriptConfig renders the configuration for one call. Jitter and randomness come
// from here because those of Lua in Redis are the same in every run.
func (e *Engine) scriptConfig() string {
	next := pause.Around(e.cfg.Interval, 0.2).Milliseconds()
	entropy := ""
	if e.cfg.OfferTTL > 0 {
		entropy = rand.Text()
	}
	return fmt.Sprintf(`%s,"next":%d,"entropy":%q}`, e.static, max(1, next), entropy)
}

// line is where the positions of a region wait.
func (e *Engine) line(region string) *batch.Line[*portion] {
	line, known := e.lines.Load(region)
	if !known {
		line, _ = e.lines.LoadOrStore(region, batch.New(
			batch.Bounds{Batch: trackRound * trackChunk, Waiting: trackWaiting, Each: trackWaitingEach},
			func(p *portion) int { return p.drivers },
			func(portions []*portion) { e.storeBatch(region, portions) }))
	}
	return line.(*batch.Line[*portion])
}
