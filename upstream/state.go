package upstream

import (
	"sync/atomic"
	"time"

	"geogate/internal/outbound"
)

// A Call is one call to a provider, for metrics.
type Call struct {
	Provider string
	Outcome  string // an Outcome, or "throttled", "unavailable", "timeout", "invalid", "canceled"
	Lane     Lane
	Waited   time.Duration // for budget
	Took     time.Duration
}

// State tells how a provider is doing.
type State struct {
	Name  string            `json:"name"`
	Kind  string            `json:"kind"`
	State string            `json:"state"` // "up", "open", "half-open" (the breaker), "paused" (by the provider)
	Calls map[string]uint64 `json:"calls"` // made since the start, by outcome
	// Budget is nil where nothing limits the calls.
	Budget *BudgetState `json:"budget,omitempty"`
}

// States tells how the providers are doing, in their order.
func (c *Chain) States() []State {
	states := make([]State, len(c.members))
	for i, m := range c.members {
		states[i] = m.state()
	}
	return states
}

func (m *member) state() State {
	s := State{
		Name: m.spec.Name, Kind: m.spec.Kind, State: m.guard.State(),
		Calls: make(map[string]uint64), Budget: m.guard.Budget(),
	}
	for label, n := range m.calls {
		s.Calls[label] = n.Load()
	}
	return s
}

// newCalls returns a counter for each label. The map itself does not change.
func newCalls() map[string]*atomic.Uint64 {
	calls := make(map[string]*atomic.Uint64)
	for _, label := range append(outbound.Labels(), string(Found), string(Empty), string(Refused)) {
		calls[label] = new(atomic.Uint64)
	}
	return calls
}

// count counts a call and returns its label.
func (m *member) count(a Answer, err error) string {
	label := string(a.Outcome)
	if err != nil {
		label = outbound.Label(err)
	}
	if n := m.calls[label]; n != nil {
		n.Add(1)
	}
	return label
}
