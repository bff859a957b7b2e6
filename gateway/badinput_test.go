package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"geogate/gateway/gatewaytest"
)

// TestBadInput sends what must not be taken to every endpoint. Each is told
// what is wrong, in the documented shape, and nothing is stored.
func TestBadInput(t *testing.T) {
	long := strings.Repeat("x", 1000+1)
	const form = "Content-Type: application/x-www-form-urlencoded"
	tests := []struct {
		name    string
		request string
		body    string
		status  int
		code    string
		headers []string
	}{
		{"api: nothing asked", "GET /api", "", 400, "missing_query", nil},
		{"api: white space", "GET /api?q=%20%09", "", 400, "missing_query", nil},
		{"api: address and position", "GET /api?q=a&lat=1&lon=1", "", 400, "address_and_position", nil},
		{"api: lat alone", "GET /api?lat=1", "", 400, "missing_position", nil},
		{"api: lat no number", "GET /api?lat=abc&lon=1", "", 400, "invalid_position", nil},
		{"api: digits grouped", "GET /api?lat=4_7&lon=1", "", 400, "invalid_position", nil},
		{"api: hexadecimal", "GET /api?lat=47&lon=0x1p5", "", 400, "invalid_position", nil},
		{"api: lat NaN", "GET /api?lat=NaN&lon=1", "", 400, "invalid_position", nil},
		{"api: decimal comma", "GET /api?lat=47,14&lon=9,52", "", 400, "invalid_position", nil},
		{"api: lat out of range", "GET /api?lat=91&lon=1", "", 400, "invalid_position", nil},
		{"api: lon and lng differ", "GET /api?lat=1&lon=1&lng=2", "", 400, "ambiguous_position", nil},
		{"api: unknown parameter", "GET /api?q=a&langauge=de", "", 400, "unknown_parameter", nil},
		{"api: repeated parameter", "GET /api?q=a&q=b", "", 400, "repeated_parameter", nil},
		{"api: NUL", "GET /api?q=a%00", "", 400, "invalid_utf8", nil},
		{"api: invalid UTF-8", "GET /api?q=%ff", "", 400, "invalid_utf8", nil},
		{"api: malformed escape", "GET /api?q=%zz", "", 400, "invalid_query", nil},
		{"api: too long", "GET /api?q=" + long, "", 400, "query_too_long", nil},
		{"api: limit 0", "GET /api?q=a&limit=0", "", 400, "invalid_limit", nil},
		{"api: limit no number", "GET /api?q=a&limit=ten", "", 400, "invalid_limit", nil},
		{"api: method", "DELETE /api", "", 405, "method_not_allowed", nil},
		{"api post: no body", "POST /api", "", 400, "empty_body", nil},
		{"api post: unknown field", "POST /api", `{"q":"a","x":1}`, 400, "unknown_field", nil},
		{"api post: address and position", "POST /api", `{"q":"a","lat":1,"lng":1}`, 400, "address_and_position", nil},

		{"suggest: nothing typed", "GET /suggest", "", 400, "missing_query", nil},
		{"suggest: white space", "GET /suggest?q=+", "", 400, "missing_query", nil},
		{"suggest: too long", "GET /suggest?q=" + long[:201], "", 400, "query_too_long", nil},
		{"suggest: lat alone", "GET /suggest?q=a&lat=1", "", 400, "missing_position", nil},
		{"suggest: lat out of range", "GET /suggest?q=a&lat=91&lon=1", "", 400, "invalid_position", nil},
		{"suggest: lon and lng differ", "GET /suggest?q=a&lat=1&lon=1&lng=2", "", 400, "ambiguous_position", nil},
		{"suggest: limit 21", "GET /suggest?q=a&limit=21", "", 400, "invalid_limit", nil},
		{"suggest: limit no number", "GET /suggest?q=a&limit=x", "", 400, "invalid_limit", nil},
		{"suggest: country by name", "GET /suggest?q=a&countrycodes=li,chile", "", 400, "invalid_countrycodes", nil},
		{"suggest: no country", "GET /suggest?q=a&countrycodes=,", "", 400, "invalid_countrycodes", nil},
		{"suggest: unknown parameter", "GET /suggest?q=a&bbox=1", "", 400, "unknown_parameter", nil},
		{"suggest: repeated parameter", "GET /suggest?q=a&q=b", "", 400, "repeated_parameter", nil},
		{"suggest: invalid UTF-8", "GET /suggest?q=%ff", "", 400, "invalid_utf8", nil},
		{"suggest: method", "POST /suggest", "", 405, "method_not_allowed", nil},

		{"tracking: no body", "POST /tracking", "", 400, "empty_body", nil},
		{"tracking: form", "POST /tracking", `{"id":"1","lat":1,"lng":1}`, 415, "unsupported_media_type", []string{form}},
		{"tracking: no JSON", "POST /tracking", "id=1", 400, "invalid_json", nil},
		{"tracking: no id", "POST /tracking", `{"lat":1,"lng":1}`, 400, "missing_id", nil},
		{"tracking: empty id", "POST /tracking", `{"id":"","lat":1,"lng":1}`, 400, "missing_id", nil},
		{"tracking: id too long", "POST /tracking", `{"id":"` + strings.Repeat("x", 129) + `","lat":1,"lng":1}`, 400, "invalid_id", nil},
		{"tracking: control character in id", "POST /tracking", `{"id":"a\nb","lat":1,"lng":1}`, 400, "invalid_id", nil},
		{"tracking: NUL in id", "POST /tracking", `{"id":"a\u0000","lat":1,"lng":1}`, 400, "invalid_text", nil},
		{"tracking: fraction as id", "POST /tracking", `{"id":1.5,"lat":1,"lng":1}`, 400, "wrong_type", nil},
		{"tracking: no position", "POST /tracking", `{"id":"1"}`, 400, "missing_position", nil},
		{"tracking: lat null", "POST /tracking", `{"id":"1","lat":null,"lng":1}`, 400, "missing_position", nil},
		{"tracking: lat as a word", "POST /tracking", `{"id":"1","lat":"north","lng":1}`, 400, "invalid_position", nil},
		{"tracking: lat as text in hexadecimal", "POST /tracking", `{"id":"1","lat":"0x1p5","lng":1}`, 400, "invalid_position", nil},
		{"tracking: lat as text with space", "POST /tracking", `{"id":"1","lat":" 1","lng":1}`, 400, "invalid_position", nil},
		{"tracking: lat as true", "POST /tracking", `{"id":"1","lat":true,"lng":1}`, 400, "wrong_type", nil},
		{"tracking: name in capitals", "POST /tracking", `{"id":"1","LAT":1,"lng":1}`, 400, "unknown_field", nil},
		{"tracking: name that folds", "POST /tracking", `{"id":"1","lat":1,"lng":1,"tag\u017f":[]}`, 400, "unknown_field", nil},
		{"tracking: name twice", "POST /tracking", `{"id":"1","lat":1,"lng":1,"lat":2}`, 400, "duplicate_field", nil},
		{"tracking: name twice, escaped", "POST /tracking", `{"id":"1","lat":1,"lng":1,"l\u0061t":2}`, 400, "duplicate_field", nil},
		{"tracking: many tags", "POST /tracking", `{"id":"1","lat":1,"lng":1,"tags":["a"` + strings.Repeat(`,""`, 1000) + `]}`, 400, "array_too_long", nil},
		{"tracking: lat out of range", "POST /tracking", `{"id":"1","lat":-133.4,"lng":-70.6}`, 400, "invalid_position", nil},
		{"tracking: pole", "POST /tracking", `{"id":"1","lat":89,"lng":1}`, 400, "invalid_position", nil},
		{"tracking: lng out of range", "POST /tracking", `{"id":"1","lat":1,"lng":181}`, 400, "invalid_position", nil},
		{"tracking: NaN", "POST /tracking", `{"id":"1","lat":NaN,"lng":1}`, 400, "invalid_json", nil},
		{"tracking: lng and lon differ", "POST /tracking", `{"id":"1","lat":1,"lng":1,"lon":2}`, 400, "ambiguous_position", nil},
		{"tracking: ts no time", "POST /tracking", `{"id":"1","lat":1,"lng":1,"ts":"noon"}`, 400, "invalid_ts", nil},
		{"tracking: ts negative", "POST /tracking", `{"id":"1","lat":1,"lng":1,"ts":-1}`, 400, "invalid_ts", nil},
		{"tracking: ts far ahead", "POST /tracking", `{"id":"1","lat":1,"lng":1,"ts":"2999-01-01T00:00:00Z"}`, 400, "future", nil},
		{"tracking: tags no array", "POST /tracking", `{"id":"1","lat":1,"lng":1,"tags":"a"}`, 400, "wrong_type", nil},
		{"tracking: empty tag", "POST /tracking", `{"id":"1","lat":1,"lng":1,"tags":[""]}`, 400, "invalid_tags", nil},
		{"tracking: region", "POST /tracking", `{"id":"1","lat":1,"lng":1,"region":"{x}"}`, 400, "unknown_region", nil},
		{"tracking: unknown field", "POST /tracking", `{"id":"1","lat":1,"lng":1,"colour":3}`, 400, "unknown_field", nil},
		{"tracking: empty array", "POST /tracking", `[]`, 400, "empty_array", nil},
		{"tracking: array of nothing good", "POST /tracking", `[{"id":"1"},7,null]`, 400, "nothing_stored", nil},
		{"tracking: array cut off", "POST /tracking", `[{"id":"1","lat":1,"lng":1}`, 400, "invalid_json", nil},
		{"tracking: too many", "POST /tracking", "[" + strings.Repeat("1,", 10_000) + "1]", 413, "too_many_positions", nil},
		{"tracking: one too large", "POST /tracking", `{"id":"1","lat":1,"lng":1,"x":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "body_too_large", nil},
		{"tracking: array too large", "POST /tracking", `["` + strings.Repeat("x", 2<<20) + `"]`, 413, "body_too_large", nil},
		{"tracking: method", "GET /tracking", "", 405, "method_not_allowed", nil},

		{"search: no position", "POST /search", `{}`, 400, "missing_position", nil},
		{"search: empty address", "POST /search", `{"q":""}`, 400, "missing_position", nil},
		{"search: white space", "POST /search", `{"q":"  "}`, 400, "missing_query", nil},
		{"search: address and position", "POST /search", `{"q":"a","lat":1,"lng":1}`, 400, "address_and_position", nil},
		{"search: address not found", "POST /search", `{"q":"xyzzyqwert nowhere"}`, 422, "address_not_found", nil},
		{"search: limit as text", "POST /search", `{"lat":1,"lng":1,"limit":"5"}`, 400, "wrong_type", nil},
		{"search: name twice", "POST /search", `{"lat":1,"lng":1,"limit":1,"limit":2}`, 400, "duplicate_field", nil},
		{"search: limit 0", "POST /search", `{"lat":1,"lng":1,"limit":0}`, 400, "invalid_limit", nil},
		{"search: limit 101", "POST /search", `{"lat":1,"lng":1,"limit":101}`, 400, "invalid_limit", nil},
		{"search: limit 1.5", "POST /search", `{"lat":1,"lng":1,"limit":1.5}`, 400, "wrong_type", nil},
		{"search: radius 0", "POST /search", `{"lat":1,"lng":1,"radius_km":0}`, 400, "invalid_radius", nil},
		{"search: radius 101", "POST /search", `{"lat":1,"lng":1,"radius_km":101}`, 400, "invalid_radius", nil},
		{"search: form", "POST /search", "lat=1", 415, "unsupported_media_type", []string{form}},

		{"v2 search: nothing", "POST /v2/search", `{}`, 400, "missing_position", nil},
		{"v2 search: address not found", "POST /v2/search", `{"q":"xyzzyqwert nowhere"}`, 422, "address_not_found", nil},
		{"v2 search: pole", "POST /v2/search", `{"lat":90,"lng":0}`, 400, "invalid_position", nil},
		{"v2 search: unknown field", "POST /v2/search", `{"lat":1,"lng":1,"limit":5}`, 400, "unknown_field", nil},
		{"v2 search: key too long", "POST /v2/search", `{"lat":1,"lng":1}`, 400, "invalid_idempotency_key", []string{"Idempotency-Key: " + strings.Repeat("k", 256)}},
		{"v2 search: region", "POST /v2/search", `{"lat":1,"lng":1,"region":"a b"}`, 400, "unknown_region", nil},
		{"v2 search: method", "GET /v2/search", "", 405, "method_not_allowed", nil},

		{"v2 cancel: no id", "POST /v2/cancel", `{}`, 400, "missing_request_id", nil},
		{"v2 cancel: unknown", "POST /v2/cancel", `{"request_id":"x"}`, 404, "not_found", nil},
		{"v2 cancel: unknown number", "POST /v2/cancel", `{"request_id":42}`, 404, "not_found", nil},
		{"v2 cancel: fraction", "POST /v2/cancel", `{"request_id":4.2}`, 400, "wrong_type", nil},
		{"v2 complete: no id", "POST /v2/complete", `{}`, 400, "missing_request_id", nil},
		{"v2 complete: unknown", "POST /v2/complete", `{"request_id":"x"}`, 404, "not_found", nil},
		{"v2 request: unknown", "GET /v2/requests/x", "", 404, "not_found", nil},
		{"v2 request: wait", "GET /v2/requests/x?wait=soon", "", 400, "invalid_wait", nil},
		{"v2 request: wait too long", "GET /v2/requests/x?wait=1h", "", 400, "invalid_wait", nil},

		{"v2 request: parameter", "GET /v2/requests/x?wiat=20s", "", 400, "unknown_parameter", nil},
		{"v2 request: wait twice", "GET /v2/requests/x?wait=1s&wait=2s", "", 400, "repeated_parameter", nil},
		{"v2 request: malformed query", "GET /v2/requests/x?wait=%zz", "", 400, "invalid_query", nil},
		{"v2 request: NaN", "GET /v2/requests/x?wait=NaN", "", 400, "invalid_wait", nil},
		{"v2 request: negative", "GET /v2/requests/x?wait=-1s", "", 400, "invalid_wait", nil},
		{"v2 request: method", "DELETE /v2/requests/x", "", 405, "method_not_allowed", nil},
		{"v2 events: unknown", "GET /v2/requests/x/events", "", 404, "not_found", nil},
		{"v2 events: id", "GET /v2/requests/x/events", "", 400, "invalid_last_event_id", []string{"Last-Event-ID: abc"}},
		{"v2 events: negative id", "GET /v2/requests/x/events?last_event_id=-1", "", 400, "invalid_last_event_id", nil},
		{"v2 events: huge id", "GET /v2/requests/x/events?last_event_id=99999999999999999999", "", 400, "invalid_last_event_id", nil},
		{"v2 events: id twice", "GET /v2/requests/x/events?last_event_id=1&last_event_id=2", "", 400, "repeated_parameter", nil},
		{"v2 events: method", "POST /v2/requests/x/events", "", 405, "method_not_allowed", nil},

		{"driver: unknown", "GET /v2/drivers/x", "", 404, "not_found", nil},
		{"driver: control character", "GET /v2/drivers/a%0Ab", "", 400, "invalid_id", nil},
		{"driver: NUL", "GET /v2/drivers/a%00", "", 400, "invalid_id", nil},
		{"driver: invalid UTF-8", "GET /v2/drivers/%ff", "", 400, "invalid_id", nil},
		{"driver: too long", "GET /v2/drivers/" + strings.Repeat("x", 129), "", 400, "invalid_id", nil},
		{"driver: region", "GET /v2/drivers/x?region=%7Bx%7D", "", 400, "unknown_region", nil},
		{"driver: unknown region", "GET /v2/drivers/x?region=nowhere", "", 400, "unknown_region", nil},
		{"driver: parameter", "GET /v2/drivers/x?wait=1s", "", 400, "unknown_parameter", nil},
		{"driver: method", "POST /v2/drivers/x", "", 405, "method_not_allowed", nil},
		{"driver: no id", "DELETE /v2/drivers/", "", 405, "method_not_allowed", nil},
		{"delete driver: unknown", "DELETE /v2/drivers/x", "", 404, "not_found", nil},
		{"delete driver: control character", "DELETE /v2/drivers/a%0Ab", "", 400, "invalid_id", nil},
		{"delete driver: region", "DELETE /v2/drivers/x?region=A", "", 400, "unknown_region", nil},
		{"delete driver: parameter", "DELETE /v2/drivers/x?force=1", "", 400, "unknown_parameter", nil},
		{"offers: driver", "GET /v2/drivers/a%00/offers", "", 400, "invalid_id", nil},
		{"offers: region", "GET /v2/drivers/x/offers?region=a.b", "", 400, "unknown_region", nil},
		{"offers: wait", "GET /v2/drivers/x/offers?wait=soon", "", 400, "invalid_wait", nil},
		{"offers: wait too long", "GET /v2/drivers/x/offers?wait=26s", "", 400, "invalid_wait", nil},
		{"offers: wait and bad driver", "GET /v2/drivers/%0A/offers?wait=1s", "", 400, "invalid_id", nil},
		{"offers: method", "POST /v2/drivers/x/offers", "", 405, "method_not_allowed", nil},
		{"accept: no body", "POST /v2/offers/x/accept", "", 400, "empty_body", nil},
		{"accept: form", "POST /v2/offers/x/accept", "driver_id=1", 415, "unsupported_media_type", []string{form}},
		{"accept: no driver", "POST /v2/offers/x/accept", `{}`, 400, "missing_driver_id", nil},
		{"accept: fraction as driver", "POST /v2/offers/x/accept", `{"driver_id":1.5}`, 400, "wrong_type", nil},
		{"accept: unknown field", "POST /v2/offers/x/accept", `{"driver_id":1,"offer_id":"x"}`, 400, "unknown_field", nil},
		{"accept: parameter", "POST /v2/offers/x/accept?driver_id=1", `{"driver_id":1}`, 400, "unknown_parameter", nil},
		{"accept: unknown", "POST /v2/offers/x/accept", `{"driver_id":"1"}`, 404, "not_found", nil},
		{"accept: hostile", "POST /v2/offers/%2A%2F..%2F%00/accept", `{"driver_id":"*"}`, 404, "not_found", nil},
		{"accept: method", "GET /v2/offers/x/accept", "", 405, "method_not_allowed", nil},
		{"decline: no driver", "POST /v2/offers/x/decline", `{"driver_id":""}`, 400, "missing_driver_id", nil},
		{"decline: unknown", "POST /v2/offers/x/decline", `{"driver_id":"1"}`, 404, "not_found", nil},
		{"decline: no JSON", "POST /v2/offers/x/decline", `driver`, 400, "invalid_json", nil},

		{"nearby: nothing", "GET /v2/nearby", "", 400, "missing_query", nil},
		{"nearby: white space", "GET /v2/nearby?q=%20", "", 400, "missing_query", nil},
		{"nearby: too long", "GET /v2/nearby?q=" + long, "", 400, "query_too_long", nil},
		{"nearby: address and position", "GET /v2/nearby?q=a&lat=1&lng=1", "", 400, "address_and_position", nil},
		{"nearby: lat alone", "GET /v2/nearby?lat=1", "", 400, "missing_position", nil},
		{"nearby: lat no number", "GET /v2/nearby?lat=x&lng=1", "", 400, "invalid_position", nil},
		{"nearby: digits grouped", "GET /v2/nearby?lat=4_7&lng=1", "", 400, "invalid_position", nil},
		{"nearby: hexadecimal", "GET /v2/nearby?lat=47&lng=0x1p5", "", 400, "invalid_position", nil},
		{"nearby: pole", "GET /v2/nearby?lat=89&lng=1", "", 400, "invalid_position", nil},
		{"nearby: lng and lon differ", "GET /v2/nearby?lat=1&lng=1&lon=2", "", 400, "ambiguous_position", nil},
		{"nearby: limit 0", "GET /v2/nearby?lat=1&lng=1&limit=0", "", 400, "invalid_limit", nil},
		{"nearby: limit 101", "GET /v2/nearby?lat=1&lng=1&limit=101", "", 400, "invalid_limit", nil},
		{"nearby: limit no number", "GET /v2/nearby?lat=1&lng=1&limit=ten", "", 400, "invalid_limit", nil},
		{"nearby: limit empty", "GET /v2/nearby?lat=1&lng=1&limit=", "", 400, "invalid_limit", nil},
		{"nearby: radius 0", "GET /v2/nearby?lat=1&lng=1&radius_km=0", "", 400, "invalid_radius", nil},
		{"nearby: radius NaN", "GET /v2/nearby?lat=1&lng=1&radius_km=NaN", "", 400, "invalid_radius", nil},
		{"nearby: empty tag", "GET /v2/nearby?lat=1&lng=1&tags=a,,b", "", 400, "invalid_tags", nil},
		{"nearby: region", "GET /v2/nearby?lat=1&lng=1&region=A", "", 400, "unknown_region", nil},
		{"nearby: unknown parameter", "GET /v2/nearby?lat=1&lng=1&radius=5", "", 400, "unknown_parameter", nil},
		{"nearby: repeated parameter", "GET /v2/nearby?lat=1&lng=1&tags=a&tags=b", "", 400, "repeated_parameter", nil},
		{"nearby: NUL", "GET /v2/nearby?q=a%00", "", 400, "invalid_utf8", nil},
		{"nearby: address not found", "GET /v2/nearby?q=xyzzyqwert%20nowhere", "", 422, "address_not_found", nil},
		{"nearby: method", "POST /v2/nearby", "", 405, "method_not_allowed", nil},

		{"no such path", "GET /v2/nothing", "", 404, "not_found", nil},
		{"metrics closed", "GET /metrics", "", 401, "unauthenticated", []string{"Via: 1.1 proxy"}},
	}

	f := gatewaytest.New(t)
	before := f.Keys(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := f.Do(t, tt.request, tt.body, tt.headers...)
			var p gatewaytest.Problem
			if ct := got.Header.Get("Content-Type"); ct != "application/problem+json" {
				t.Fatalf("%d %s %q, want problem+json with %d %s", got.StatusCode, ct, got.Text, tt.status, tt.code)
			}
			got.JSON(t, &p)
			if got.StatusCode != tt.status || p.Status != tt.status || p.Code != tt.code {
				t.Errorf("status %d, body %d %q (%s), want %d %q", got.StatusCode, p.Status, p.Code, p.Detail, tt.status, tt.code)
			}
			if p.Instance != "urn:request:"+got.Header.Get("X-Request-Id") || p.Title == "" || p.Type == "" || p.Detail == "" {
				t.Errorf("incomplete problem: %+v", p)
			}
			if tt.status == 405 && got.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			after := f.Keys(t)
			stored := slices.DeleteFunc(after, func(key string) bool {
				// A geocode of an address that is not found is an answer, and cached.
				// Those who deliver events and those who work rides make their keys when they
				// start.
				return slices.Contains(before, key) || tt.code == "address_not_found" || strings.HasPrefix(key, "geogate:{events}:") || key == "geogate:duty"
			})
			if len(stored) > 0 {
				t.Errorf("stored %q", stored)
			}
			before = f.Keys(t)
		})
	}
}

// TestBadDropInInput checks geogate's own refusals on the drop-in endpoints:
// they have Nominatim's shape, in the format that was asked for.
func TestBadDropInInput(t *testing.T) {
	f := gatewaytest.New(t)
	huge := strings.Repeat("x", 9<<10)
	tests := []struct {
		request, contentType, body string
		status                     int
	}{
		{"GET /search?format=json&layer=nonsense&q=a", "application/json; charset=utf-8", `{"error":{"code":400,"message":`, 400},
		{"GET /reverse?lat=1&lon=1&layer=", "text/xml; charset=utf-8", "<code>400</code>", 400},
		{"GET /search?q=" + huge, "application/json; charset=utf-8", `{"error":{"code":414,"message":`, 414},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(i, " ", shorten(tt.request)), func(t *testing.T) {
			got := f.Do(t, tt.request, "")
			if got.StatusCode != tt.status || got.Header.Get("Content-Type") != tt.contentType || !strings.Contains(got.Text, tt.body) {
				t.Errorf("%d %s %q, want %d %s with %q", got.StatusCode, got.Header.Get("Content-Type"), got.Text, tt.status, tt.contentType, tt.body)
			}
		})
	}
	if n := f.Upstream.Calls(); n != 0 {
		t.Errorf("%d upstream calls, want none", n)
	}
}
