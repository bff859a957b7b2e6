package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"geogate/bench/machine"
)

// record is what honest clients noticed. It is safe for concurrent use.
type record struct {
	mu     sync.Mutex
	took   []float64 // milliseconds
	first  []float64 // of these, the first requests of connections
	failed int
	why    map[string]int
	closed time.Time // what began later does not count; zero: everything does
}

func newRecord() *record { return &record{why: map[string]int{}} }

// note counts a request that began at a time, on a connection opened for it or on one that
// was kept; why is empty unless it failed.
func (r *record) note(began time.Time, connected bool, why string) {
	took := float64(time.Since(began).Microseconds()) / 1000
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed.IsZero() && began.After(r.closed) {
		return
	}
	r.took = append(r.took, took)
	if connected {
		r.first = append(r.first, took)
	}
	if why != "" {
		r.failed++
		r.why[why]++
	}
}

// close lets what begins from now on no longer count.
func (r *record) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = time.Now()
}

func (r *record) count() int { return len(r.took) }

func quantile(took []float64, q float64) float64 {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[int(q*float64(len(took)-1))]
}

func (r *record) reasons() (list []string) {
	for why, n := range r.why {
		list = append(list, fmt.Sprintf("%d × %s", n, why))
	}
	slices.Sort(list)
	return list
}

// watchMemory returns the highest resident memory, in bytes.
func watchMemory(ctx context.Context, pid int) (peak int) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return peak
		case <-tick.C:
		}
		peak = max(peak, machine.Resident(pid))
	}
}
