// Package exchange holds what the rooms of the gateway share: one request and
// its answer, and everything that reads the one or writes the other in the same
// way for every endpoint (bodies, parameters, positions, problems, freshness
// headers, event streams, limits).
package exchange

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"geogate/internal/identity"
	"geogate/internal/trace"
	"geogate/internal/turns"
)

// Handler answers a request or returns why not. The gateway turns the error into
// an answer in the shape that the route has for errors.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Exchange is one request and its answer: what they leave in the access log,
// and everything that has to be made anew for each of them, in one allocation.
// Only the goroutine that serves the request touches it.
//
// It is the request's context, too, so that neither chi nor the gateway has to
// copy the request to attach something to it: that was a fifth of a hit.
type Exchange struct {
	context.Context //nolint:containedctx // of the same request

	RequestID string
	Client    netip.Addr
	Internal  bool             // no client sent it over HTTP
	Caller    *identity.Caller // nil: nobody had to be known
	Spare     bool             // its connection is kept for probes
	Spent     time.Duration    // of its time for Redis, before the handler

	Cache    string // X-Cache
	Upstream string // the provider that answered
	Query    uint64 // keyed hash of the canonical request; 0: none
	RideID   string
	Trace    trace.Scope // zero: in no trace
	Failure  error       // why the answer is not what was asked for; only for the log

	Recorder  Recorder
	Freshness Freshness

	idHeader [1]string
	route    chi.Context
	patterns [2]string // room for those of route
}

// New returns the exchange of r, which routes is going to route. Serve r with it
// as its context and with its Recorder as the ResponseWriter.
func New(w http.ResponseWriter, r *http.Request, routes chi.Routes) *Exchange {
	ex := &Exchange{Context: r.Context(), Recorder: Recorder{ResponseWriter: w}}
	ex.route.Routes = routes
	ex.route.RoutePatterns = ex.patterns[:0]
	return ex
}

// Turn returns a context for Redis alone: calls take the turns of whoever sent the request.
func (ex *Exchange) Turn() context.Context { return turns.As(context.Background(), ex.Counted()) }

type key struct{}

// Value implements context.Context.
func (ex *Exchange) Value(k any) any {
	switch k {
	case key{}:
		return ex
	case chi.RouteCtxKey:
		return &ex.route
	case turns.CallerKey{}:
		return ex.Counted()
	case trace.Key{}:
		if ex.Trace.Valid() {
			return &ex.Trace
		}
	}
	return ex.Context.Value(k)
}

// Of returns the exchange of a request that the gateway serves.
func Of(r *http.Request) *Exchange {
	return r.Context().Value(key{}).(*Exchange)
}

// Route is the pattern of the matched route.
func (ex *Exchange) Route() string { return ex.route.RoutePattern() }

// Header values that never change are shared by all answers.
var (
	Nosniff    = []string{"nosniff"}
	NoReferrer = []string{"no-referrer"}
)

// Identify gives the exchange the id that a proxy sent, or a new one, and sets
// the headers that every answer has.
func (ex *Exchange) Identify(sent string, h http.Header) {
	ex.RequestID = RequestID(sent)
	ex.idHeader[0] = ex.RequestID
	h["X-Request-Id"] = ex.idHeader[:] // the keys are in canonical form; Set would check that every time
	h["X-Content-Type-Options"] = Nosniff
	h["Referrer-Policy"] = NoReferrer
}

// maxRequestID is the longest id taken over from a proxy; Heroku's router
// passes on ids of 20 to 200 characters.
const maxRequestID = 200

// RequestID takes over id, the one that a proxy gave, when it is harmless in a
// log and a URN, and makes one otherwise.
func RequestID(id string) string {
	if id == "" || len(id) > maxRequestID || strings.Trim(id, idAlphabet) != "" {
		return newRequestID()
	}
	return id
}

const idAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// newRequestID makes an id of 120 random bits. It has to be unique, not secret:
// the generator of math/rand/v2 is seeded by the system and takes a tenth of the
// time.
func newRequestID() string {
	var b [16]byte
	binary.NativeEndian.PutUint64(b[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(b[8:], rand.Uint64())
	var id [24]byte
	idEncoding.Encode(id[:], b[:15])
	return string(id[:])
}

// Recorder notes status and size of an answer.
type Recorder struct {
	http.ResponseWriter
	Status int   // 0: no answer yet
	Bytes  int64 // of the body
}

// WriteHeader implements http.ResponseWriter.
func (r *Recorder) WriteHeader(status int) {
	if r.Status == 0 && status >= 200 { // 1xx may precede the real one
		r.Status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *Recorder) Write(p []byte) (int, error) {
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.Bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *Recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
