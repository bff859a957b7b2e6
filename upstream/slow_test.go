package upstream_test

import (
	"fmt"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream"
	"geogate/upstream/upstreamtest"
)

// Whatever way the first provider has of not answering, the fallback is asked,
// though it has a budget that has to be waited for.
func TestFallbackOfProvidersThatFailSlowly(t *testing.T) {
	const timeout = 300 * time.Millisecond
	tests := []struct {
		name  string
		fault upstreamtest.Fault
		delay time.Duration
	}{
		{"hangs", upstreamtest.Hang, 0},
		{"drips bytes", upstreamtest.Drip, 0},
		{"answers late", upstreamtest.Fault{}, time.Second},
		{"429", upstreamtest.Throttled(1), 0},
		{"HTML", upstreamtest.HTML, 0},
		{"cut off", upstreamtest.Truncated, 0},
		{"drops connections", upstreamtest.Reset, 0},
		{"refuses after a while", upstreamtest.Failing(503), timeout - 50*time.Millisecond},
	}
	rs := redistest.Start(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first, second := upstreamtest.New(t), upstreamtest.New(t)
			first.SetFault(tt.fault)
			first.SetDelay(tt.delay)
			second.SetAnswer(upstreamtest.Places(2))
			list := fmt.Sprintf("nominatim+%s#timeout=%s,nominatim+%s#name=second&rate=10/s", first.URL, timeout, second.URL)
			c := newChain(t, list, upstream.Config{Redis: rs.Client(t), RedisPatience: patient})
			for n := range 2 {
				a, err := c.Geocode(t.Context(), request(t, fmt.Sprintf("search?q=%d", n)), upstream.People)
				if err != nil || a.Provider != "second" || a.After != upstream.AfterError {
					t.Errorf("Geocode = %+v, %v, want the fallback's answer", a, err)
				}
			}
		})
	}
}
