package rides_test

import (
	"strings"
	"testing"
	"time"

	"geogate/gateway/gatewaytest"
	"geogate/upstream/upstreamtest"
)

// What a rider says about a ride comes back, in each of its forms.
func TestDetailsOfARide(t *testing.T) {
	f := gatewaytest.New(t)
	f.Upstream.SetAnswer(&upstreamtest.Fixed{
		ContentType: "application/json; charset=utf-8",
		Body:        `[{"place_id":1,"lat":"47.1392862","lon":"9.5227962","class":"boundary","type":"administrative","display_name":"Vaduz, Liechtenstein"}]`,
	})
	ask := `{"q":"Vaduz","dropoff":{"q":"Vaduz"},"note":"ring at B","metadata":{"fare":"12"},"tags":["a"]}`
	made := f.Do(t, "POST /v2/search", ask, "Idempotency-Key: k")
	var ride struct {
		RequestID    string `json:"request_id"`
		Cache        bool
		DropoffCache *bool `json:"dropoff_cache"`
	}
	made.JSON(t, &ride)
	// The drop-off was looked up first, and the pickup is the same place.
	if made.StatusCode != 200 || ride.DropoffCache == nil || *ride.DropoffCache || !ride.Cache || made.Header.Get("X-Cache") != "HIT" {
		t.Fatalf("request = %d %s, X-Cache %q", made.StatusCode, made.Text, made.Header.Get("X-Cache"))
	}
	read := f.Do(t, "GET /v2/requests/"+ride.RequestID, "")
	for _, part := range []string{`"note":"ring at B"`, `"metadata":{"fare":"12"}`, `"dropoff":{"lat":`, `"pickup":{"lat":`} {
		if !strings.Contains(read.Text, part) || !strings.Contains(made.Text, part) {
			t.Errorf("ride lacks %s: %s, and as made %s", part, read.Text, made.Text)
		}
	}
	if n := strings.Count(read.Text, `"place":{"display_name"`); n != 2 {
		t.Errorf("ride shows %d places, want those of both ends: %s", n, read.Text)
	}
	if again := f.Do(t, "POST /v2/search", ask, "Idempotency-Key: k"); again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again = %d %s, want it replayed", again.StatusCode, again.Text)
	}
	if other := f.Do(t, "POST /v2/search", strings.Replace(ask, "12", "13", 1), "Idempotency-Key: k"); other.StatusCode != 422 {
		t.Errorf("other metadata with the same key = %d, want 422", other.StatusCode)
	}
}

func TestScheduledOverHTTP(t *testing.T) {
	f := gatewaytest.New(t)
	f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago)
	at := time.Now().Add(24 * time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
	made := f.Do(t, "POST /v2/search", `{"lat":-33.44262,"lng":-70.63054,"pickup_at":"`+at+`"}`)
	if made.StatusCode != 200 || !strings.Contains(made.Text, `"state":"scheduled"`) || !strings.Contains(made.Text, `"pickup_at":"`+at+`"`) {
		t.Errorf("request = %d %s, want it scheduled for %s", made.StatusCode, made.Text, at)
	}
	for body, code := range map[string]string{
		`{"lat":1,"lng":1,"pickup_at":"tomorrow"}`:                              "invalid_pickup_at",
		`{"lat":1,"lng":1,"pickup_at":"2020-01-01T00:00:00Z"}`:                  "invalid_pickup_at",
		`{"lat":1,"lng":1,"pickup_at":"9999-01-01T00:00:00Z"}`:                  "invalid_pickup_at",
		`{"lat":1,"lng":1,"dropoff":{}}`:                                        "missing_position",
		`{"lat":1,"lng":1,"dropoff":{"lat":91,"lng":0}}`:                        "invalid_position",
		`{"lat":1,"lng":1,"dropoff":{"q":"x","lat":1,"lng":1}}`:                 "address_and_position",
		`{"lat":1,"lng":1,"dropoff":{"place":"x"}}`:                             "unknown_field",
		`{"lat":1,"lng":1,"metadata":{"a":1}}`:                                  "wrong_type",
		`{"lat":1,"lng":1,"metadata":{"a":{"b":"c"}}}`:                          "wrong_type",
		`{"lat":1,"lng":1,"note":"` + strings.Repeat("n", 281) + `"}`:           "invalid_note",
		`{"lat":1,"lng":1,"metadata":{"a":"` + strings.Repeat("n", 501) + `"}}`: "invalid_metadata",
	} {
		if got := f.Do(t, "POST /v2/search", body); got.StatusCode != 400 || !strings.Contains(got.Text, `"`+code+`"`) {
			t.Errorf("%.80s = %d %s, want 400 %s", body, got.StatusCode, got.Text, code)
		}
	}
}
