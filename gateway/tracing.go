package gateway

import (
	"net/http"
	"time"

	"geogate/gateway/exchange"
	"geogate/internal/trace"
)

// traceparent is the canonical form of trace.HeaderName.
const traceparent = "Traceparent"

// begin returns the scope of a request with these traceparents. More than one is none,
// as the specification wants it.
func (g *Gateway) begin(parents []string) trace.Scope {
	if len(parents) != 1 {
		return g.tracer.Begin("")
	}
	return g.tracer.Begin(parents[0])
}

// tell hands over the span of a request that was just answered, if anybody wants it. The
// route is its pattern: what people look for and where is not told.
func tell(ex *exchange.Exchange, route, method string, took time.Duration) {
	end := time.Now()
	span := ex.Trace.Root(trace.Server, method+" "+route, end.Add(-took))
	span.Set("http.request.method", method)
	span.Set("http.route", route)
	span.SetNumber("http.response.status_code", int64(ex.Recorder.Status))
	span.Set("geogate.request_id", ex.RequestID)
	span.Set("geogate.cache", ex.Cache)
	span.Set("geogate.upstream", ex.Upstream)
	span.Set("geogate.ride_id", ex.RideID)
	if status := ex.Recorder.Status; status >= http.StatusInternalServerError {
		span.Fail(http.StatusText(status))
	}
	span.EndAt(end)
}
