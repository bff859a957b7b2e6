package console

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"time"

	"geogate/gateway/exchange"
)

const (
	// sampleEvery is the pause between two looks at the counters.
	sampleEvery = 10 * time.Second
	// maxSamples is how many looks are kept: the last hour, in some 100 KiB.
	maxSamples = 360
)

// Counters are what the process has counted since it started.
type Counters struct {
	Hits, Stale, Misses uint64
	Calls               map[string]uint64 // to each upstream
}

// sample is what the counters said at a time.
type sample struct {
	At     exchange.Time     `json:"at"`
	Hits   uint64            `json:"hits"`
	Stale  uint64            `json:"stale"`
	Misses uint64            `json:"misses"`
	Calls  map[string]uint64 `json:"calls"`
}

// history is the last hour of the counters. It is safe for concurrent use.
type history struct {
	mu      sync.Mutex
	samples []sample // the oldest first
}

func (h *history) add(at time.Time, c Counters) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if over := len(h.samples) + 1 - maxSamples; over > 0 {
		h.samples = append([]sample(nil), h.samples[over:]...)
	}
	h.samples = append(h.samples, sample{exchange.Time(at), c.Hits, c.Stale, c.Misses, maps.Clone(c.Calls)})
}

func (h *history) list() []sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]sample{}, h.samples...)
}

// Begin is where the history begins.
func (a *API) Begin() { a.history.add(time.Now(), a.cfg.Counters()) }

// Run keeps the history until ctx ends.
func (a *API) Run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			a.history.add(now, a.cfg.Counters())
		}
	}
}

// History tells what the counters said over the last hour, and now.
func (a *API) History(w http.ResponseWriter, r *http.Request) error {
	if err := exchange.NoParameters(r); err != nil {
		return err
	}
	c := a.cfg.Counters()
	samples := append(a.history.list(), sample{exchange.Time(time.Now()), c.Hits, c.Stale, c.Misses, c.Calls})
	return exchange.Respond(w, http.StatusOK, struct {
		Samples []sample `json:"samples"`
	}{samples})
}
