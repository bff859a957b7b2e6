// Package headroom keeps a share of Redis's memory free for what must be
// written. It measures how much is used, and says no to whoever could do without
// writing before there is nothing left: the cache and the jobs stop, dispatch
// goes on to the end.
package headroom

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// pauseAt is the share of the limit from which nothing optional is written.
	pauseAt = 0.75
	// resumeAt is the share below which it is again. Between the two nothing
	// changes, so that the answer does not flicker.
	resumeAt = 0.70
	// measureEarly is the share of the limit that may be written before the next
	// measurement is made ahead of its time.
	measureEarly = 0.02
	// measureTimeout bounds one measurement.
	measureTimeout = 2 * time.Second
	// DefaultInterval is the pause between two measurements. INFO costs Redis
	// about a tenth of a millisecond.
	DefaultInterval = 2 * time.Second
)

// Usage is how much memory is used, in bytes, and how much may be. A Limit of 0
// is none.
type Usage struct{ Used, Limit int64 }

// Fuller reports whether u has less room left, in proportion, than other.
func (u Usage) Fuller(other Usage) bool {
	return u.share() > other.share()
}

func (u Usage) share() float64 {
	if u.Limit <= 0 {
		return 0
	}
	return float64(u.Used) / float64(u.Limit)
}

// State is what is known of the memory.
type State struct {
	Usage
	Known  bool // it has been measured at least once
	Paused bool // nothing optional is to be written
}

// Config adjusts a Watch; the zero value of each field means what its comment
// says.
type Config struct {
	Log      zerolog.Logger
	Interval time.Duration // between two measurements; 0: DefaultInterval
}

// Watch knows how much room there is. It is safe for concurrent use.
type Watch struct {
	measure func(context.Context) (Usage, error)
	cfg     Config
	early   chan struct{}

	mu      sync.Mutex
	state   State
	written int64 // that was allowed since the last measurement began
}

// New returns a watch of what measure tells, and starts nothing. Until the first
// measurement, everything is allowed.
func New(measure func(context.Context) (Usage, error), cfg Config) *Watch {
	cfg.Interval = cmp.Or(cfg.Interval, DefaultInterval)
	return &Watch{measure: measure, cfg: cfg, early: make(chan struct{}, 1)}
}

// Allows reports whether so many bytes that nobody depends on may be written,
// and counts them as written if so. What this process writes between two
// measurements is thus bounded, too, however fast it comes.
func (w *Watch) Allows(bytes int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.Paused {
		return false
	}
	limit := float64(w.state.Limit)
	if !w.state.Known || limit <= 0 {
		return true
	}
	if after := w.written + int64(bytes); float64(after) > measureEarly*limit {
		select {
		case w.early <- struct{}{}:
		default:
		}
		if float64(w.state.Used+after) >= pauseAt*limit {
			return false
		}
	}
	w.written += int64(bytes)
	return true
}

// State returns what is known now.
func (w *Watch) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// Run measures until ctx ends, and returns nil. A measurement that fails changes
// nothing.
func (w *Watch) Run(ctx context.Context) error {
	tick := time.NewTicker(w.cfg.Interval)
	defer tick.Stop()
	for {
		w.look(ctx)
		select {
		case <-tick.C:
		case <-w.early:
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *Watch) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	w.mu.Lock()
	before := w.written
	w.mu.Unlock()
	usage, err := w.measure(ctx)
	if err != nil {
		w.cfg.Log.Debug().Err(err).Msg("memory of redis not measured")
		return
	}
	w.mu.Lock()
	was := w.state.Paused
	w.written -= before // what was written meanwhile may not be in the measurement
	w.state = State{Usage: usage, Known: true, Paused: was}
	switch share := usage.share(); {
	case share >= pauseAt:
		w.state.Paused = true
	case share < resumeAt:
		w.state.Paused = false
	}
	is := w.state.Paused
	w.mu.Unlock()
	switch {
	case is && !was:
		w.cfg.Log.Warn().Int64("used", usage.Used).Int64("limit", usage.Limit).
			Msg("redis is filling up, cache and jobs stop writing")
	case was && !is:
		w.cfg.Log.Info().Int64("used", usage.Used).Int64("limit", usage.Limit).
			Msg("redis has room again, cache and jobs write")
	}
}
