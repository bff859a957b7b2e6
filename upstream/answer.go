package upstream

import (
	"context"
	"time"
)

// Outcome says what an answer amounts to, which decides how long it may live.
type Outcome string

const (
	// Found means at least one place, or whatever else the endpoint serves.
	Found Outcome = "found"
	// Empty means that the upstream knows no such place.
	Empty Outcome = "empty"
	// Refused is the upstream's own 400 or 404, in its own words. The same
	// request will be refused again.
	Refused Outcome = "refused"
)

// An Answer is what a provider said, checked and ready to be passed on.
type Answer struct {
	Status      int
	ContentType string
	Body        []byte // not to be modified
	Outcome     Outcome
	Provider    string        // name of who answered
	Fallback    bool          // not the first choice for this request
	MaxTTL      time.Duration // longest it may be kept, stale time included; 0: no limit
	NoStore     bool          // must not be kept at all
}

// A Provider is one geocoder. Geocode returns an *Error (or the context's
// error when the caller left) for everything that is no proper answer. Both
// methods are safe for concurrent use.
type Provider interface {
	Name() string
	Geocode(ctx context.Context, r Request) (Answer, error)
}
