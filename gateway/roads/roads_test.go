package roads_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"geogate/gateway/gatewaytest"
)

// osrm is a stand-in that takes a second for each degree of latitude, cannot reach
// anything in the south, knows no roads in the far north, and counts the pairs it answers for.
type osrm struct {
	*httptest.Server
	calls, pairs atomic.Int64
}

func newOSRM(t *testing.T) *osrm {
	o := &osrm{}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list, _ := strings.CutPrefix(r.URL.Path, "/table/v1/driving/")
		var lats []float64
		for text := range strings.SplitSeq(list, ";") {
			var lat, lon float64
			if _, err := fmt.Sscanf(text, "%g,%g", &lon, &lat); err != nil {
				t.Errorf("coordinate %q: %v", text, err)
			}
			lats = append(lats, lat)
		}
		o.calls.Add(1)
		if i := slices.IndexFunc(lats, func(lat float64) bool { return lat > 80 }); i >= 0 {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"code":"NoSegment","message":"Could not find a matching segment for coordinate %d"}`, i)
			return
		}
		sources := strings.Count(r.URL.RawQuery[:strings.Index(r.URL.RawQuery, "&")], ";") + 1
		table := make([][]*float64, sources)
		for i := range table {
			for _, to := range lats[sources:] {
				seconds := math.Abs(to - lats[i])
				if to < 0 {
					table[i] = append(table[i], nil)
					continue
				}
				table[i] = append(table[i], &seconds)
			}
		}
		o.pairs.Add(int64(sources * (len(lats) - sources)))
		if err := json.NewEncoder(w).Encode(map[string]any{"code": "Ok", "durations": table, "distances": table}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(o.Close)
	return o
}

type etaAnswer struct {
	Durations [][]*float64 `json:"durations_s"`
	Distances [][]*float64 `json:"distances_m"`
	Source    string
	Cache     struct{ Hits, Misses int }
}

func TestETA(t *testing.T) {
	engine := newOSRM(t)
	f := gatewaytest.NewWithRouters(t, "osrm+"+engine.URL)
	steps := []struct {
		name, body   string
		durations    string
		hits, misses int
		pairs        int64 // that the engine has answered for by then
	}{
		{"one way", `{"from":[{"lat":10,"lng":9}],"to":[{"lat":12,"lng":9}]}`, "[[2]]", 0, 1, 1},
		{"again, as strings", `{"from":[{"lat":"10","lon":"9"}],"to":[{"lat":"12","lng":"9"}]}`, "[[2]]", 1, 0, 1},
		{"in the same squares", `{"from":[{"lat":10.00001,"lng":9.00001}],"to":[{"lat":12.00001,"lng":9.00001}]}`, "[[2]]", 1, 0, 1},
		{"one more target", `{"from":[{"lat":10,"lng":9}],"to":[{"lat":12,"lng":9},{"lat":-1,"lng":9}]}`, "[[2,null]]", 1, 1, 2},
		{"null is an answer", `{"from":[{"lat":10,"lng":9}],"to":[{"lat":-1,"lng":9}]}`, "[[null]]", 1, 0, 2},
		{"one more source", `{"from":[{"lat":10,"lng":9},{"lat":9,"lng":9}],"to":[{"lat":12,"lng":9},{"lat":-1,"lng":9}]}`,
			"[[2,null],[3,null]]", 2, 2, 4},
		{"one source near no road", `{"from":[{"lat":85,"lng":9},{"lat":8,"lng":9}],"to":[{"lat":12,"lng":9}]}`, "[[null],[4]]", 0, 2, 5},
		{"which is kept", `{"from":[{"lat":85,"lng":9},{"lat":8,"lng":9}],"to":[{"lat":12,"lng":9}]}`, "[[null],[4]]", 1, 1, 5},
	}
	for _, s := range steps {
		res := f.Do(t, "POST /v2/eta", s.body)
		var got etaAnswer
		res.JSON(t, &got)
		durations, err := json.Marshal(got.Durations)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != 200 || string(durations) != s.durations || got.Source != "osrm" ||
			got.Cache.Hits != s.hits || got.Cache.Misses != s.misses || engine.pairs.Load() != s.pairs {
			t.Errorf("%s: %d %s, the engine was asked for %d pairs; want %s with %d hits, %d misses and %d pairs",
				s.name, res.StatusCode, res.Text, engine.pairs.Load(), s.durations, s.hits, s.misses, s.pairs)
		}
	}
	if figures := f.Figures(t); !strings.Contains(figures, `geogate_router_cells_total{from="hit"} 7`) || !strings.Contains(figures, `geogate_router_cells_total{from="estimate"} 2`) ||
		!strings.Contains(figures, `geogate_router_call_duration_seconds_count{engine="osrm",outcome="found"} 5`) {
		t.Errorf("the metrics are\n%s", figures)
	}

	engine.CloseClientConnections()
	engine.Close()
	res := f.Do(t, "POST /v2/eta", `{"from":[{"lat":50,"lng":9}],"to":[{"lat":50.01,"lng":9}]}`)
	var got etaAnswer
	res.JSON(t, &got)
	if res.StatusCode != 200 || got.Source != "estimate" || *got.Durations[0][0] < 100 {
		t.Errorf("without an engine: %d %s, want an estimate", res.StatusCode, res.Text)
	}
}

// The largest question that there may be is answered whole.
func TestETAOfTheLargestTable(t *testing.T) {
	engine := newOSRM(t)
	f := gatewaytest.NewWithRouters(t, "osrm+"+engine.URL+"#max_pairs=2500")
	list := func(n int, lng float64) string {
		var points []string
		for i := range n {
			points = append(points, fmt.Sprintf(`{"lat":%g,"lng":%g}`, 1+float64(i)/100, lng))
		}
		return "[" + strings.Join(points, ",") + "]"
	}
	for _, hits := range []int{0, 10_000} {
		var got etaAnswer
		f.Do(t, "POST /v2/eta", `{"from":`+list(100, 9)+`,"to":`+list(100, 10)+`}`).JSON(t, &got)
		if len(got.Durations) != 100 || len(got.Distances[99]) != 100 || got.Cache.Hits != hits || engine.calls.Load() != 4 {
			t.Errorf("%d rows, %+v, %d calls, want 100 rows, %d hits and 4 calls", len(got.Durations), got.Cache, engine.calls.Load(), hits)
		}
	}
}

func TestETARefuses(t *testing.T) {
	f := gatewaytest.New(t)
	many := strings.TrimSuffix(strings.Repeat(`{"lat":1,"lng":1},`, 101), ",")
	tests := []struct {
		name, body string
		status     int
		code, says string
	}{
		{"nothing", ``, 400, "empty_body", ""},
		{"no from", `{"to":[{"lat":1,"lng":1}]}`, 400, "missing_points", "from has no points"},
		{"no to", `{"from":[{"lat":1,"lng":1}],"to":[]}`, 400, "missing_points", "to has no points"},
		{"too many", `{"from":[` + many + `],"to":[{"lat":1,"lng":1}]}`, 400, "too_many_points", "at most 100"},
		{"too many targets", `{"from":[{"lat":1,"lng":1}],"to":[` + many + `]}`, 400, "too_many_points", "to may have"},
		{"half a point", `{"from":[{"lat":1,"lng":1}],"to":[{"lat":1,"lng":1},{"lat":1}]}`, 400, "missing_position", "to[1]: "},
		{"null", `{"from":[null],"to":[{"lat":1,"lng":1}]}`, 400, "missing_position", "from[0]: "},
		{"off the globe", `{"from":[{"lat":91,"lng":1}],"to":[{"lat":1,"lng":1}]}`, 400, "invalid_position", "from[0]: "},
		{"not decimal", `{"from":[{"lat":"0x1","lng":1}],"to":[{"lat":1,"lng":1}]}`, 400, "invalid_position", ""},
		{"lng and lon differ", `{"from":[{"lat":1,"lng":1,"lon":2}],"to":[{"lat":1,"lng":1}]}`, 400, "ambiguous_position", "from[0]: "},
		{"an object", `{"from":{"lat":1,"lng":1},"to":[]}`, 400, "wrong_type", "from must be"},
		{"unknown field", `{"from":[],"to":[],"profile":"car"}`, 400, "unknown_field", "profile"},
		{"unknown field of a point", `{"from":[{"lat":1,"lng":1,"alt":1}],"to":[]}`, 400, "unknown_field", "alt"},
		{"too large", `{"from":[` + strings.Repeat(" ", 70_000) + `]}`, 413, "body_too_large", ""},
	}
	for _, tt := range tests {
		res := f.Do(t, "POST /v2/eta", tt.body)
		if res.StatusCode != tt.status || !strings.Contains(res.Text, `"code":"`+tt.code+`"`) || !strings.Contains(res.Text, tt.says) {
			t.Errorf("%s: %d %s, want %d %s %q", tt.name, res.StatusCode, res.Text, tt.status, tt.code, tt.says)
		}
	}
}
