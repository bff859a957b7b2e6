package metrics_test

import (
	"strings"
	"testing"
	"time"

	"geogate/dispatch"
	"geogate/gateway/gatewaytest"
)

func TestMetricsTellHowLongMatchesTook(t *testing.T) {
	f := gatewaytest.New(t, gatewaytest.WithAdmin)
	asked := time.Now()
	for _, ride := range []dispatch.Ride{
		{Region: "default", State: dispatch.Searching, CreatedAt: asked, UpdatedAt: asked},
		{Region: "default", State: dispatch.Matched, CreatedAt: asked, UpdatedAt: asked.Add(3 * time.Second)},
		{Region: "default", State: dispatch.Completed, CreatedAt: asked, UpdatedAt: asked.Add(time.Hour)},
	} {
		f.Metrics.ObserveRide(ride)
	}
	got := f.Do(t, "GET /metrics", "", gatewaytest.AsAdmin).Text
	for _, want := range []string{
		`geogate_dispatch_request_to_match_seconds_bucket{region="default",le="2"} 0`,
		`geogate_dispatch_request_to_match_seconds_bucket{region="default",le="5"} 1`,
		`geogate_dispatch_request_to_match_seconds_count{region="default"} 1`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestMetricsTellHowDispatchStands(t *testing.T) {
	f := gatewaytest.NewWithRegions(t, []string{"default", "north"}, gatewaytest.WithAdmin)
	f.Do(t, "POST /tracking", `[{"id":"1","lat":-33.44091,"lng":-70.6301},{"id":"2","lat":50,"lng":7},{"id":"3","lat":1,"lng":1,"region":"north"}]`)
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago)
	var ride gatewaytest.Ride
	f.Do(t, "POST /v2/search", `{"lat":10,"lng":10}`).JSON(t, &ride)
	f.Do(t, "POST /v2/search", `{"lat":10,"lng":10}`)
	f.Do(t, "POST /v2/cancel", `{"request_id":"`+ride.RequestID+`"}`)
	gatewaytest.Rest(t, f.Open(t, "/v2/requests/"+ride.RequestID+"/events").Blocks)
	got := f.Do(t, "GET /metrics", "", gatewaytest.AsAdmin).Text
	for _, want := range []string{
		`geogate_dispatch_rides{region="default",set="live"} 2`,
		`geogate_dispatch_rides{region="default",set="searching"} 1`,
		`geogate_dispatch_drivers{region="default",set="available"} 1`,
		`geogate_dispatch_drivers{region="default",set="engaged"} 1`,
		`geogate_dispatch_drivers{region="north",set="available"} 1`,
		`geogate_dispatch_ride_transitions_total{region="default",state="searching"} 3`,
		`geogate_dispatch_ride_transitions_total{region="default",state="matched"} 1`,
		`geogate_dispatch_ride_transitions_total{region="default",state="cancelled"} 1`,
		`geogate_dispatch_driver_transitions_total{region="default",state="available"} 2`,
		`geogate_dispatch_unsent_events{region="north"} 0`,
		`geogate_dispatch_store_up 1`,
		`geogate_event_streams 0`,
		`route="/v2/requests/{id}/events"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}

	f.Redis.Stop()
	down := f.Do(t, "GET /metrics", "", gatewaytest.AsAdmin)
	if down.StatusCode != 200 || !strings.Contains(down.Text, "geogate_dispatch_store_up 0") || strings.Contains(down.Text, "geogate_dispatch_rides{") {
		t.Errorf("without Redis: %d, want the rest, and a word about what is missing:\n%s", down.StatusCode, down.Text)
	}
}
