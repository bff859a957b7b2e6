package dispatch_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/geo"
	"geogate/internal/redistest"
)

// slowest is how long a script may hold Redis. It is judged where nothing else runs,
// with -soak; beside other tests only what is beyond doubt fails, as a script whose
// work nothing bounds is.
const slowest = 5 * time.Millisecond

func tooSlow(took time.Duration) bool {
	if *soak {
		return took >= slowest
	}
	return took >= 10*slowest
}

// crowdSize is how many drivers there are. A script whose work nothing bounds is beyond
// doubt slow among far fewer than with -soak.
func crowdSize() int {
	if *soak {
		return 100_000
	}
	return 10_000
}

// crowds are ways for crowdSize drivers to stand around santiago.
var crowds = map[string]func(rng *rand.Rand) geo.Point{
	"town": func(rng *rand.Rand) geo.Point {
		return geo.Point{Lat: santiago.Lat + rng.NormFloat64()*0.03, Lon: santiago.Lon + rng.NormFloat64()*0.03}
	},
	"one point": func(*rand.Rand) geo.Point { return north(300) },
	"ring":      func(rng *rand.Rand) geo.Point { return north(900 + rng.Float64()) },
}

// TestNoScriptIsSlow plays everything that clients and workers do among crowdSize
// drivers, half of them with the tag a and half with b, and asks for both. A busy
// machine makes any script slow now and then: an attack is slow when the
// fastest of its repetitions has a slow script.
func TestNoScriptIsSlow(t *testing.T) {
	if testing.Short() {
		t.Skip("stores three times as many drivers as a city has")
	}
	for name, place := range crowds {
		t.Run(name, func(t *testing.T) { noScriptIsSlow(t, place) })
	}
}

func noScriptIsSlow(t *testing.T, place func(rng *rand.Rand) geo.Point) {
	rng := rand.New(rand.NewPCG(3, 0))
	rdb := redistest.Start(t).Client(t)
	cfg := dispatch.Config{RedisTimeout: time.Minute, OfferTTL: time.Millisecond, Interval: 100 * time.Millisecond, MaxRides: 1_000_000, MaxDrivers: 200_000}
	e := dispatch.New(rdb, cfg)
	crowd := make([]dispatch.Position, crowdSize())
	for i := range crowd {
		crowd[i] = at(fmt.Sprint(i), place(rng))
		crowd[i].Tags = &[]string{[]string{"a", "b"}[i%2], "all"}
		crowd[i].Vehicle = new("car")
	}
	for i := 0; i < len(crowd); i += 10_000 {
		track(t, e, crowd[i:i+10_000]...)
	}
	cfg.Times = func(_ context.Context, from []geo.Point, _ geo.Point) ([]float64, error) {
		return make([]float64, len(from)), nil
	}
	byTime := dispatch.New(rdb, cfg)
	both := []string{"a", "b"}
	ask := func(e *dispatch.Engine, tags ...string) {
		if _, err := e.Request(t.Context(), dispatch.RideRequest{Pickup: santiago, Tags: tags, Vehicle: "car"}); err != nil {
			t.Fatal(err)
		}
	}
	nearest := func(radius float64, limit int, tags ...string) {
		_, _, err := e.Nearest(t.Context(), dispatch.NearestQuery{Point: santiago, RadiusM: radius, Limit: limit, Tags: tags})
		if err != nil {
			t.Fatal(err)
		}
	}
	attacks := []struct {
		name string
		do   func()
	}{
		{"search for both tags", func() { nearest(100_000, 100, both...) }},
		{"search nearby for both tags", func() { nearest(1000, 1, both...) }},
		{"search for one tag", func() { nearest(15_000, 100, "a") }},
		{"search for all", func() { nearest(15_000, 100) }},
		{"ride for both tags", func() { ask(e, both...) }},
		{"ride for one tag", func() { ask(e, "a") }},
		{"due rides", func() { workDue(t, e) }},
		{"ride for both tags, by time", func() { ask(byTime, both...) }},
		{"due rides, by time", func() { workDue(t, byTime) }},
		{"array", func() { track(t, e, crowd[:2000]...) }},
		{"array with new tags", func() {
			changed := make([]dispatch.Position, 1000)
			for i := range changed {
				changed[i] = crowd[rng.IntN(len(crowd))]
				changed[i].Tags = new(manyTags(rng))
			}
			track(t, e, changed...)
		}},
		{"arrival among waiting rides", func() {
			for range 200 {
				ask(e, both...)
			}
			p := at(fmt.Sprint("new", rng.Int()), santiago)
			track(t, e, p)
		}},
		{"reconcile", func() { _ = e.Reconcile(t.Context(), 0) }},
		{"driver", func() { driver(t, e, "1") }},
	}
	for _, attack := range attacks {
		worst := slowestScript(t, rdb, 8, attack.do)
		t.Logf("%s: slowest script %s", attack.name, worst)
		if tooSlow(worst) {
			t.Errorf("%s: a script took %s, want less than %s", attack.name, worst, slowest)
		}
	}
	// Everybody goes silent at once. The second search reads a circle of them twice before it
	// goes the long way.
	silent := dispatch.New(rdb, dispatch.Config{DriverTTL: time.Millisecond, RedisTimeout: time.Minute})
	search := func() {
		for range 2 {
			found, complete, err := silent.Nearest(t.Context(), dispatch.NearestQuery{Point: santiago, RadiusM: 120, Limit: 100})
			if err != nil || len(found) > 0 || !complete {
				t.Fatalf("Nearest = %v, complete %t, error %v, want nobody", found, complete, err)
			}
		}
	}
	worst := slowestScript(t, rdb, 8, search)
	t.Logf("search among the silent: slowest script %s", worst)
	if tooSlow(worst) {
		t.Errorf("search among the silent: a script took %s, want less than %s", worst, slowest)
	}
	if worst := slowestScript(t, rdb, 8, func() { _ = silent.Sweep(t.Context()) }); tooSlow(worst) {
		t.Errorf("sweep: a script took %s, want less than %s", worst, slowest)
	}
}

func manyTags(rng *rand.Rand) []string {
	tags := make([]string, dispatch.MaxTags)
	for i := range tags {
		tags[i] = fmt.Sprint("t", i, "-", rng.IntN(100))
	}
	return tags
}

func workDue(t *testing.T, e *dispatch.Engine) {
	for range 20 {
		if _, err := e.WorkDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// slowestScript returns the longest that Redis says a script took during do. A busy
// machine makes any script slow now and then, so do is repeated, up to so many times,
// while a script is too slow: of its first, second … scripts the fastest repetition
// counts, as far as there were that many each time.
func slowestScript(t *testing.T, rdb *redis.Client, times int, do func()) (worst time.Duration) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	rdb.ConfigSet(ctx, "slowlog-max-len", "8192")
	var fastest []time.Duration
	shortest := math.MaxInt
	for range times {
		rdb.ConfigSet(ctx, "slowlog-log-slower-than", "0")
		rdb.Do(ctx, "slowlog", "reset")
		do()
		rdb.ConfigSet(ctx, "slowlog-log-slower-than", "-1")
		logged, err := rdb.SlowLogGet(ctx, -1).Result()
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(logged)
		logged = slices.DeleteFunc(logged, func(entry redis.SlowLog) bool {
			return entry.Args[0] != "evalsha" && entry.Args[0] != "eval"
		})
		if len(logged) == 0 {
			t.Fatal("no script was run")
		}
		n := 0
		for _, entry := range logged {
			// In less time Redis may only have said that it does not know the script.
			if entry.Duration < 20*time.Microsecond {
				continue
			}
			if n == len(fastest) {
				fastest = append(fastest, entry.Duration)
			}
			fastest[n] = min(fastest[n], entry.Duration)
			n++
		}
		shortest = min(shortest, n)
		worst = 0
		for _, took := range fastest[:shortest] {
			worst = max(worst, took)
		}
		if !tooSlow(worst) {
			break
		}
	}
	return worst
}
