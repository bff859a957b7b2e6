package gateway_test

import (
	"strings"
	"testing"
	"time"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
)

// What comes over a bus is answered as over HTTP, and counts for no client.
func TestCall(t *testing.T) {
	f := gatewaytest.New(t, func(c *gateway.Config) { c.RateLimit = gateway.RateLimit{Requests: 1, Per: time.Hour} })
	f.Do(t, "POST /tracking", `{"id":"7","lat":1,"lng":2}`)
	for range 3 {
		if status, body := f.Gateway.Call(t.Context(), "/search", []byte(`{"lat":1,"lng":2}`)); status != 200 || !strings.Contains(string(body), `"id":"7"`) {
			t.Errorf("Call = %d %s", status, body)
		}
	}
	if status, body := f.Gateway.Call(t.Context(), "/search", []byte(`{"lat":91,"lng":2}`)); status != 400 || !strings.Contains(string(body), `"code"`) {
		t.Errorf("Call = %d %s", status, body)
	}
}
