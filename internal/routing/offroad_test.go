package routing

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"geogate/internal/geo"
)

// country is a stand-in for engines of both kinds, and refuses as they do: a point near no
// road, or on an island, spoils the question for all of them. Nothing leads anywhere from
// the yard.
type country struct {
	t        *testing.T
	offRoad  []geo.Point
	island   []geo.Point
	yard     []geo.Point // Valhalla's only
	code     int         // by which Valhalla refuses points near no road
	noLocate bool        // Valhalla's operator has turned /locate off
	mute     bool        // OSRM does not say which point it means
	calls    int
}

func (c *country) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.calls++
	switch {
	case r.URL.Path == "/sources_to_targets":
		c.valhalla(w, r.Body)
	case r.URL.Path == "/locate" && !c.noLocate:
		c.locate(w, r.Body)
	case strings.HasPrefix(r.URL.Path, "/table/v1/driving/"):
		c.osrm(w, strings.TrimPrefix(r.URL.Path, "/table/v1/driving/"))
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error_code":106,"error":"Try any of:'/sources_to_targets'","status_code":404,"status":"Not Found"}`)
	}
}

func (c *country) valhalla(w http.ResponseWriter, body io.Reader) {
	var q struct{ Sources, Targets []valhallaPoint }
	if err := json.NewDecoder(body).Decode(&q); err != nil {
		c.t.Error(err)
	}
	all := slices.Concat(q.Sources, q.Targets)
	islanders := 0
	for _, p := range all {
		if slices.Contains(c.offRoad, geo.Point(p)) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"error_code":%d,"error":"Go check/edit the map at osm.org"}`, c.code)
			return
		}
		if slices.Contains(c.island, geo.Point(p)) {
			islanders++
		}
	}
	if islanders%len(all) != 0 {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error_code":170,"error":"Locations are in unconnected regions. Go check/edit the map at osm.org"}`)
		return
	}
	if !slices.ContainsFunc(q.Sources, func(p valhallaPoint) bool { return !slices.Contains(c.yard, geo.Point(p)) }) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error_code":442,"error":"No path could be found for input"}`)
		return
	}
	row := `[` + strings.TrimSuffix(strings.Repeat(`{"time":60,"distance":1},`, len(q.Targets)), ",") + `],`
	_, _ = fmt.Fprintf(w, `{"units":"kilometers","sources_to_targets":[%s]}`, strings.TrimSuffix(strings.Repeat(row, len(q.Sources)), ","))
}

func (c *country) locate(w http.ResponseWriter, body io.Reader) {
	var q struct{ Locations []valhallaPoint }
	if err := json.NewDecoder(body).Decode(&q); err != nil {
		c.t.Error(err)
	}
	found := make([]string, len(q.Locations))
	for i, p := range q.Locations {
		switch {
		case !slices.Contains(c.offRoad, geo.Point(p)):
			found[i] = `{"input_lon":9.5,"input_lat":47.1,"nodes":null,"edges":[{"way_id":25223033,"percent_along":0.3}]}`
		case c.code == unconnected:
			found[i] = `{"input_lon":9.5,"input_lat":47.1,"nodes":[],"edges":[]}`
		default:
			found[i] = `{"input_lon":9.5,"input_lat":47.1,"nodes":null,"edges":null}`
		}
	}
	_, _ = fmt.Fprintf(w, `[%s]`, strings.Join(found, ","))
}

func (c *country) osrm(w http.ResponseWriter, coordinates string) {
	list := strings.Split(coordinates, ";")
	for i, text := range list {
		var p geo.Point
		if _, err := fmt.Sscanf(text, "%g,%g", &p.Lon, &p.Lat); err != nil {
			c.t.Errorf("coordinate %q: %v", text, err)
		}
		if slices.Contains(c.offRoad, p) {
			w.WriteHeader(http.StatusBadRequest)
			which := fmt.Sprintf("Could not find a matching segment for coordinate %d", i)
			if c.mute {
				which = "Could not find a matching segment for any coordinate."
			}
			_, _ = fmt.Fprintf(w, `{"code":"NoSegment","message":%q}`, which)
			return
		}
	}
	table := `[` + strings.TrimSuffix(strings.Repeat(`[60],`, len(list)-1), ",") + `]` // always to one point
	_, _ = fmt.Fprintf(w, `{"code":"Ok","durations":%s,"distances":%s}`, table, table)
}

// candidates returns some drivers, each in a square of their own, and a pickup after them.
func candidates(n int) []geo.Point {
	points := make([]geo.Point, n+1)
	for i := range points {
		points[i] = geo.Point{Lat: float64(47100+i) / 1000, Lon: 9.5} // as exact as OSRM is asked
	}
	return points
}

func pick(points []geo.Point, indexes []int) []geo.Point {
	var some []geo.Point
	for _, i := range indexes {
		some = append(some, points[i])
	}
	return some
}

// Whoever is near no road is estimated, and nobody else is: an engine refuses the question
// for all of them.
func TestPointsNearNoRoad(t *testing.T) {
	const pickup = 16
	everybody := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	tests := []struct {
		name, kind      string
		engine          country
		offRoad, island []int // of 16 candidates and the pickup
		calls           int
	}{
		{"nobody", "valhalla", country{code: 171}, nil, nil, 1},
		{"one, Valhalla 3.6", "valhalla", country{code: 171}, []int{11}, nil, 3},
		{"one, Valhalla 3.7", "valhalla", country{code: 170}, []int{11}, nil, 3},
		{"five, Valhalla 3.7", "valhalla", country{code: 170}, []int{0, 3, 4, 11, 15}, nil, 3},
		{"all candidates, Valhalla", "valhalla", country{code: 171}, everybody, nil, 2},
		{"the pickup, Valhalla", "valhalla", country{code: 171}, []int{pickup}, nil, 2},
		{"one, Valhalla without locate", "valhalla", country{code: 171, noLocate: true}, []int{11}, nil, 10},
		{"one on an island, Valhalla", "valhalla", country{code: 171}, nil, []int{6}, 10},
		{"one near no road and one on an island, Valhalla", "valhalla", country{code: 170}, []int{2}, []int{9}, 11},
		{"one, OSRM", "osrm", country{}, []int{11}, nil, 2},
		{"three, OSRM", "osrm", country{}, []int{0, 7, 15}, nil, 4},
		{"all candidates, OSRM", "osrm", country{}, everybody, nil, 16},
		{"the pickup, OSRM", "osrm", country{}, []int{pickup}, nil, 1},
		{"one, OSRM that names nobody", "osrm", country{mute: true}, []int{11}, nil, 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			points := candidates(pickup)
			engine := tt.engine
			engine.t, engine.offRoad, engine.island = t, pick(points, tt.offRoad), pick(points, tt.island)
			r, _ := routerTo(t, tt.kind+"+%s", engine.ServeHTTP)
			got, err := r.Table(t.Context(), points[:pickup], points[pickup:])
			if err != nil || got.Source != tt.kind || engine.calls != tt.calls {
				t.Fatalf("Table = %+v, %v after %d calls, want %d", got, err, engine.calls, tt.calls)
			}
			estimated := 0
			for i, row := range got.Cells {
				want := Cell{Seconds: 60, Metres: 1000}
				if tt.kind == "osrm" {
					want.Metres = 60
				}
				switch {
				case slices.Contains(tt.offRoad, i) || slices.Contains(tt.offRoad, pickup):
					want = Estimate{}.Cell(points[i], points[pickup])
					want.OffRoad = true
					estimated++
				case slices.Contains(tt.island, i):
					want = Cell{Unreachable: true}
				}
				if row[0] != want {
					t.Errorf("candidate %d is %+v, want %+v", i, row[0], want)
				}
			}
			if want := (Stats{Misses: uint64(pickup - estimated), Estimated: uint64(estimated)}); r.Stats() != want || got.Estimated != estimated {
				t.Errorf("Stats = %+v, %d estimated, want %+v", r.Stats(), got.Estimated, want)
			}
		})
	}
}

// Valhalla calls a table an error that has no way at all.
func TestNoWayAtAll(t *testing.T) {
	points := candidates(2)
	engine := &country{t: t, yard: points[:2]}
	r, _ := routerTo(t, "valhalla+%s", engine.ServeHTTP)
	got, err := r.Table(t.Context(), points[:2], points[2:])
	want := Table{Cells: Matrix{{{Unreachable: true}}, {{Unreachable: true}}}, Source: "valhalla", Misses: 2}
	if diff := cmp.Diff(want, got); err != nil || diff != "" || r.Stats().Failures > 0 {
		t.Errorf("Table: %v, %+v (-want +got):\n%s", err, r.Stats(), diff)
	}
}

// More points near no road than can be found by halves with the calls that one question may
// cause: whom the engine has not answered for is estimated, and asked about the next time.
func TestManyPointsThatNobodyNames(t *testing.T) {
	points := candidates(16)
	engine := &country{t: t, code: 171, noLocate: true, offRoad: pick(points, []int{0, 3, 6, 9, 12})}
	r, _ := routerTo(t, "valhalla+%s", engine.ServeHTTP)
	kept := map[string]Cell{}
	r.cfg.Cache = func(ctx context.Context, _ string, keys []string, fill Fill) ([]Cell, error) {
		var missing []int
		for i, key := range keys {
			if _, ok := kept[key]; !ok {
				missing = append(missing, i)
			}
		}
		filled, err := fill(ctx, missing)
		if err != nil {
			return nil, err
		}
		cells := make([]Cell, len(keys))
		for n, i := range missing {
			if cells[i] = filled[n]; !filled[n].Unkept {
				kept[keys[i]] = filled[n]
			}
		}
		for i, key := range keys {
			if c, ok := kept[key]; ok {
				cells[i] = c
			}
		}
		return cells, nil
	}
	decided := 0
	for attempt := 1; decided < 16; attempt++ {
		engine.calls = 0
		got, err := r.Table(t.Context(), points[:16], points[16:])
		if err != nil || got.Source != "valhalla" || engine.calls > maxCalls || r.Stats().Failures > 0 {
			t.Fatalf("Table = %+v, %v after %d calls", got, err, engine.calls)
		}
		for i, row := range got.Cells {
			if bad := slices.Contains(engine.offRoad, points[i]); bad && !row[0].OffRoad || row[0].Seconds <= 0 || row[0].Unreachable {
				t.Errorf("attempt %d: candidate %d is %+v", attempt, i, row[0])
			}
		}
		if len(kept) <= decided {
			t.Fatalf("attempt %d tells nothing new: %d of 16 are known", attempt, decided)
		}
		decided = len(kept)
	}
}
