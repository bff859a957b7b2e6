// Package simulate is a town of drivers and riders that uses geogate as their
// apps would, over HTTP, and watches it for what must never happen. It sends
// requests to the base URLs it was given and to nothing else, at a bounded rate
// and for a bounded time, and ends every ride that it began.
package simulate

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"geogate/internal/geo"
)

// Config is what may be chosen. Zero values mean the defaults given.
type Config struct {
	Seed              uint64        // of every random choice; 0 is a seed like any other
	Duration          time.Duration // in which riders come; 30 s
	Drivers           int           // 200
	RidesPerSecond    float64       // that are asked for; 10
	MaxLive           int           // rides at a time; 1000
	RequestsPerSecond int           // at most; 500
	RideTime          time.Duration // from match to completion, on average; 5 s
	Grace             time.Duration // that rides may take to end after the simulation; 30 s
	Region            string        // empty: geogate's own default
	Offers            bool          // drivers wait for offers and answer them
	Centre            geo.Point     // of the town; the zero Point: Munich
	RadiusM           float64       // of the town, in metres; 5000
	Drive             []geo.Point   // one more driver follows this, a point a second
	History           io.Writer     // receives every record; may be nil
	Progress          func(Report)  // is called every second and must not block; may be nil
}

var munich = geo.Point{Lat: 48.1374, Lon: 11.5755}

func (cfg Config) withDefaults() Config {
	orDefault(&cfg.Duration, 30*time.Second)
	orDefault(&cfg.Drivers, 200)
	orDefault(&cfg.RidesPerSecond, 10)
	orDefault(&cfg.MaxLive, 1000)
	orDefault(&cfg.RequestsPerSecond, 500)
	orDefault(&cfg.RideTime, 5*time.Second)
	orDefault(&cfg.Grace, 30*time.Second)
	orDefault(&cfg.Centre, munich)
	orDefault(&cfg.RadiusM, 5000)
	return cfg
}

func orDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// simulation is one run.
type simulation struct {
	cfg     Config
	run     string // names the run in ids and keys, so that runs do not meet
	client  *client
	city    *city
	drivers []*driver
	byID    map[string]*driver

	positions atomic.Int64
	live      atomic.Int64

	mu    sync.Mutex
	tally Report
}

// Run simulates until the duration is over or ctx ends, then ends the rides
// that are live, and reports. The error is about the history that could not be
// written, or about base URLs that cannot be used or where nobody answers; what geogate does wrong is
// in the report.
func Run(ctx context.Context, bases []string, cfg Config) (Report, error) {
	if err := checkBases(bases); err != nil {
		return Report{}, err
	}
	s := newSimulation(bases, cfg.withDefaults())
	defer s.client.http.CloseIdleConnections()
	if err := s.client.reach(ctx); err != nil {
		return Report{}, err
	}
	record, flush := recorder(s.cfg.History)
	s.client.record = record
	s.populate()

	open, closeDoors := context.WithTimeout(ctx, s.cfg.Duration)
	defer closeDoors()
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	context.AfterFunc(open, func() { time.AfterFunc(s.cfg.Grace, stop) })

	var parts sync.WaitGroup
	parts.Go(func() { s.drive(work) })
	if s.cfg.Offers {
		for _, d := range s.drivers {
			parts.Go(func() { s.answerOffers(work, d) })
		}
	}
	parts.Go(func() { s.progress(work) })
	s.ridesComing(open, work)
	inTime := work.Err() == nil
	stop()
	parts.Wait()

	now := s.client.now()
	if inTime {
		record(Record{Op: OpEnd, Sent: now, Done: now})
	}
	violations, err := flush()
	report := s.now()
	report.Violations = append(report.Violations, violations...)
	return report, err
}

func checkBases(bases []string) error {
	if len(bases) == 0 {
		return errors.New("simulate: no base URL")
	}
	for _, base := range bases {
		u, err := url.Parse(base)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("simulate: %q is not a base URL, want one such as http://localhost:8080", base)
		}
	}
	return nil
}

func newSimulation(bases []string, cfg Config) *simulation {
	s := &simulation{cfg: cfg, run: strings.ToLower(rand.Text()[:8]), byID: map[string]*driver{}}
	trimmed := make([]string, len(bases))
	for i, base := range bases {
		trimmed[i] = strings.TrimRight(base, "/")
	}
	s.client = newClient(trimmed, cfg.RequestsPerSecond, nil)
	return s
}

// populate builds the town and puts the drivers in it.
func (s *simulation) populate() {
	rng := mathrand.New(s.seedOf("city"))
	s.city = newCity(rng, s.cfg.Centre, s.cfg.RadiusM)
	for n := range s.cfg.Drivers {
		at := s.city.place(rng)
		s.addDriver(&driver{id: fmt.Sprintf("simulate-%s-%d", s.run, n), at: at, to: at})
	}
	if len(s.cfg.Drive) > 0 {
		s.addDriver(&driver{id: fmt.Sprintf("simulate-%s-drive", s.run), route: s.cfg.Drive})
	}
}

func (s *simulation) addDriver(d *driver) {
	d.rng = mathrand.New(s.seedOf(d.id[strings.LastIndexByte(d.id, '-'):]))
	s.drivers = append(s.drivers, d)
	s.byID[d.id] = d
}

// seedOf gives every part its own random source, so that what one of them draws does
// not change the others.
func (s *simulation) seedOf(part string) *mathrand.PCG {
	sum := sha256.Sum256([]byte(part))
	return mathrand.NewPCG(s.cfg.Seed, binary.LittleEndian.Uint64(sum[:]))
}

func (s *simulation) count(change func(*Report)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.tally)
}

// now is the report as far as it goes.
func (s *simulation) now() Report {
	s.mu.Lock()
	r := s.tally
	r.told = append([]time.Duration(nil), r.told...)
	s.mu.Unlock()
	r.Seed, r.Seconds = s.cfg.Seed, time.Since(s.client.began).Seconds()
	r.Requests, r.Positions = s.client.requests.Load(), s.positions.Load()
	r.RequestToMatch = percentiles(r.told)
	r.Errors, r.Violations = map[string]int{}, []string{}
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	maps.Copy(r.Errors, s.client.errors)
	return r
}

func (s *simulation) progress(ctx context.Context) {
	if s.cfg.Progress == nil {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.cfg.Progress(s.now())
		}
	}
}

// recorder checks each record and writes it to w. flush returns what the check
// has found, and the first error of writing.
func recorder(w io.Writer) (record func(Record), flush func() ([]string, error)) {
	if w == nil {
		w = io.Discard
	}
	var mu sync.Mutex
	var failed error
	buffered := bufio.NewWriter(w)
	check := newChecker()
	record = func(r Record) {
		mu.Lock()
		defer mu.Unlock()
		check.add(r)
		if err := writeRecord(buffered, r); err != nil && failed == nil {
			failed = err
		}
	}
	flush = func() ([]string, error) {
		mu.Lock()
		defer mu.Unlock()
		if err := buffered.Flush(); err != nil && failed == nil {
			failed = fmt.Errorf("write history: %w", err)
		}
		return check.finish(), failed
	}
	return record, flush
}
