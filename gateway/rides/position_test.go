package rides_test

import (
	"encoding/json"
	"strings"
	"testing"

	"geogate/gateway/gatewaytest"
)

func TestWhereTheDriverIs(t *testing.T) {
	f := gatewaytest.New(t)
	path := matchedRide(t, f)
	type position struct {
		Lat, Lng, Heading, Speed, Accuracy float64
		SeenAt                             string   `json:"seen_at"`
		DistanceM                          *float64 `json:"distance_m"`
		ETA                                *struct {
			Seconds, Metres float64
			Source          string
			Cache           *bool
		}
	}
	f.Do(t, "POST /tracking", `{"id":"1","lat":-33.44091,"lng":-70.6301,"heading":181.5,"speed":8,"accuracy":4}`)
	var p position
	f.Do(t, "GET "+path+"/driver", "").JSON(t, &p)
	if p.Lat != -33.44091 || p.Heading != 181.5 || p.Speed != 8 || p.Accuracy != 4 || p.SeenAt == "" || p.DistanceM == nil || p.ETA == nil {
		t.Fatalf("driver = %+v", p)
	}
	// 194.6 m in a straight line: 253 m by road, at 30 km/h.
	if p.ETA.Metres != 253 || p.ETA.Seconds != 30 || p.ETA.Source != "estimate" || p.ETA.Cache == nil || *p.ETA.Cache {
		t.Errorf("eta = %+v, want the estimate", *p.ETA)
	}
	s := f.Open(t, path+"/events")
	for block := range s.Blocks {
		if block.Event != "position" {
			continue
		}
		var live position
		if err := json.Unmarshal([]byte(block.Data), &live); err != nil || block.ID != "" || live.Lat != p.Lat || live.ETA == nil {
			t.Errorf("event = %+v, %v, want the position without an id", block, err)
		}
		break
	}
	f.Do(t, "POST "+path+"/start", `{"driver_id":"1"}`)
	got := f.Do(t, "GET "+path+"/driver", "")
	if strings.Contains(got.Text, "eta") || strings.Contains(got.Text, "distance_m") {
		t.Errorf("without a drop-off = %s, want no way to it", got.Text)
	}
	if d := f.Do(t, "GET /v2/drivers/1", ""); !strings.Contains(d.Text, `"heading":181.5`) {
		t.Errorf("driver = %s, want their heading", d.Text)
	}
	f.Do(t, "POST "+path+"/complete", `{"driver_id":"1"}`)
	if got := f.Do(t, "GET "+path+"/driver", ""); got.StatusCode != 409 || !strings.Contains(got.Text, `"completed"`) {
		t.Errorf("after the end = %d %s, want 409 with the state", got.StatusCode, got.Text)
	}
	for _, body := range []string{`"heading":360`, `"heading":-1`, `"speed":-0.1`, `"accuracy":-1`} {
		got := f.Do(t, "POST /tracking", `{"id":"1","lat":1,"lng":1,`+body+`}`)
		if got.StatusCode != 400 || !strings.Contains(got.Text, `"invalid_motion"`) {
			t.Errorf("%s = %d %s, want 400", body, got.StatusCode, got.Text)
		}
	}
}
