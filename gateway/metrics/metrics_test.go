package metrics_test

import (
	"runtime"
	"strings"
	"testing"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
)

func TestMetricsTellWhatTheCacheDid(t *testing.T) {
	f := gatewaytest.New(t, gatewaytest.WithAdmin)
	for range 3 {
		f.Do(t, "GET "+gatewaytest.Vaduz, "")
	}
	f.Do(t, "GET /no/such/path/1", "")
	f.Do(t, "BREW /no/such/path/2", "")
	got := f.Do(t, "GET /metrics", "", gatewaytest.AsAdmin).Text
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

func TestMetricsTellTheBuild(t *testing.T) {
	f := gatewaytest.New(t, gatewaytest.WithAdmin, func(c *gateway.Config) {
		c.Disagreements = func() []string { return []string{"DRIVER_TTL is 1m0s here and 2m0s elsewhere"} }
	})
	f.Metrics.TellBuild("v1.2.3", "0123456789ab")
	figures := f.Figures(t)
	for _, want := range []string{
		`geogate_build_info{commit="0123456789ab",goversion="` + runtime.Version() + `",version="v1.2.3"} 1`,
		`geogate_settings_disagreements 1`,
	} {
		if !strings.Contains(figures, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}
