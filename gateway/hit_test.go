package gateway

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// BenchmarkHit is a cached answer through the whole of the middleware, without
// the network: request id, client address, rate limit, access log, metrics.
func BenchmarkHit(b *testing.B) {
	f := newFixture(b, func(c *Config) {
		c.RateLimit = RateLimit{Requests: 1 << 40, Per: time.Minute}
		c.Log = zerolog.New(discard{})
	})
	f.do(b, "GET "+vaduz, "")
	req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, vaduz, nil)
	req.Header.Set("User-Agent", "bench")
	w := &nowhere{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		f.gateway.ServeHTTP(w, req)
	}
	if w.status != http.StatusOK || w.header.Get("X-Cache") != "HIT" {
		b.Fatalf("status %d, X-Cache %q", w.status, w.header.Get("X-Cache"))
	}
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
