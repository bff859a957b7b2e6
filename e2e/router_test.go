package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"geogate/internal/geo"
	"geogate/internal/redistest"
	"geogate/internal/routing"
)

// startValhalla runs a real Valhalla with the roads of Liechtenstein, and returns its URL.
func startValhalla(t *testing.T) string {
	t.Helper()
	dir := npmInstall(t, "router", "serve.mjs")
	roads, err := filepath.Abs("../internal/streets/testdata/liechtenstein.osm.pbf")
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		var told bytes.Buffer
		cmd.Stderr = &told
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, told.String())
		}
		return out
	}
	valhalla := filepath.Join("node_modules", ".bin", "valhalla")
	config := run(valhalla, "build_config", "--mjolnir-tile-dir", filepath.Join(dir, "tiles"))
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	run(valhalla, "build_tiles", "-c", "config.json", roads)

	serve := exec.CommandContext(t.Context(), "node", "serve.mjs", "config.json")
	serve.Dir = dir
	out, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = serve.Process.Kill()
		_ = serve.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() { // the engine logs there, too
		if port, err := strconv.Atoi(lines.Text()); err == nil {
			go func() {
				for lines.Scan() { // so that it can write on
				}
			}()
			return fmt.Sprintf("http://127.0.0.1:%d", port)
		}
	}
	t.Fatal("the engine has not started")
	return ""
}

// askValhalla asks the engine itself; a driver without a way takes for ever. It returns the
// code of the error if the engine refuses.
func askValhalla(t *testing.T, engine string, from []geo.Point, to geo.Point) (seconds []float64, refused int) {
	t.Helper()
	type location struct {
		Lat float64 `json:"lat"`
		Lon float64 `json:"lon"`
	}
	var sources []location
	for _, p := range from {
		sources = append(sources, location{p.Lat, p.Lon})
	}
	question := mustJSON(map[string]any{"sources": sources, "targets": []location{{to.Lat, to.Lon}}, "costing": "auto"})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, engine+"/sources_to_targets", strings.NewReader(question))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Table     [][]struct{ Time *float64 } `json:"sources_to_targets"`
		ErrorCode int                         `json:"error_code"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatalf("the engine's answer: %v", err)
	}
	if answer.ErrorCode != 0 {
		return nil, answer.ErrorCode
	}
	if len(answer.Table) != len(from) {
		t.Fatalf("the engine answers %d with %d rows", res.StatusCode, len(answer.Table))
	}
	times := make([]float64, len(from))
	for i, row := range answer.Table {
		if times[i] = math.Inf(1); row[0].Time != nil {
			times[i] = *row[0].Time
		}
	}
	return times, 0
}

// What Valhalla calls a point far from any road, and a table without a way.
const (
	farFromRoads = 171
	noWay        = 442
)

// secondsByRoad is what geogate should know of the way of each driver: what the engine says
// or, of those far from any road, an estimate.
func secondsByRoad(t *testing.T, engine string, from []geo.Point, to geo.Point) (times []float64, estimated int) {
	t.Helper()
	times, refused := askValhalla(t, engine, from, to)
	if refused == farFromRoads {
		var far, near []geo.Point
		for _, p := range from {
			if _, refused := askValhalla(t, engine, []geo.Point{p}, to); refused == farFromRoads {
				far = append(far, p)
				continue
			}
			near = append(near, p)
		}
		var known []float64
		if len(near) > 0 {
			known, _ = secondsByRoad(t, engine, near, to)
		}
		for _, p := range from {
			if slices.Contains(far, p) {
				times = append(times, routing.Estimate{}.Cell(p, to).Seconds)
				continue
			}
			times, known = append(times, known[0]), known[1:]
		}
		return times, len(far)
	}
	if refused == noWay {
		return slices.Repeat([]float64{math.Inf(1)}, len(from)), 0
	}
	if refused != 0 {
		t.Fatalf("the engine refuses with code %d", refused)
	}
	return times, 0
}

// someSpots returns points of Liechtenstein, none of them in the same square of the
// cache as another.
func someSpots(rng *rand.Rand, n int) []geo.Point {
	var spots []geo.Point
	for len(spots) < n {
		p := geo.Point{
			Lat: math.Round((47.06+rng.Float64()*.19)*1e6) / 1e6,
			Lon: math.Round((9.48+rng.Float64()*.08)*1e6) / 1e6,
		}
		if !slices.ContainsFunc(spots, func(q geo.Point) bool { return geo.Distance(p, q) < 150 }) {
			spots = append(spots, p)
		}
	}
	return spots
}

// aScene returns a pickup, and where the drivers are: the nearest first. Redis, which is
// exact to a metre, can tell who the 16 nearest are.
func aScene(rng *rand.Rand, drivers int) (pickup geo.Point, spots []geo.Point) {
	for {
		spots = someSpots(rng, drivers+1)
		pickup, spots = spots[0], spots[1:]
		slices.SortFunc(spots, func(a, b geo.Point) int {
			return cmp.Compare(geo.Distance(a, pickup), geo.Distance(b, pickup))
		})
		if geo.Distance(spots[16], pickup)-geo.Distance(spots[15], pickup) > 2 {
			return pickup, spots
		}
	}
}

// In random scenes of Liechtenstein with 50 drivers, the one who gets the ride is the
// quickest of the 16 nearest, as a real engine says, every time: also where one of these is
// far from any road, for whom the engine refuses the question.
func TestQuickestByRoad(t *testing.T) {
	t.Parallel()
	engine := startValhalla(t)
	g := start(t, settings("REDIS_URL", "redis://"+redistest.Start(t).Addr, "ROUTER", "valhalla+"+engine+"#costing=auto",
		"DISPATCH_RADII_KM", "5,100", "ADMIN_TOKEN", "s3cret"))
	scenes := 10
	if *soak {
		scenes = 1000
	}
	rng := rand.New(rand.NewPCG(14, 7))
	const drivers = 50
	allNear := func() (geo.Point, []geo.Point) { return aScene(rng, drivers) }
	farOff := func() (geo.Point, []geo.Point) {
		pickup, spots := aScene(rng, drivers)
		for i := 15; i < drivers; i++ {
			spots[i] = geo.Point{Lat: 47.8 + float64(i)/1000, Lon: 9.5}
		}
		return pickup, spots
	}
	shown := 0
	for _, tt := range []struct {
		name   string
		scene  func() (geo.Point, []geo.Point)
		scenes int
	}{{"all near roads", allNear, scenes}, {"one far from any road", farOff, max(scenes/5, 3)}} {
		late, notNearest := 0, 0
		for scene := 0; scene-late < tt.scenes; scene++ {
			if scene > 10*tt.scenes+100 {
				t.Fatalf("%s: the engine was late in %d of %d scenes", tt.name, late, scene)
			}
			pickup, spots := tt.scene()
			chosen, inTime := playScene(t, g, engine, pickup, spots)
			switch {
			case !inTime:
				late++
			case chosen > 0:
				notNearest++
			}
		}
		t.Logf("%s: %d scenes; in %d of them the quickest was not the nearest; in %d more the engine was late",
			tt.name, tt.scenes, notNearest, late)
		shown += notNearest
	}
	if shown == 0 {
		t.Error("the nearest was always the quickest: nothing is shown")
	}
}

// playScene returns who of the drivers gets a ride, and fails the test unless it is the
// quickest of the nearest 16. On a busy machine the engine may not have answered in time:
// then it is the nearest.
func playScene(t *testing.T, g *process, engine string, pickup geo.Point, spots []geo.Point) (chosen int, inTime bool) {
	t.Helper()
	positions := make([]map[string]any, len(spots))
	for i, p := range spots {
		positions[i] = map[string]any{"id": fmt.Sprint(i), "lat": p.Lat, "lng": p.Lon}
	}
	if a := g.post(t, "/tracking", mustJSON(positions)); a.Status != http.StatusOK || strings.Contains(string(a.Body), "rejected") {
		t.Fatalf("tracking answers %s", a)
	}
	times, unknown := secondsByRoad(t, engine, spots[:16], pickup)

	before := estimatedCells(t, g)
	r, err := rideOf(g.post(t, "/v2/search", mustJSON(map[string]any{"lat": pickup.Lat, "lng": pickup.Lon})))
	if err != nil || r.State != "matched" {
		t.Fatalf("the ride is %+v, %v", r, err)
	}
	inTime = estimatedCells(t, g) == before+unknown
	if !inTime {
		times = []float64{0}
	}
	chosen, err = strconv.Atoi(r.driverID())
	if err != nil || chosen >= len(times) || times[chosen] > slices.Min(times) {
		t.Fatalf("driver %q has the ride; the times of the nearest are %v", r.driverID(), times)
	}
	if a := g.post(t, "/v2/cancel", requestID(r.RequestID)); a.Status != http.StatusOK {
		t.Fatalf("cancel answers %s", a)
	}
	return chosen, inTime
}

var estimated = regexp.MustCompile(`geogate_router_cells_total\{from="estimate"\} (\d+)`)

func estimatedCells(t *testing.T, g *process) int {
	t.Helper()
	figures := g.get(t, "/metrics", "Authorization", "Bearer s3cret")
	found := estimated.FindSubmatch(figures.Body)
	if found == nil {
		t.Fatalf("metrics answer %s", figures)
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
