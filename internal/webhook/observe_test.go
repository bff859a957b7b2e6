package webhook_test

import (
	"net/http"
	"testing"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
	"geogate/internal/webhook"
)

func TestAttemptsAreObserved(t *testing.T) {
	gone := newReceiver(t, status(http.StatusOK))
	gone.Close()
	for _, tt := range []struct{ name, url, want string }{
		{"answered", newReceiver(t, status(http.StatusNoContent)).URL, "delivered"},
		{"refused", newReceiver(t, status(http.StatusInternalServerError)).URL, "refused"},
		{"nobody there", gone.URL, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tried := make(chan webhook.Tried, 100)
			cfg := quick()
			cfg.Observe = func(attempt webhook.Tried) { tried <- attempt }
			h := newHouse(t, redistest.Start(t).Client(t), cfg)
			h.register(t, tt.url)
			h.publish(t, "news", "", 1)
			var got webhook.Tried
			asynctest.Eventually(t, "an attempt", func() bool {
				select {
				case got = <-tried:
					return true
				default:
					return false
				}
			})
			if got.Outcome != tt.want || got.Took <= 0 {
				t.Errorf("observed %+v, want %q", got, tt.want)
			}
		})
	}
}
