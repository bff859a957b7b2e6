package upstream

import (
	"context"
	"encoding/json"
	"net/url"
	"time"
)

// A Probe is how one provider answered when it was asked for its health.
type Probe struct {
	Name string
	Took time.Duration
	Err  error // nil: it answered
	// Data is the date of its map data, where it tells.
	Data time.Time
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
		var answer Answer
		if err == nil {
			answer, err = m.provider.Geocode(ctx, req)
		}
		probes[i] = Probe{Name: m.spec.Name, Took: time.Since(began), Err: err, Data: dataDate(answer.Body)}
	}
	return probes
}

// dataDate reads the date of the data from the body of a status, zero where
// there is none.
func dataDate(body []byte) time.Time {
	var status struct {
		Updated time.Time `json:"data_updated"`
	}
	if json.Unmarshal(body, &status) != nil {
		return time.Time{}
	}
	return status.Updated
}
