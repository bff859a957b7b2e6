package metrics_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"geogate/gateway/gatewaytest"
)

func TestMetricsTellOfSubscribers(t *testing.T) {
	f := gatewaytest.New(t, gatewaytest.WithAdmin)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(refusing.Close)
	var subscriber struct{ ID string }
	registered := f.Do(t, "POST /events/subscribers", fmt.Sprintf(`{"url":%q,"keepalive":false}`, refusing.URL), gatewaytest.AsAdmin)
	registered.JSON(t, &subscriber)
	f.Do(t, "POST /events", `{"type":"news","data":{}}`, gatewaytest.AsAdmin)
	gatewaytest.Eventually(t, "the metrics tell of a dead letter", func() error {
		figures := f.Figures(t)
		for _, want := range []string{
			fmt.Sprintf(`geogate_webhook_dead_letters{subscriber=%q} 1`, subscriber.ID),
			`geogate_webhook_subscribers{state="failing"} 1`,
			`geogate_webhook_subscribers{state="disabled"} 0`,
			`geogate_webhook_attempt_duration_seconds_count{outcome="refused"} 2`,
		} {
			if !strings.Contains(figures, want) {
				return fmt.Errorf("no %s: %q", want, regexp.MustCompile(`(?m)^geogate_webhook_(sub|att).*`).FindAllString(figures, -1))
			}
		}
		return nil
	})
}
