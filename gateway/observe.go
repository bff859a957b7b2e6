package gateway

import (
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"geogate/cache"
	"geogate/gateway/exchange"
	"geogate/internal/identity"
)

// observe gives every request an id, writes its one access-log line and its
// metrics, and turns a panic into an answer.
func (g *Gateway) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ex := exchange.Of(r)
		ex.Client = g.proxies.Client(r)
		ex.Identify(r.Header.Get("X-Request-Id"), w.Header())
		if parents := r.Header[traceparent]; g.tracer != nil || len(parents) == 1 {
			ex.Trace = g.begin(parents)
		}
		defer func() { g.logAccess(ex, ex.Route(), knownMethod(r.Method), time.Since(start)) }()
		defer func() {
			if v := recover(); v != nil {
				g.recovered(&ex.Recorder, r, v)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// recovered answers 500 after a panic, or cuts the connection when an answer
// has begun, so that half an answer cannot pass for a whole one.
func (g *Gateway) recovered(rec *exchange.Recorder, r *http.Request, v any) {
	if v == http.ErrAbortHandler { //nolint:errorlint // a sentinel that is thrown, not an error that is wrapped
		panic(v)
	}
	ex := exchange.Of(r)
	line := g.log.Error().Str("request_id", ex.RequestID)
	if ex.Trace.Valid() {
		line.Str("trace_id", ex.Trace.ID())
	}
	line.Interface("panic", v).
		Bytes("stack", debug.Stack()).Msg("handler panicked")
	if rec.Status != 0 {
		panic(http.ErrAbortHandler)
	}
	exchange.WriteProblem(rec, r, exchange.NewProblem(http.StatusInternalServerError, "internal", "geogate failed on this request"))
}

func (g *Gateway) logAccess(ex *exchange.Exchange, route, method string, took time.Duration) {
	status := ex.Recorder.Status
	traced := ""
	if ex.Trace.Valid() {
		traced = ex.Trace.ID()
	}
	if ex.Trace.Sampled() {
		g.metrics.ObserveTraced(route, method, status, took, traced)
		tell(ex, route, method, took)
	} else {
		g.metrics.Observe(route, method, status, took)
	}
	hit := ex.Cache == string(cache.Hit) || ex.Cache == string(cache.Stale)
	if g.ledger != nil {
		g.ledger.Request(ex.Caller, hit)
	}
	line := g.log.Info() //nolint:zerologlint // dispatched by Msg below
	line.Str("request_id", ex.RequestID).Str("route", route).Str("method", method).
		Int("status", status).Int64("bytes", ex.Recorder.Bytes).
		Float64("dur_ms", float64(took.Microseconds())/1000)
	optional := func(key, value string) {
		if value != "" {
			line.Str(key, value)
		}
	}
	if ex.Caller != nil && ex.Caller.Kind != identity.Anonymous {
		line.Stringer("caller", ex.Caller.Kind)
		optional("key", ex.Caller.Key)
	}
	if status == http.StatusTooManyRequests && ex.Client.IsValid() {
		line.Stringer("client", exchange.ClientOf(ex.Client)) // whom to slow down, or to exempt
	}
	optional("cache", ex.Cache)
	optional("upstream", ex.Upstream)
	if ex.Query != 0 {
		var room [16]byte
		line.Bytes("query", strconv.AppendUint(room[:0], ex.Query, 36))
	}
	optional("ride_id", ex.RideID)
	optional("trace_id", traced)
	if ex.Failure != nil {
		line.AnErr("err", ex.Failure)
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
