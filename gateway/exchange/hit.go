package exchange

import "geogate/cache"

// A Source answers requests for one route from memory, or not at all. It calls take,
// which may set ex.Client, before it counts the answer, and notes on ex what the
// handler would. false: nothing has happened, and the handler shall answer.
type Source func(ex *Exchange, query, acceptLanguage string, take func(cache.Result) bool) (hit Hit, held bool)

// Hit is an answer from memory.
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
