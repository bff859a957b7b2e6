package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
)

// BenchmarkHit is a cached answer through the whole of the middleware, without
// the network: request id, client address, rate limit, access log, metrics.
func BenchmarkHit(b *testing.B) {
	f := gatewaytest.New(b, func(c *gateway.Config) {
		c.RateLimit = gateway.RateLimit{Requests: 1 << 40, Per: time.Minute}
		c.Log = zerolog.New(discard{})
	})
	f.Do(b, "GET "+gatewaytest.Vaduz, "")
	req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, gatewaytest.Vaduz, nil)
	req.Header.Set("User-Agent", "bench")
	w := &nowhere{header: http.Header{}}
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		clear(w.header)
		f.Gateway.ServeHTTP(w, req)
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
	if w.status != http.StatusOK || w.header.Get("X-Cache") != "HIT" {
		b.Fatalf("status %d, X-Cache %q", w.status, w.header.Get("X-Cache"))
	}
}

// processorTime is what this process has used. Unlike the time on the wall, it
// says something on a machine that is busy with other things, too.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// nowhere is a ResponseWriter that keeps the headers only.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) WriteHeader(status int)      { n.status = status }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
