package rides_test

import (
	"strings"
	"testing"
	"time"

	"geogate/gateway/gatewaytest"
	"geogate/gateway/rides"
	"geogate/upstream/upstreamtest"
)

type nearbyBody struct {
	Cache bool
	Place *struct {
		DisplayName string `json:"display_name"`
		Lat, Lng    float64
		Licence     string
	}
	PlaceError, DriversError *gatewaytest.Problem
	Drivers                  []struct {
		ID        string
		DistanceM float64 `json:"distance_m"`
	}
}

// near asks and decodes; Go's decoder does not know the names with underscores.
func near(t *testing.T, f *gatewaytest.Fixture, query string) (gatewaytest.Answer, nearbyBody) {
	t.Helper()
	got := f.Do(t, "GET /v2/nearby?"+query, "")
	var body nearbyBody
	plain := gatewaytest.Answer{Response: got.Response, Text: strings.NewReplacer("place_error", "PlaceError", "drivers_error", "DriversError").Replace(got.Text)}
	plain.JSON(t, &body)
	return got, body
}

const vaduzPlace = `{"place_id":1,"licence":"Data © its makers","lat":"47.1392862","lon":"9.5227962","class":"boundary","type":"administrative","display_name":"Vaduz, Liechtenstein"}`

func TestNearby(t *testing.T) {
	f := gatewaytest.NewWithRegions(t, []string{"default", "north"})
	f.Do(t, "POST /tracking", `[{"id":"near","lat":47.14,"lng":9.52,"vehicle":"van","tags":["a","b"]},{"id":"far","lat":47.18,"lng":9.52},
		{"id":"elsewhere","lat":47.14,"lng":9.52,"region":"north"}]`)
	f.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json; charset=utf-8", Body: "[" + vaduzPlace + "]"})
	tests := []struct {
		query string
		cache bool
		want  string // ids of drivers
	}{
		{"q=Vaduz", false, "near far"},
		{"q=Vaduz&limit=1", true, "near"},
		{"q=Vaduz&radius_km=1", true, "near"},
		{"q=Vaduz&vehicle=van", true, "near"},
		{"q=Vaduz&vehicle=bike", true, ""},
		{"q=Vaduz&tags=b,a", true, "near"},
		{"q=Vaduz&tags=a,c", true, ""},
		{"q=Vaduz&region=north", true, "elsewhere"},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			got, body := near(t, f, tt.query)
			var ids []string
			for _, d := range body.Drivers {
				ids = append(ids, d.ID)
			}
			if got.StatusCode != 200 || strings.Join(ids, " ") != tt.want || body.Drivers == nil || body.Cache != tt.cache {
				t.Errorf("%d %s, want drivers %q and cache %t", got.StatusCode, got.Text, tt.want, tt.cache)
			}
			if body.Place == nil || body.Place.DisplayName != "Vaduz, Liechtenstein" || body.Place.Lat != 47.1392862 || body.Place.Licence == "" {
				t.Errorf("place %+v", body.Place)
			}
			if body.PlaceError != nil || body.DriversError != nil || got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("X-Cache") == "" {
				t.Errorf("%s %v", got.Text, got.Header)
			}
		})
	}

	f.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json; charset=utf-8", Body: vaduzPlace})
	for _, cached := range []bool{false, true} {
		got, body := near(t, f, "lat=47.1401&lng=9.5201")
		if got.StatusCode != 200 || body.Place == nil || body.Cache != cached || len(body.Drivers) != 2 || body.Drivers[0].DistanceM > 20 {
			t.Errorf("by position: %d %s, want both halves and cache %t", got.StatusCode, got.Text, cached)
		}
	}
}

// One half is given where the other cannot be had.
func TestNearbyHalves(t *testing.T) {
	first := gatewaytest.New(t)
	f := first
	f.Do(t, "POST /tracking", `{"id":"1","lat":47.14,"lng":9.52}`)
	const byPoint = "lat=47.1401&lon=9.5201"

	f.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json; charset=utf-8", Body: `{"error":"Unable to geocode"}`})
	if got, body := near(t, f, "lat=47.1402&lng=9.5202"); got.StatusCode != 200 || body.Place != nil || body.PlaceError == nil ||
		body.PlaceError.Code != "place_not_found" || len(body.Drivers) != 1 {
		t.Errorf("no place there: %d %s", got.StatusCode, got.Text)
	}
	f.Upstream.SetAnswer(nil)
	first.UpstreamOptions = "&timeout=200ms"
	f = first.Sibling(t)
	for name, fault := range map[string]upstreamtest.Fault{"failing": upstreamtest.Failing(500), "hanging": upstreamtest.Hang} {
		f.Upstream.SetFault(fault)
		started := time.Now()
		got, body := near(t, f, byPoint)
		if got.StatusCode != 200 || body.Place != nil || body.PlaceError == nil || body.PlaceError.Code == "" || body.PlaceError.Detail == "" ||
			body.PlaceError.Status != 503 || len(body.Drivers) != 1 || body.DriversError != nil {
			t.Errorf("geocoder %s: %d %s, want the drivers", name, got.StatusCode, got.Text)
		}
		if took := time.Since(started); took > 2*rides.NearbyPlaceTimeout {
			t.Errorf("geocoder %s: took %s", name, took)
		}
	}

	f.Upstream.SetFault(upstreamtest.Fault{})
	first.UpstreamOptions = ""
	f = first.Sibling(t) // whose breaker is closed
	f.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json; charset=utf-8", Body: vaduzPlace})
	f.Redis.Stop()
	if got, body := near(t, f, byPoint); got.StatusCode != 200 || body.Place == nil || body.Drivers != nil || body.DriversError == nil ||
		body.DriversError.Code != "redis_unavailable" || !strings.Contains(got.Text, `"drivers":null`) {
		t.Errorf("Redis down: %d %s, want the place", got.StatusCode, got.Text)
	}
	f.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json; charset=utf-8", Body: "[" + vaduzPlace + "]"})
	if got, body := near(t, f, "q=Vaduz"); got.StatusCode != 200 || body.Place == nil || body.Drivers != nil || body.DriversError == nil {
		t.Errorf("Redis down, by address: %d %s, want the place", got.StatusCode, got.Text)
	}
	f.Upstream.SetAnswer(nil)
	f.Upstream.SetFault(upstreamtest.Failing(500))
	if got, _ := near(t, f, "lat=1&lng=1"); got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("neither half: %d %s, want 503", got.StatusCode, got.Text)
	}
}
