package widget_test

import (
	"testing"

	"geogate/gateway/gatewaytest"
)

// mostBytes is what the script may weigh on the wire.
const mostBytes = 4 << 10

// Modules are fetched with CORS: pages of others need the permission.
func TestScriptIsServed(t *testing.T) {
	f := gatewaytest.New(t)
	got := f.Do(t, "GET /console/suggest.js", "", "Accept-Encoding: gzip", "Origin: https://shop.example")
	if got.StatusCode != 200 || got.Header.Get("Content-Type") != "text/javascript; charset=utf-8" ||
		got.Header.Get("Access-Control-Allow-Origin") != "*" || got.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	if len(got.Text) > mostBytes {
		t.Errorf("the script has %d bytes in gzip, want at most %d", len(got.Text), mostBytes)
	}
}
