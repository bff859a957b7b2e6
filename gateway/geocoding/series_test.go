package geocoding_test

import (
	"testing"

	"geogate/gateway/gatewaytest"
)

// Only GET and HEAD can be answered with what the client has.
func TestPostIsNeverNotModified(t *testing.T) {
	f := gatewaytest.New(t)
	etag := f.Do(t, "POST /api", `{"q":"Vaduz"}`).Header.Get("ETag")
	if got := f.Do(t, "POST /api", `{"q":"Vaduz"}`, "If-None-Match: "+etag); got.StatusCode != 200 || got.Text == "" {
		t.Errorf("POST with If-None-Match = %d, want 200 with the places", got.StatusCode)
	}
	if got := f.Do(t, "GET /api?q=Vaduz", "", "If-None-Match: "+etag); got.StatusCode != 304 {
		t.Errorf("GET with If-None-Match = %d, want 304", got.StatusCode)
	}
}
