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

// secondsByRoad asks the engine itself; a driver without a way takes for ever. It returns nil
// if the engine refuses.
func secondsByRoad(t *testing.T, engine string, from []geo.Point, to geo.Point) []float64 {
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
		Table [][]struct{ Time *float64 } `json:"sources_to_targets"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatalf("the engine's answer: %v", err)
	}
	if res.StatusCode == http.StatusBadRequest {
		return nil // a point is too far from any road, so that the engine refuses all of them
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
	return times
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
// quickest of the 16 nearest, as a real engine says, every time.
func TestQuickestByRoad(t *testing.T) {
	t.Parallel()
	engine := startValhalla(t)
	g := start(t, settings("REDIS_URL", "redis://"+redistest.Start(t).Addr, "ROUTER", "valhalla+"+engine+"#costing=auto",
		"DISPATCH_RADII_KM", "5,30", "ADMIN_TOKEN", "s3cret"))
	// On a busy machine the engine may not answer within 300 ms, and it refuses points far from
	// any road. The nearest gets the ride then, and the scene does not count.
	estimated := regexp.MustCompile(`geogate_router_cells_total\{from="estimate"\} (\S+)`)
	late, lateBefore := 0, "0"
	scenes := 10
	if *soak {
		scenes = 1000
	}
	rng := rand.New(rand.NewPCG(14, 7))
	const drivers = 50
	notNearest := 0
	for scene := 0; scene-late < scenes; scene++ {
		if scene > 10*scenes+100 {
			t.Fatalf("the engine was late or refused in %d of %d scenes", late, scene)
		}
		pickup, spots := aScene(rng, drivers)
		positions := make([]map[string]any, drivers)
		for i, p := range spots {
			positions[i] = map[string]any{"id": fmt.Sprint(i), "lat": p.Lat, "lng": p.Lon}
		}
		if a := g.post(t, "/tracking", mustJSON(positions)); a.Status != http.StatusOK || strings.Contains(string(a.Body), "rejected") {
			t.Fatalf("scene %d: tracking answers %s", scene, a)
		}
		times := secondsByRoad(t, engine, spots[:16], pickup)

		r, err := rideOf(g.post(t, "/v2/search", mustJSON(map[string]any{"lat": pickup.Lat, "lng": pickup.Lon})))
		if err != nil || r.State != "matched" {
			t.Fatalf("scene %d: the ride is %+v, %v", scene, r, err)
		}
		figures := g.get(t, "/metrics", "Authorization", "Bearer s3cret")
		if found := estimated.FindSubmatch(figures.Body); found == nil {
			t.Fatalf("metrics answer %s", figures)
		} else if now := string(found[1]); now != lateBefore {
			lateBefore = now
			late++
			times = []float64{0}
		} else if times == nil {
			t.Fatalf("scene %d: geogate has times that the engine refuses", scene)
		}
		chosen, err := strconv.Atoi(r.driverID())
		if err != nil || chosen >= len(times) || times[chosen] > slices.Min(times) {
			t.Fatalf("scene %d: driver %q has the ride; the times of the nearest are %v", scene, r.driverID(), times)
		}
		if chosen > 0 {
			notNearest++
		}
		if a := g.post(t, "/v2/cancel", requestID(r.RequestID)); a.Status != http.StatusOK {
			t.Fatalf("scene %d: cancel answers %s", scene, a)
		}
	}
	t.Logf("%d scenes; in %d of them the quickest was not the nearest; in %d more the engine was late or refused", scenes, notNearest, late)
	if notNearest == 0 {
		t.Error("the nearest was always the quickest: nothing is shown")
	}
}
