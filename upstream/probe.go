package upstream

import (
	"context"
	"net/url"
	"time"
)

// A Probe is how one provider answered when it was asked for its health.
type Probe struct {
	Name string
	Took time.Duration
	Err  error // nil: it answered
}

// Probe asks every provider once for its status, or for a place where it has no
// /status, regardless of breakers and budgets. It is meant for operators, not
// for automatic checks.
func (c *Chain) Probe(ctx context.Context) []Probe {
	probes := make([]Probe, len(c.members))
	for i, m := range c.members {
		endpoint, query := Status, url.Values{"format": {"json"}}
		if !m.serves(Status) {
			endpoint, query = Search, url.Values{"format": {"json"}, "q": {"Berlin"}, "limit": {"1"}}
		}
		req, err := Canonical(endpoint, query, "")
		began := time.Now()
		if err == nil {
			_, err = m.provider.Geocode(ctx, req)
		}
		probes[i] = Probe{Name: m.spec.Name, Took: time.Since(began), Err: err}
	}
	return probes
}
