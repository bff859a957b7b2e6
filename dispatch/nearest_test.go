package dispatch_test

import (
	"cmp"
	"errors"
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

// The answer must be what measuring every driver would give, however they are spread.
func TestNearestAgreesWithMeasuringAll(t *testing.T) {
	const seed = 7
	t.Logf("seed %d", seed)
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		rng := rand.New(rand.NewPCG(seed, 0))
		// Nobody falls silent, however long it takes.
		e := dispatch.New(rdb, dispatch.Config{RedisTimeout: time.Minute, DriverTTL: time.Hour})
		where := make(map[string]geo.Point)
		var all []dispatch.Position
		vans := make(map[string]bool)
		for i := range 1500 {
			// A crowded centre with a thin periphery, some of it 30 km out.
			spread := 0.01
			if i%5 == 0 {
				spread = 0.2
			}
			p := at(fmt.Sprint(i), geo.Point{
				Lat: santiago.Lat + rng.NormFloat64()*spread, Lon: santiago.Lon + rng.NormFloat64()*spread,
			})
			if i%10 == 0 {
				p.Vehicle = new("van")
				vans[p.ID] = true
			}
			where[p.ID] = p.Point
			all = append(all, p)
		}
		track(t, e, all...)
		for range 60 {
			q := dispatch.NearestQuery{
				Point:   geo.Point{Lat: santiago.Lat + rng.NormFloat64()*0.1, Lon: santiago.Lon + rng.NormFloat64()*0.1},
				RadiusM: 200 + rng.Float64()*30_000,
				Limit:   1 + rng.IntN(100),
			}
			if rng.IntN(2) == 0 {
				q.Vehicle = "van"
			}
			var want []string
			for id, p := range where {
				if geo.Distance(p, q.Point) <= q.RadiusM && (q.Vehicle == "" || vans[id]) {
					want = append(want, id)
				}
			}
			slices.SortFunc(want, func(a, b string) int {
				return cmp.Compare(geo.Distance(where[a], q.Point), geo.Distance(where[b], q.Point))
			})
			want = want[:min(len(want), q.Limit)]
			for range 2 { // the second time it is known how far to look
				got, _, err := e.Nearest(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				// The index rounds positions to about half a metre, so neighbours may change
				// places and the edge may blur; distances must agree in order.
				if d := len(got) - len(want); d < -1 || d > 1 {
					t.Fatalf("Nearest(%+v) found %d, want %d", q, len(got), len(want))
				}
				for i := range min(len(got), len(want)) {
					if g, w := got[i].DistanceM, geo.Distance(where[want[i]], q.Point); math.Abs(g-w) > 1.5 {
						t.Fatalf("Nearest(%+v)[%d] is %s at %.1f m, want %s at %.1f m", q, i, got[i].ID, g, want[i], w)
					}
					if got[i].Point != where[got[i].ID] {
						t.Fatalf("Nearest shows %s at %v, want the position as it was sent, %v", got[i].ID, got[i].Point, where[got[i].ID])
					}
				}
			}
		}
	})
}

func TestNearestAcrossTheDateLine(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		track(t, e, at("west", geo.Point{Lat: -17, Lon: 179.995}), at("east", geo.Point{Lat: -17, Lon: -179.995}))
		for range 2 { // the second time it is known how far to look
			got, _, err := e.Nearest(t.Context(), dispatch.NearestQuery{Point: geo.Point{Lat: -17, Lon: 179.999}, RadiusM: 5000, Limit: 5})
			if err != nil || len(got) != 2 || got[0].ID != "west" || got[1].ID != "east" {
				t.Errorf("Nearest = %+v, %v, want both sides", got, err)
			}
		}
	})
}

func TestNearestShowsOnlyFreshAvailableDrivers(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		// More stale ones nearby than a page of the search holds.
		var stale []dispatch.Position
		for i := range 40 {
			stale = append(stale, at(fmt.Sprint("stale", i), north(float64(i))))
		}
		track(t, e, stale...)
		for _, p := range stale {
			fallSilent(t, rdb, p.ID)
		}
		track(t, e, at("taken", north(40)), at("fresh", north(60)))
		if ride := request(t, e, north(40)); ride.Driver == nil || ride.Driver.DriverID != "taken" {
			t.Fatalf("ride = %+v, want the nearest fresh driver", ride)
		}
		for range 2 { // the second time it is known how far to look
			got, _, err := e.Nearest(t.Context(), dispatch.NearestQuery{Point: santiago, RadiusM: 1000, Limit: 1})
			if err != nil || len(got) != 1 || got[0].ID != "fresh" {
				t.Errorf("Nearest = %+v, %v, want the fresh one", got, err)
			}
		}
	})
}

// Who searches where others have searched looks as far as they had to, at once.
func TestSearchesLearnHowFarToLook(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	e := dispatch.New(rdb, dispatch.Config{RedisTimeout: time.Minute})
	var all []dispatch.Position
	for i := range 1000 {
		all = append(all, at(fmt.Sprint(i), north(float64(10*i))))
	}
	track(t, e, all...)
	search := func(q dispatch.NearestQuery) (calls map[string]int) {
		t.Helper()
		if err := rdb.ConfigResetStat(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		got, complete, err := e.Nearest(t.Context(), q)
		if err != nil || !complete || len(got) != q.Limit {
			t.Fatalf("Nearest = %d drivers, complete %t, error %v", len(got), complete, err)
		}
		stats, err := rdb.InfoMap(t.Context(), "commandstats").Result()
		if err != nil {
			t.Fatal(err)
		}
		calls = make(map[string]int)
		for name, value := range stats["Commandstats"] {
			var n int
			if _, err := fmt.Sscanf(value, "calls=%d,", &n); err != nil {
				t.Fatalf("%s: %q: %v", name, value, err)
			}
			calls[name] = n
		}
		return calls
	}
	q := dispatch.NearestQuery{Point: north(2003), RadiusM: 20_000, Limit: 10}
	first := search(q)
	again := search(q)
	t.Logf("calls: %v, then %v", first, again)
	if again["cmdstat_zcount"] > 4 || again["cmdstat_geosearch"] > 2 || again["cmdstat_zcard"] > 0 {
		t.Errorf("the second search called %v, the first %v", again, first)
	}
}

func TestNearestRefusals(t *testing.T) {
	e := dispatch.New(nil, dispatch.Config{})
	ok := dispatch.NearestQuery{Point: santiago, RadiusM: 1, Limit: 1}
	tests := []struct {
		name   string
		change func(q *dispatch.NearestQuery)
		code   string
	}{
		{"no radius", func(q *dispatch.NearestQuery) { q.RadiusM = 0 }, dispatch.CodeInvalidRadius},
		{"radius NaN", func(q *dispatch.NearestQuery) { q.RadiusM = math.NaN() }, dispatch.CodeInvalidRadius},
		{"radius too large", func(q *dispatch.NearestQuery) { q.RadiusM = 100_001 }, dispatch.CodeInvalidRadius},
		{"no limit", func(q *dispatch.NearestQuery) { q.Limit = 0 }, dispatch.CodeInvalidLimit},
		{"limit too large", func(q *dispatch.NearestQuery) { q.Limit = 101 }, dispatch.CodeInvalidLimit},
		{"position", func(q *dispatch.NearestQuery) { q.Point.Lat = 86 }, dispatch.CodeInvalidPosition},
		{"region", func(q *dispatch.NearestQuery) { q.Region = "Ä" }, dispatch.CodeUnknownRegion},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := ok
			tt.change(&q)
			_, _, err := e.Nearest(t.Context(), q)
			var input *dispatch.InputError
			if !errors.As(err, &input) || input.Code != tt.code {
				t.Errorf("Nearest = %v, want code %s", err, tt.code)
			}
		})
	}
}
