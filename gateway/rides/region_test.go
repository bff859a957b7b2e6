package rides_test

import (
	"slices"
	"strings"
	"testing"

	"geogate/gateway/gatewaytest"
)

// Whoever names a region that is not declared hears so, and leaves nothing behind.
func TestUnknownRegions(t *testing.T) {
	f := gatewaytest.NewWithRegions(t, []string{"default", "north"})
	before := regionKeys(t, f)
	for _, tt := range []struct{ name, line, body string }{
		{"position", "POST /tracking", `{"id":"1","lat":1,"lng":1,"region":"munich"}`},
		{"ride", "POST /v2/search", `{"lat":1,"lng":1,"region":"munich"}`},
		{"search", "POST /search", `{"lat":1,"lng":1,"region":"munich"}`},
		{"driver", "GET /v2/drivers/1?region=munich", ""},
		{"deletion", "DELETE /v2/drivers/1?region=munich", ""},
		{"offers", "GET /v2/drivers/1/offers?region=munich", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := f.Do(t, tt.line, tt.body)
			var p gatewaytest.Problem
			got.JSON(t, &p)
			if got.StatusCode != 400 || p.Code != "unknown_region" {
				t.Errorf("%d %s, want 400 unknown_region", got.StatusCode, got.Text)
			}
		})
	}
	if after := regionKeys(t, f); !slices.Equal(after, before) {
		t.Errorf("keys of dispatch in Redis: %q, before %q", after, before)
	}
}

// regionKeys are the keys that a request of dispatch may leave behind, sorted. Workers write
// others at any time, among them their leases.
func regionKeys(t *testing.T, f *gatewaytest.Fixture) []string {
	t.Helper()
	keys := slices.DeleteFunc(f.Keys(t), func(key string) bool {
		ofRequests := slices.ContainsFunc([]string{"{default}:", "{north}:", "{munich}:", "home:", "key:"}, func(of string) bool {
			return strings.HasPrefix(key, "geogate:"+of)
		})
		return !ofRequests || strings.HasSuffix(key, ":outbox:lease")
	})
	slices.Sort(keys)
	return keys
}

func TestAnIdempotencyKeyInAnotherRegion(t *testing.T) {
	f := gatewaytest.NewWithRegions(t, []string{"default", "north"})
	ask := func(body string) gatewaytest.Answer { return f.Do(t, "POST /v2/search", body, "Idempotency-Key: k") }
	var first, again gatewaytest.Ride
	ask(`{"lat":1,"lng":1}`).JSON(t, &first)
	got := ask(`{"lat":1,"lng":1,"region":"north"}`)
	var p gatewaytest.Problem
	got.JSON(t, &p)
	if got.StatusCode != 422 || p.Code != "idempotency_key_reused" {
		t.Errorf("the key in another region: %d %s, want 422", got.StatusCode, got.Text)
	}
	ask(`{"lat":1,"lng":1}`).JSON(t, &again)
	if again.RequestID != first.RequestID || first.RequestID == "" {
		t.Errorf("the key again led to %q, want %q", again.RequestID, first.RequestID)
	}
}
