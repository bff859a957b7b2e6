package rides

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"geogate/internal/geo"
	"geogate/internal/routing"
)

var soak = flag.Bool("soak", false, "count the calls of a routing engine in five minutes of a town, not 20 seconds")

// The town of TestCallsOfTheRouter: 500 drivers and 50 rides a minute.
const (
	townDrivers = 500
	townRides   = 50.0 / 60 // a second
	townRadius  = 5000.0    // metres
	townSpeed   = 9.0       // metres a second
	townNoise   = 4.0       // metres, standard deviation of a fix
)

// townDriver drives to a pickup and a drop-off or, free, to anywhere.
type townDriver struct {
	at    geo.Point
	goals []geo.Point
	busy  bool
	way   wayAhead // what the rider's stream knows
	asked int      // when it asked for that, in seconds of the town
}

func shifted(p geo.Point, north, east float64) geo.Point {
	const metresPerDegree = geo.EarthRadius * math.Pi / 180
	return geo.Point{Lat: p.Lat + north/metresPerDegree, Lon: p.Lon + east/metresPerDegree/math.Cos(p.Lat*math.Pi/180)}
}

// anywhere is up to so many metres from p.
func anywhere(rng *rand.Rand, p geo.Point, least, most float64) geo.Point {
	angle, far := rng.Float64()*2*math.Pi, least+(most-least)*math.Sqrt(rng.Float64())
	return shifted(p, far*math.Cos(angle), far*math.Sin(angle))
}

// drive goes on for a second.
func (d *townDriver) drive(rng *rand.Rand, centre geo.Point) {
	if len(d.goals) == 0 {
		d.busy, d.goals = false, []geo.Point{anywhere(rng, centre, 0, townRadius)}
	}
	to := d.goals[0]
	if far := geo.Distance(d.at, to); far > townSpeed {
		share := townSpeed / far
		d.at = geo.Point{Lat: d.at.Lat + (to.Lat-d.at.Lat)*share, Lon: d.at.Lon + (to.Lon-d.at.Lon)*share}
		return
	}
	d.at, d.goals = to, d.goals[1:]
}

// keptCells keeps cells for their life in seconds of the town.
type keptCells struct {
	now   int
	cells map[string]keptCell
}

type keptCell struct {
	routing.Cell

	since int
}

func (k *keptCells) get(ctx context.Context, _ string, keys []string, fill routing.Fill) ([]routing.Cell, error) {
	out := make([]routing.Cell, len(keys))
	var missing []int
	for i, key := range keys {
		c, kept := k.cells[key]
		if out[i] = c.Cell; !kept || k.now-c.since >= int(routing.Life.Seconds()) {
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	filled, err := fill(ctx, missing)
	for i, n := range missing {
		if err == nil {
			out[n] = filled[i]
			k.cells[keys[n]] = keptCell{filled[i], k.now}
		}
	}
	return out, err
}

// newValhalla is a stand-in that counts calls; ways are straight.
func newValhalla(t *testing.T) (url string, calls *atomic.Int64) {
	t.Helper()
	calls = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		var asked struct{ Sources, Targets []geo.Point }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		type cell struct {
			Time     float64 `json:"time"`
			Distance float64 `json:"distance"`
		}
		table := make([][]cell, len(asked.Sources))
		for i, from := range asked.Sources {
			for _, to := range asked.Targets {
				far := geo.Distance(from, to)
				table[i] = append(table[i], cell{far / townSpeed, far / 1000})
			}
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"units": "kilometers", "sources_to_targets": table}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, calls
}

// TestCallsOfTheRouter counts what a town asks of a routing engine for matches and for the
// streams of its riders: if every question were a call, with the cache, and with the cache
// and the ways that streams hold.
func TestCallsOfTheRouter(t *testing.T) {
	if questions, calls, _ := townCalls(t, 1, 20, true); calls*10 > questions {
		t.Errorf("%d questions led to %d calls, want a tenth", questions, calls)
	}
	if !*soak {
		return
	}
	const minutes = 5
	t.Log("| positions every | rides followed | matches a minute | questions a minute | calls with the cache | with ways held, too |")
	for _, interval := range []int{1, 2, 5} {
		questions, cached, _ := townCalls(t, interval, minutes*60, false)
		_, held, followed := townCalls(t, interval, minutes*60, true)
		share := func(n int64) float64 { return 100 * float64(n) / float64(questions) }
		t.Logf("| %d s | %d | %.0f | %d | %d (%.1f %%) | %d (%.1f %%) |", interval, followed, townRides*60,
			questions/minutes, cached/minutes, share(cached), held/minutes, share(held))
	}
}

// townCalls plays so many seconds of the town, in which positions come every interval of
// them. It returns the questions, the calls that they led to, and how many rides were
// followed in the end. What was asked before, when all streams began at once, does not count.
func townCalls(t *testing.T, interval, seconds int, hold bool) (questions, calls int64, followed int) {
	t.Helper()
	url, counted := newValhalla(t)
	specs, err := routing.ParseSpecs("valhalla+" + url)
	if err != nil {
		t.Fatal(err)
	}
	cells := &keptCells{cells: map[string]keptCell{}}
	router := routing.New(specs, routing.Config{Cache: cells.get})
	t.Cleanup(router.Close)
	a := &API{Config: Config{Table: func(ctx context.Context, _ *http.Request, from, to []geo.Point) (routing.Table, error) {
		questions++
		return router.Table(context.WithoutCancel(ctx), from, to) // however slow this machine is
	}}}
	rng := rand.New(rand.NewPCG(14, 4))
	centre := geo.Point{Lat: 48.1374, Lon: 11.5755}
	drivers := make([]*townDriver, townDrivers)
	for i := range drivers {
		drivers[i] = &townDriver{at: anywhere(rng, centre, 0, townRadius)}
	}
	const (
		begin = 15 * 60 // seconds, until as many rides end as begin
		warm  = begin + 30
	)
	due, callsBefore := 0.0, int64(0)
	for s := range warm + seconds {
		if cells.now = s; s == warm {
			questions, callsBefore = 0, counted.Load()
		}
		for due += townRides; due >= 1; due-- {
			a.giveRide(t, rng, drivers, anywhere(rng, centre, 0, townRadius), s >= begin)
		}
		followed = 0
		for i, d := range drivers {
			d.drive(rng, centre)
			if !d.busy || len(d.goals) == 0 {
				continue
			}
			followed++
			if s < begin || (s+i)%interval != 0 {
				continue
			}
			at := shifted(d.at, rng.NormFloat64()*townNoise, rng.NormFloat64()*townNoise)
			asked := time.Now().Add(-time.Duration(s-d.asked) * time.Second)
			if d.way.asked = asked; !hold {
				d.way = wayAhead{}
			}
			before := questions
			if got := a.follow(t.Context(), &d.way, at, d.goals[0]); got == nil || got.Source != "valhalla" {
				t.Fatalf("the way is %+v", got)
			}
			if d.way.asked != asked {
				d.asked = s
			}
			questions = before + 1 // a way that was held was asked for as well
		}
	}
	return questions, counted.Load() - callsBefore, followed
}

// giveRide gives a ride to the quickest of the 16 nearest free drivers or, where the engine
// is not to be asked, to the nearest.
func (a *API) giveRide(t *testing.T, rng *rand.Rand, drivers []*townDriver, pickup geo.Point, ask bool) {
	t.Helper()
	var free []*townDriver
	for _, d := range drivers {
		if !d.busy {
			free = append(free, d)
		}
	}
	slices.SortFunc(free, func(a, b *townDriver) int { return cmp.Compare(geo.Distance(a.at, pickup), geo.Distance(b.at, pickup)) })
	if free = free[:min(16, len(free))]; len(free) == 0 {
		return
	}
	chosen := free[0]
	if ask {
		from := make([]geo.Point, len(free))
		for i, d := range free {
			from[i] = d.at
		}
		table, err := a.Table(t.Context(), nil, from, []geo.Point{pickup})
		if err != nil || table.Source != "valhalla" {
			t.Fatal(fmt.Errorf("table of %s: %w", table.Source, err))
		}
		for i, d := range free {
			if table.Cells[i][0].Seconds < table.Cells[slices.Index(free, chosen)][0].Seconds {
				chosen = d
			}
		}
	}
	chosen.busy, chosen.way = true, wayAhead{}
	chosen.goals = []geo.Point{pickup, anywhere(rng, pickup, 1000, 4000)}
}
