package gateway

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// exchange is what one request and its answer leave in the access log. Only
// the goroutine that serves the request touches it.
type exchange struct {
	requestID string
	client    netip.Addr

	cache     string // X-Cache
	upstream  string // the provider that answered
	queryHash string
	rideID    string
	err       error
}

type exchangeKey struct{}

// exchangeOf returns the exchange of a request that went through observe.
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
		ex := &exchange{requestID: requestID(r.Header), client: g.clientAddr(r)}
		rec := &recorder{ResponseWriter: w}
		h := rec.Header() // keys are in canonical form, and Set would check that for each request
		h["X-Request-Id"] = []string{ex.requestID}
		h["X-Content-Type-Options"] = nosniff
		h["Referrer-Policy"] = noReferrer
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, ex))
		if !isProbe(r.URL.Path) {
			g.underWay.Add(1)
			defer g.underWay.Add(-1)
		}
		defer func() { g.logAccess(r, ex, rec, time.Since(start)) }()
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

func (g *Gateway) logAccess(r *http.Request, ex *exchange, rec *recorder, took time.Duration) {
	route := chi.RouteContext(r.Context()).RoutePattern()
	g.metrics.observe(route, r.Method, rec.status, took)
	line := g.log.Info() //nolint:zerologlint // dispatched by Msg below
	line.Str("request_id", ex.requestID).Str("route", route).Str("method", knownMethod(r.Method)).
		Int("status", rec.status).Int64("bytes", rec.bytes).
		Float64("dur_ms", float64(took.Microseconds())/1000)
	optional := func(key, value string) {
		if value != "" {
			line.Str(key, value)
		}
	}
	optional("cache", ex.cache)
	optional("upstream", ex.upstream)
	optional("query", ex.queryHash)
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

// requestID takes over the id that a proxy gave, when it is harmless in a log
// and a URN, and makes one otherwise.
func requestID(h http.Header) string {
	id := h.Get("X-Request-Id")
	if id == "" || len(id) > maxRequestID || strings.Trim(id, idAlphabet) != "" {
		return newRequestID()
	}
	return id
}

const idAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

var idEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

func newRequestID() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return strings.ToLower(idEncoding.EncodeToString(b[:]))
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
