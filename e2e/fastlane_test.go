package e2e

import (
	"net/http"
	"regexp"
	"testing"

	"geogate/upstream/upstreamtest"
)

// TestFastLaneIsChosen looks whether FAST_LANE does what it says, in the program
// as it is run.
func TestFastLaneIsChosen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		setting string
		used    bool
	}{{"on", true}, {"off", false}} {
		t.Run(tt.setting, func(t *testing.T) {
			t.Parallel()
			upstream := upstreamtest.New(t)
			g := start(t, settings("UPSTREAMS", "nominatim+"+upstream.URL, "FAST_LANE", tt.setting, "ADMIN_TOKEN", "secret"))
			wantPlaces(t, g.get(t, cachedQuery), "MISS")
			for range 20 { // net/http may have the first byte of some (TestFastLaneIsNetHTTP)
				wantPlaces(t, g.get(t, cachedQuery), "HIT")
			}
			metrics := g.get(t, "/metrics", "Authorization", "Bearer secret")
			if metrics.Status != http.StatusOK {
				t.Fatal(metrics)
			}
			if used := lanesAnswers.Match(metrics.Body); used != tt.used {
				t.Errorf("FAST_LANE=%s: used %v, want %v", tt.setting, used, tt.used)
			}
		})
	}
}

var lanesAnswers = regexp.MustCompile(`(?m)^geogate_fast_lane_answers_total [1-9]`)
