package simulate

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// Report is what a simulation has seen.
type Report struct {
	Seed      uint64  `json:"seed"`
	Seconds   float64 `json:"seconds"`
	Requests  int64   `json:"requests"`
	Positions int64   `json:"positions"` // stored

	Rides      int `json:"rides"`       // riders who asked
	Matched    int `json:"matched"`     // rides that got a driver
	Completed  int `json:"completed"`   // and were driven to the end
	Cancelled  int `json:"cancelled"`   // by riders out of patience
	Expired    int `json:"expired"`     // nobody was found in time
	Vanished   int `json:"vanished"`    // geogate does not know them any more, as after Redis was emptied
	Unfinished int `json:"unfinished"`  // had no end when the simulation had to end
	Lost       int `json:"lost"`        // asked, and never answered
	TurnedAway int `json:"turned_away"` // not asked: enough rides were live

	PeakSearching int `json:"peak_searching"`

	// From the rider's request until they know of the match, in milliseconds.
	RequestToMatch Percentiles `json:"request_to_match_ms"`

	Errors     map[string]int `json:"errors"` // by request and what went wrong
	Violations []string       `json:"violations"`

	searchingNow int
	told         []time.Duration
}

// Percentiles of a number of durations, in milliseconds.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func percentiles(all []time.Duration) Percentiles {
	if len(all) == 0 {
		return Percentiles{}
	}
	slices.Sort(all)
	at := func(share float64) float64 {
		return float64(all[min(len(all)-1, int(share*float64(len(all))))].Microseconds()) / 1000
	}
	return Percentiles{at(.5), at(.9), at(.99), at(1)}
}

func (r *Report) searching(n int) {
	r.searchingNow += n
	r.PeakSearching = max(r.PeakSearching, r.searchingNow)
}

func (r *Report) matched(told time.Duration) {
	r.Matched++
	r.told = append(r.told, told)
}

func (r *Report) ended(state string) {
	switch state {
	case "completed":
		r.Completed++
	case "cancelled":
		r.Cancelled++
	case "expired":
		r.Expired++
	case vanished:
		r.Vanished++
	default:
		r.Unfinished++
	}
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(tab, "%s\t"+format+"\n", append([]any{name}, args...)...)
	}
	line("seed", "%d", r.Seed)
	line("time", "%.0f s, %d requests, %d positions stored", r.Seconds, r.Requests, r.Positions)
	line("rides", "%d: %d matched, %d completed, %d cancelled, %d expired", r.Rides, r.Matched, r.Completed, r.Cancelled, r.Expired)
	line("unmatched", "%d, at most %d searching at a time", r.Rides-r.Matched, r.PeakSearching)
	if r.Vanished+r.Unfinished+r.Lost+r.TurnedAway > 0 {
		line("not ended", "%d vanished, %d unfinished, %d without an answer, %d turned away", r.Vanished, r.Unfinished, r.Lost, r.TurnedAway)
	}
	m := r.RequestToMatch
	line("request to match", "p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, longest %.1f ms", m.P50, m.P90, m.P99, m.Max)
	if len(r.Errors) == 0 {
		line("errors", "none")
	}
	for _, what := range slices.Sorted(maps.Keys(r.Errors)) {
		line("error", "%d × %s", r.Errors[what], what)
	}
	if len(r.Violations) == 0 {
		line("violations", "none")
	}
	for _, v := range r.Violations {
		line("VIOLATION", "%s", v)
	}
	if err := tab.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
