package exchange

import "geogate/cache"

// A Source answers requests for one route from the cache, or not at all. It calls wait
// before it waits for Redis, and does not if that says no or is nil; it calls take before
// it counts the answer. Both may set ex.Client. It notes on ex what the handler would.
// false: the handler shall answer, nothing has happened but that ex.Spent may be set.
type Source func(ex *Exchange, query, acceptLanguage string, wait func() bool, take func(cache.Result) bool) (hit Hit, held bool)

// Hit is an answer from the cache.
type Hit struct {
	cache.Result
	Cell     string    // the position that was asked in place of the client's; "" for their own
	Envelope *Envelope // what goes out in place of the stored body; nil: the body as it is
}

// Envelope is what an endpoint of geogate's own writes around a stored body. It is not
// put together before it goes out.
type Envelope struct {
	ETag                string
	Before, Body, After []byte
}

// JSON is the content type of geogate's own answers.
const JSON = "application/json"

// Len is the length in bytes of what AppendTo appends.
func (e *Envelope) Len() int { return len(e.Before) + len(e.Body) + len(e.After) }

// AppendTo appends all of it to b.
func (e *Envelope) AppendTo(b []byte) []byte {
	return append(append(append(b, e.Before...), e.Body...), e.After...)
}
