package rides_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"geogate/gateway/gatewaytest"
	"geogate/internal/geo"
	"geogate/internal/region"
)

// acrossTheRiver is an OSRM by which the nearer a driver is the longer they need, and the
// nearest has no way at all.
func acrossTheRiver(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list := strings.Split(strings.TrimPrefix(r.URL.Path, "/table/v1/driving/"), ";")
		points := make([]geo.Point, len(list))
		for i, text := range list {
			if _, err := fmt.Sscanf(text, "%g,%g", &points[i].Lon, &points[i].Lat); err != nil {
				t.Errorf("coordinate %q: %v", text, err)
			}
		}
		to := points[len(points)-1]
		table := make([][]*float64, len(points)-1)
		for i := range table {
			table[i] = []*float64{nil}
			if d := geo.Distance(points[i], to); d > 150 {
				seconds := 10_000 - d
				table[i][0] = &seconds
			}
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"code": "Ok", "durations": table, "distances": table}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func TestRankByETA(t *testing.T) {
	f := gatewaytest.NewWithRouters(t, "osrm+"+acrossTheRiver(t).URL)
	var positions []string
	for i := 1; i <= 18; i++ {
		positions = append(positions, fmt.Sprintf(`{"id":"%d","lat":%g,"lng":9.5}`, i, 47.1+float64(i)*.0009))
	}
	if res := f.Do(t, "POST /tracking", "["+strings.Join(positions, ",")+"]"); res.StatusCode != 200 {
		t.Fatal(res.Text)
	}
	tests := []struct{ name, line, body, want string }{
		{"by distance", "POST /search", `{"lat":47.1,"lng":9.5,"limit":3}`, "1 2 3"},
		{"the quickest of the 16 nearest", "POST /search", `{"lat":47.1,"lng":9.5,"limit":3,"rank":"eta"}`, "16 15 14"},
		{"of more, where more are wanted", "POST /search", `{"lat":47.1,"lng":9.5,"limit":18,"rank":"eta"}`,
			"18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1"},
		{"nearby", "GET /v2/nearby?lat=47.1&lng=9.5&limit=2&rank=eta", "", "16 15"},
	}
	for _, tt := range tests {
		var got struct {
			Drivers []struct {
				ID  string
				ETA *struct {
					Seconds, Metres float64
					Source          string
					Cache           bool
				}
			}
		}
		res := f.Do(t, tt.line, tt.body)
		res.JSON(t, &got)
		var ids []string
		for _, d := range got.Drivers {
			ids = append(ids, d.ID)
			if ranked := tt.name != "by distance"; (d.ETA != nil) != (ranked && d.ID != "1") {
				t.Errorf("%s: driver %s has %+v", tt.name, d.ID, d.ETA)
			} else if d.ETA != nil && (d.ETA.Source != "osrm" || d.ETA.Seconds <= 0) {
				t.Errorf("%s: driver %s has %+v", tt.name, d.ID, d.ETA)
			}
		}
		if strings.Join(ids, " ") != tt.want {
			t.Errorf("%s: drivers %v, want %s", tt.name, ids, tt.want)
		}
	}
	for _, line := range []string{"POST /search", "GET /v2/nearby?lat=47.1&lng=9.5&rank=price"} {
		if res := f.Do(t, line, `{"lat":47.1,"lng":9.5,"rank":"price"}`); res.StatusCode != 400 || !strings.Contains(res.Text, "invalid_rank") {
			t.Errorf("%s by price: %d %s", line, res.StatusCode, res.Text)
		}
	}
}

func TestRegionsByPlace(t *testing.T) {
	places, err := region.Parse([]byte(`{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"vaduz"},
		"geometry":{"type":"Polygon","coordinates":[[[9.4,47],[9.6,47],[9.6,47.3],[9.4,47.3],[9.4,47]]]}}]}`), func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	f := gatewaytest.NewWithPlaces(t, places)
	steps := []struct {
		name, line, body string
		status           int
		says             string
	}{
		{"the list", "GET /v2/regions", "", 200, `{"regions":[{"name":"vaduz","geometry":{"type":"Polygon","coordinates":[[[9.4,47]`},
		{"a position inside", "POST /tracking", `{"id":"a","lat":47.1,"lng":9.5}`, 200, `"accepted":1`},
		{"a position outside", "POST /tracking", `{"id":"b","lat":46,"lng":9.5}`, 422, `"code":"outside_service_area"`},
		{"one of two outside", "POST /tracking", `[{"id":"a","lat":47.1,"lng":9.5},{"id":"b","lat":46,"lng":9.5}]`, 200,
			`"rejected":[{"index":1,"id":"b","code":"outside_service_area"`},
		{"a search outside", "POST /search", `{"lat":46,"lng":9.5}`, 422, `"code":"outside_service_area"`},
		{"a ride outside", "POST /v2/search", `{"lat":46,"lng":9.5}`, 422, `"code":"outside_service_area"`},
		{"a ride inside", "POST /v2/search", `{"lat":47.1,"lng":9.5}`, 200, `"region":"vaduz"`},
	}
	for _, s := range steps {
		if res := f.Do(t, s.line, s.body); res.StatusCode != s.status || !strings.Contains(res.Text, s.says) {
			t.Errorf("%s: %d %s, want %d %s", s.name, res.StatusCode, res.Text, s.status, s.says)
		}
	}
	for _, want := range []int{200, 200} {
		if res := f.Do(t, "POST /v2/search", `{"lat":47.1,"lng":9.5,"rider_id":"r"}`, "Idempotency-Key: k"); res.StatusCode != want {
			t.Errorf("with a key: %d %s", res.StatusCode, res.Text)
		}
	}
}
