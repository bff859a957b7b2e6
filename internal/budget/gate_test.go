package budget

import (
	"fmt"
	"testing"
	"time"

	"geogate/internal/redistest"
)

func TestGatesAhead(t *testing.T) {
	l := Limits{Interval: time.Hour, Burst: 3, Lease: time.Hour}
	gates := map[string]gate{
		"local": newLocalGate(l),
		"fleet": newFleetGate(redistest.Start(t).Client(t), "ahead", l, 10*time.Second, true),
	}
	for name, g := range gates {
		b := newBudget(l, g)
		for used := range 4 {
			if got := b.State().Left; got < float64(3-used)-0.01 || got > float64(3-used)+0.01 {
				t.Errorf("%s: after %d calls %.3f are left, want %d", name, used, got, 3-used)
			}
			if _, err := b.Acquire(t.Context(), People, time.Now().Add(time.Minute)); (err == nil) != (used < 3) {
				t.Errorf("%s: call %d: %v", name, used+1, err)
			}
		}
	}
}

// Both gates, the one of this process and the one in Redis, follow the same
// rules: the same steps give the same verdicts. Intervals are hours, so that it
// does not matter how long a step takes.
func TestGatesAgree(t *testing.T) {
	type step struct {
		do   string // "people", "bulk", "refresh", "release", "pause"
		want string // "go", "wait", "short" (less than a second), "paused"
	}
	hourly := Limits{Interval: time.Hour, Burst: 1, Lease: time.Hour}
	tests := []struct {
		name   string
		limits Limits
		steps  []step
	}{
		{"one an hour", hourly, []step{{"people", "go"}, {"release", ""}, {"people", "wait"}, {"bulk", "wait"}, {"refresh", "wait"}}},
		{"a burst", Limits{Interval: time.Hour, Burst: 3, Lease: time.Hour},
			[]step{{"people", "go"}, {"bulk", "go"}, {"refresh", "go"}, {"people", "wait"}}},
		{"one at a time", Limits{Burst: 1, Concurrency: 1, Lease: time.Hour},
			[]step{{"people", "go"}, {"people", "short"}, {"release", ""}, {"people", "go"}, {"people", "short"}}},
		{"two at a time", Limits{Burst: 1, Concurrency: 2, Lease: time.Hour},
			[]step{{"people", "go"}, {"bulk", "go"}, {"people", "short"}, {"release", ""}, {"people", "go"}}},
		{"refresh stands back behind people", Limits{Interval: time.Hour, Burst: 9, Concurrency: 1, Lease: time.Hour},
			[]step{{"people", "go"}, {"people", "short"}, {"release", ""}, {"refresh", "wait"}, {"people", "go"}}},
		{"refresh stands back behind bulk", Limits{Interval: time.Hour, Burst: 9, Concurrency: 1, Lease: time.Hour},
			[]step{{"people", "go"}, {"bulk", "short"}, {"release", ""}, {"refresh", "wait"}, {"bulk", "go"}}},
		{"bulk has half while people wait", Limits{Interval: time.Hour, Burst: 9, Concurrency: 1, Lease: time.Hour},
			[]step{{"people", "go"}, {"people", "short"}, {"release", ""}, {"bulk", "go"}, {"people", "short"}, {"release", ""}, {"bulk", "wait"}, {"people", "go"}}},
		{"bulk has all when nobody waits", Limits{Interval: time.Hour, Burst: 3, Lease: time.Hour},
			[]step{{"bulk", "go"}, {"bulk", "go"}, {"bulk", "go"}}},
		{"bulk has half at most of the places", Limits{Burst: 1, Concurrency: 1, Lease: time.Hour},
			[]step{{"people", "go"}, {"people", "short"}, {"release", ""}, {"bulk", "go"}, {"people", "short"}, {"release", ""},
				{"bulk", "short"}, {"people", "go"}, {"release", ""}, {"bulk", "go"}}},
		{"bulk has a quarter at least of the places", Limits{Burst: 1, Concurrency: 1, Lease: time.Hour},
			[]step{{"people", "go"}, {"bulk", "short"}, {"release", ""}, {"people", "go"}, {"release", ""}, {"people", "go"}, {"release", ""},
				{"people", "short"}, {"bulk", "go"}, {"release", ""}, {"people", "go"}}},
		{"bulk has its own pace", Limits{Burst: 1, BulkInterval: time.Hour, Lease: time.Hour},
			[]step{{"bulk", "go"}, {"bulk", "wait"}, {"people", "go"}}},
		{"paused", hourly, []step{{"pause", ""}, {"people", "paused"}, {"refresh", "paused"}}},
		{"no limit", Limits{Burst: 1, Lease: time.Hour}, []step{{"people", "go"}, {"people", "go"}, {"bulk", "go"}, {"refresh", "go"}}},
	}
	run := func(g gate, steps []step) (string, time.Duration) {
		begin := time.Now()
		var tokens []string
		for i, s := range steps {
			lane := map[string]Lane{"people": People, "bulk": Bulk, "refresh": Refresh}
			switch s.do {
			case "release":
				g.release(tokens[len(tokens)-1])
				tokens = tokens[:len(tokens)-1]
				continue
			case "pause":
				g.pause(time.Hour)
				continue
			}
			v, err := g.try(t.Context(), lane[s.do])
			got := "wait"
			switch {
			case err != nil:
				got = err.Error()
			case v.granted:
				got = "go"
				tokens = append(tokens, v.token)
			case v.paused:
				got = "paused"
			case v.wait < time.Second:
				got = "short"
			}
			if got != s.want {
				return fmt.Sprintf("step %d, %s: %s (for %s), want %s", i+1, s.do, got, v.wait, s.want), time.Since(begin)
			}
		}
		return "", time.Since(begin)
	}
	rdb := redistest.Start(t).Client(t)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gates := map[string]func(attempt int) gate{
				"local": func(int) gate { return newLocalGate(tt.limits) },
				"fleet": func(n int) gate {
					return newFleetGate(rdb, fmt.Sprintf("test-%d-%d", i, n), tt.limits, 10*time.Second, true)
				},
			}
			for name, open := range gates {
				for attempt := 1; ; attempt++ {
					wrong, took := run(open(attempt), tt.steps)
					// A waiter is reckoned with for a while only: steps that took
					// longer than that say nothing.
					if wrong != "" && took > demandGrace && attempt < 20 {
						continue
					}
					if wrong != "" {
						t.Errorf("%s gate: %s", name, wrong)
					}
					break
				}
			}
		})
	}
}
