package rides_test

import (
	"strings"
	"testing"
	"time"

	"geogate/gateway/gatewaytest"
)

func TestShift(t *testing.T) {
	f := gatewaytest.New(t)
	f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago)
	tests := []struct {
		name, request, body string
		status              int
		has                 string
	}{
		{"off", "POST /v2/drivers/1/offline", "", 200, `"state":"offline","vehicle"`},
		{"off again", "POST /v2/drivers/1/offline", "{}", 200, `"on_shift":false`},
		{"a report is taken", "POST /tracking", gatewaytest.DriverInSantiago, 200, `"accepted":1`},
		{"and makes nobody available", "GET /v2/drivers/1", "", 200, `"state":"offline","vehicle"`},
		{"nobody is found", "POST /search", gatewaytest.RiderInSantiago, 200, `"drivers":[]`},
		{"on", "POST /v2/drivers/1/online", "", 200, `"state":"available"`},
		{"on again", "POST /v2/drivers/1/online", "", 200, `"on_shift":true`},
		{"somebody is found", "POST /search", gatewaytest.RiderInSantiago, 200, `"distance_m"`},
		{"unknown driver", "POST /v2/drivers/2/offline", "", 404, `"not_found"`},
		{"unknown region", "POST /v2/drivers/1/offline?region=x", "", 400, `"unknown_region"`},
		{"unknown parameter", "POST /v2/drivers/1/offline?at=1", "", 400, `"unknown_parameter"`},
		{"unknown field", "POST /v2/drivers/1/offline", `{"at":1}`, 400, `"unknown_field"`},
		{"no JSON", "POST /v2/drivers/1/online", `{`, 400, `"invalid_json"`},
		{"another method", "GET /v2/drivers/1/online", "", 405, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := f.Do(t, tt.request, tt.body); got.StatusCode != tt.status || !strings.Contains(got.Text, tt.has) {
				t.Errorf("%s %s = %d %s, want %d with %s", tt.request, tt.body, got.StatusCode, got.Text, tt.status, tt.has)
			}
		})
	}
}

func TestDriverEvents(t *testing.T) {
	f := gatewaytest.NewWithOffers(t, time.Minute)
	f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago)
	s := f.Open(t, "/v2/drivers/1/events")
	want := func(kind, part string) gatewaytest.Block {
		t.Helper()
		b := gatewaytest.NextEvent(t, s.Blocks)
		if b.Event != kind || !strings.Contains(b.Data, part) {
			t.Fatalf("event %+v, want %s with %s", b, kind, part)
		}
		return b
	}
	want("shift", `"on_shift":true`)
	var ride gatewaytest.Ride
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)
	want("offered", `"request_id":"`+ride.RequestID+`"`)
	f.Do(t, "POST /v2/offers/"+offerTo(t, f, "1")+"/accept", driver1)
	matched := want("matched", `"driver":{"id":"1"`)
	f.Do(t, "POST /v2/requests/"+ride.RequestID+"/cancel", `{"reason":"rain"}`)
	want("cancelled", `"reason":"rain"`)
	f.Do(t, "POST /v2/drivers/1/offline", "")
	want("shift", `"on_shift":false`)

	s = f.Open(t, "/v2/drivers/1/events", "Last-Event-ID: "+matched.ID)
	want("shift", `"on_shift":false`)
	want("cancelled", `"reason":"rain"`)

	for target, code := range map[string]string{
		"/v2/drivers/1/events?last_event_id=x":                "invalid_last_event_id",
		"/v2/drivers/1/events?last_event_id=/1":               "invalid_last_event_id",
		"/v2/drivers/1/events?last_event_id=x/y":              "invalid_last_event_id",
		"/v2/drivers/1/events?region=x":                       "unknown_region",
		"/v2/drivers/" + strings.Repeat("a", 200) + "/events": "invalid_id",
	} {
		if got := f.Do(t, "GET "+target, ""); got.StatusCode != 400 || !strings.Contains(got.Text, code) {
			t.Errorf("GET %s = %d %s, want 400 %s", target, got.StatusCode, got.Text, code)
		}
	}
}
