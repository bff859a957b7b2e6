package gateway

import (
	"strings"
	"testing"
)

func TestMetricsTellWhatTheCacheDid(t *testing.T) {
	f := newFixture(t, withAdmin)
	for range 3 {
		f.do(t, "GET "+vaduz, "")
	}
	f.do(t, "GET /no/such/path/1", "")
	f.do(t, "BREW /no/such/path/2", "")
	got := f.do(t, "GET /metrics", "", asAdmin).body
	for _, want := range []string{
		`geogate_cache_answers_total{class="hit",layer="memory"} 2`,
		`geogate_cache_answers_total{class="miss",layer=""} 1`,
		`geogate_upstream_calls_avoided_total{provider="recorded"} 2`,
		`geogate_upstream_up{provider="recorded"} 1`,
		`geogate_cache_memory_entries 1`,
		`geogate_http_request_duration_seconds_count{method="GET",route="/search",status="200"} 3`,
		`geogate_http_request_duration_seconds_count{method="GET",route="none",status="404"} 1`,
		`geogate_http_request_duration_seconds_count{method="other",route="none",status="405"} 1`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if strings.Contains(got, "aduz") || strings.Contains(got, "such") {
		t.Error("/metrics tells what clients asked for")
	}
}
