package gateway

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// exchange is one request and its answer: what they leave in the access log,
// and everything that has to be made for each of them anew, in one piece.
// Only the goroutine that serves the request touches it.
//
// It is the request's context, too, so that neither chi nor observe has to copy
// the request to tell it something: that was a fifth of a hit.
type exchange struct {
	context.Context //nolint:containedctx // of the same request

	requestID string
	client    netip.Addr

	cache    string // X-Cache
	upstream string // the provider that answered
	query    uint64 // keyed hash of the canonical request; 0: none
	rideID   string
	err      error

	recorder  recorder
	idHeader  [1]string
	freshness freshness
	route     chi.Context
	patterns  [2]string // room for those of route
}

func newExchange(w http.ResponseWriter, r *http.Request, routes chi.Routes) *exchange {
	ex := &exchange{Context: r.Context(), recorder: recorder{ResponseWriter: w}}
	ex.route.Routes = routes
	ex.route.RoutePatterns = ex.patterns[:0]
	return ex
}

type exchangeKey struct{}

// Value implements context.Context.
func (ex *exchange) Value(key any) any {
	switch key {
	case exchangeKey{}:
		return ex
	case chi.RouteCtxKey:
		return &ex.route
	}
	return ex.Context.Value(key)
}

// exchangeOf returns the exchange of a request that the gateway serves.
func exchangeOf(r *http.Request) *exchange {
	return r.Context().Value(exchangeKey{}).(*exchange)
}

// Header values that never change are shared by all answers.
var (
	nosniff    = []string{"nosniff"}
	noReferrer = []string{"no-referrer"}
)

// observe gives every request an id, writes its one access-log line and its
// metrics, and turns a panic into an answer.
func (g *Gateway) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ex := exchangeOf(r)
		ex.requestID, ex.client = requestID(r.Header.Get("X-Request-Id")), g.clientAddr(r)
		rec := &ex.recorder
		h := w.Header() // keys are in canonical form, and Set would check that for each request
		ex.idHeader[0] = ex.requestID
		h["X-Request-Id"] = ex.idHeader[:]
		h["X-Content-Type-Options"] = nosniff
		h["Referrer-Policy"] = noReferrer
		if !isProbe(r.URL.Path) {
			g.underWay.Add(1)
			defer g.underWay.Add(-1)
		}
		defer func() { g.logAccess(ex, ex.route.RoutePattern(), knownMethod(r.Method), time.Since(start)) }()
		defer func() {
			if v := recover(); v != nil {
				g.recovered(rec, r, v)
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// recovered answers 500 after a panic, or cuts the connection when an answer
// has begun, so that half an answer cannot pass for a whole one.
func (g *Gateway) recovered(rec *recorder, r *http.Request, v any) {
	if v == http.ErrAbortHandler { //nolint:errorlint // a sentinel that is thrown, not an error that is wrapped
		panic(v)
	}
	g.log.Error().Str("request_id", exchangeOf(r).requestID).Interface("panic", v).
		Bytes("stack", debug.Stack()).Msg("handler panicked")
	if rec.status != 0 {
		panic(http.ErrAbortHandler)
	}
	writeProblem(rec, r, newProblem(http.StatusInternalServerError, "internal", "geogate failed on this request"))
}

func (g *Gateway) logAccess(ex *exchange, route, method string, took time.Duration) {
	status := ex.recorder.status
	g.metrics.observe(route, method, status, took)
	line := g.log.Info() //nolint:zerologlint // dispatched by Msg below
	line.Str("request_id", ex.requestID).Str("route", route).Str("method", method).
		Int("status", status).Int64("bytes", ex.recorder.bytes).
		Float64("dur_ms", float64(took.Microseconds())/1000)
	optional := func(key, value string) {
		if value != "" {
			line.Str(key, value)
		}
	}
	optional("cache", ex.cache)
	optional("upstream", ex.upstream)
	if ex.query != 0 {
		var room [16]byte
		line.Bytes("query", strconv.AppendUint(room[:0], ex.query, 36))
	}
	optional("ride_id", ex.rideID)
	if ex.err != nil {
		line.AnErr("err", ex.err)
	}
	line.Msg("request")
}

// knownMethod keeps a client from writing its own words into labels and logs.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// maxRequestID is the longest id taken over from a proxy; Heroku's router
// passes on ids of 20 to 200 characters.
const maxRequestID = 200

// requestID takes over id, the one that a proxy gave, when it is harmless in a
// log and a URN, and makes one otherwise.
func requestID(id string) string {
	if id == "" || len(id) > maxRequestID || strings.Trim(id, idAlphabet) != "" {
		return newRequestID()
	}
	return id
}

const idAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// newRequestID makes an id of 120 random bits. It has to be unlike all others,
// not secret: the generator of math/rand/v2 is seeded by the system and does
// that in a tenth of the time.
func newRequestID() string {
	var b [16]byte
	binary.NativeEndian.PutUint64(b[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(b[8:], rand.Uint64())
	var id [24]byte
	idEncoding.Encode(id[:], b[:15])
	return string(id[:])
}

// clientAddr is the address that the limit of one client counts: the socket
// peer, or what chi read from X-Forwarded-For when proxies are trusted. A
// request that came around the proxies has too few hops in that header, and
// counts by its socket peer.
func (g *Gateway) clientAddr(r *http.Request) netip.Addr {
	if g.trustedProxies > 0 {
		if addr := middleware.GetClientIPAddr(r.Context()); addr.IsValid() {
			return addr
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}

// recorder notes status and size of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 { // 1xx may precede the real one
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
