package geocoding_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"testing"
	"time"

	"geogate/gateway/gatewaytest"
)

// BenchmarkSuggestAtRate types towns letter by letter at 5,000 requests a second
// on one core. Every request is due at its time, whatever became of those before:
// the latencies are those that people wait. No prefix comes twice, so that nothing
// is cached.
func BenchmarkSuggestAtRate(b *testing.B) {
	const rate = 5000
	f := gatewaytest.New(b)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	queries := typed()
	handler, took := f.Gateway, make([]time.Duration, 0, b.N)
	ticks := time.NewTicker(time.Second / rate)
	defer ticks.Stop()
	b.ResetTimer()
	start := time.Now()
	for i := range b.N {
		due := start.Add(time.Duration(i) * time.Second / rate)
		for time.Now().Before(due) {
			<-ticks.C
		}
		r := httptest.NewRequest(http.MethodGet, "/suggest?q="+queries[i%len(queries)], nil)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
		took = append(took, time.Since(due))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// typed are the beginnings of names as people type them.
func typed() []string {
	var queries []string
	seen := map[string]bool{}
	for _, first := range []string{"s", "ber", "lon", "par", "new ", "san ", "zür", "mos", "del", "tok", "rio ", "st ", "vad", "мос", "北"} {
		for _, second := range "abcdefghijklmnopqrstuvwxyz" {
			for _, third := range " aeioudlnrst" {
				q := url.QueryEscape(first + string(second) + string(third))
				if !seen[q] {
					seen[q] = true
					queries = append(queries, q)
				}
			}
		}
	}
	return queries
}
