package dispatch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/geo"
	"geogate/internal/redistest"
)

// city returns drivers spread as in a city: most of them around a few centres.
func city(n int, rng *rand.Rand) []dispatch.Position {
	var centres []geo.Point
	for range 12 {
		centres = append(centres, geo.Point{Lat: santiago.Lat + rng.NormFloat64()*0.05, Lon: santiago.Lon + rng.NormFloat64()*0.05})
	}
	all := make([]dispatch.Position, n)
	for i := range all {
		all[i] = at(fmt.Sprint(i), inCity(centres, rng))
	}
	return all
}

func inCity(centres []geo.Point, rng *rand.Rand) geo.Point {
	spread := 0.01
	if rng.IntN(4) == 0 {
		spread = 0.1
	}
	c := centres[rng.IntN(len(centres))]
	return geo.Point{Lat: c.Lat + rng.NormFloat64()*spread, Lon: c.Lon + rng.NormFloat64()*spread}
}

func BenchmarkTrack(b *testing.B) {
	for _, size := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("positions=%d", size), func(b *testing.B) {
			rdb := redistest.Start(b).Client(b)
			e := dispatch.New(rdb, dispatch.Config{})
			rng := rand.New(rand.NewPCG(1, 1))
			all := city(10_000, rng)
			track(b, e, all...)
			moved := city(10_000, rng)
			n, before := 0, processorTime(b, rdb)
			for b.Loop() {
				i := n * size % len(moved)
				n++
				if _, err := e.Track(b.Context(), moved[i:i+size]); err != nil {
					b.Fatal(err)
				}
			}
			reportPositions(b, rdb, n*size, before)
		})
	}
}

func BenchmarkTrackConcurrently(b *testing.B) {
	for _, callers := range []int{16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			rdb := redistest.Start(b).Client(b)
			e := dispatch.New(rdb, dispatch.Config{})
			all := city(10_000, rand.New(rand.NewPCG(1, 1)))
			track(b, e, all...)
			before := processorTime(b, rdb)
			b.SetParallelism(callers / runtime.GOMAXPROCS(0))
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := rand.IntN(len(all))
					if _, err := e.Track(b.Context(), all[i:i+1]); err != nil {
						b.Error(err)
					}
				}
			})
			reportPositions(b, rdb, b.N, before)
		})
	}
}

// processorTime is what Redis has used, which other work on the machine changes little.
func processorTime(b *testing.B, rdb *redis.Client) time.Duration {
	b.Helper()
	info, err := rdb.InfoMap(b.Context(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	var sum float64
	for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
		seconds, err := strconv.ParseFloat(info["CPU"][name], 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += seconds
	}
	return time.Duration(sum * float64(time.Second))
}

func reportPositions(b *testing.B, rdb *redis.Client, n int, before time.Duration) {
	b.Helper()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "positions/s")
	b.ReportMetric(float64((processorTime(b, rdb)-before).Nanoseconds())/1000/float64(n), "redis-µs/position")
}

func BenchmarkNearest(b *testing.B) {
	sizes := []int{1_000, 10_000, 100_000}
	if *soak {
		sizes = append(sizes, 1_000_000)
	}
	for _, size := range sizes {
		b.Run(fmt.Sprintf("drivers=%d", size), func(b *testing.B) {
			rdb := redistest.Start(b).Client(b)
			e := dispatch.New(rdb, dispatch.Config{DriverTTL: time.Hour})
			all := city(size, rand.New(rand.NewPCG(1, 1)))
			empty, err := e.Memory(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for chunk := range slices.Chunk(all, 10_000) {
				track(b, e, chunk...)
			}
			// The events of their arrival are not what a driver costs for long.
			rdb.Del(b.Context(), "geogate:{default}:events")
			full, err := e.Memory(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(2, 2))
			var took []time.Duration
			for b.Loop() {
				from := all[rng.IntN(len(all))].Point
				started := time.Now()
				found, _, err := e.Nearest(b.Context(), dispatch.NearestQuery{Point: from, RadiusM: 5000, Limit: 10})
				took = append(took, time.Since(started))
				if err != nil || len(found) == 0 {
					b.Fatalf("Nearest = %v, %v", found, err)
				}
			}
			percentiles(b, took)
			b.ReportMetric(float64(full-empty)/float64(size), "B/driver")
		})
	}
}

func BenchmarkRequestToMatch(b *testing.B) {
	e := dispatch.New(redistest.Start(b).Client(b), dispatch.Config{DriverTTL: time.Hour})
	all := city(10_000, rand.New(rand.NewPCG(1, 1)))
	track(b, e, all...)
	rng := rand.New(rand.NewPCG(2, 2))
	var took []time.Duration
	for b.Loop() {
		from := all[rng.IntN(len(all))].Point
		started := time.Now()
		ride := request(b, e, from)
		took = append(took, time.Since(started))
		if ride.State != dispatch.Matched {
			b.Fatalf("ride = %+v", ride)
		}
		b.StopTimer()
		if _, err := e.Complete(b.Context(), ride.ID, ""); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	percentiles(b, took)
}

// BenchmarkWakeUp measures from the call that makes a driver available to the moment
// when the listener of a waiting ride, in another process's place, has the match, with
// 1,000 rides waiting and each of them listened to.
func BenchmarkWakeUp(b *testing.B) {
	const waiting = 1000
	server := redistest.Start(b)
	rdb := server.Client(b)
	rider, other := dispatch.New(rdb, dispatch.Config{Timeout: time.Hour}), dispatch.New(server.Client(b), dispatch.Config{Timeout: time.Hour})
	run(b, rider, other)
	empty, err := rider.Memory(b.Context())
	if err != nil {
		b.Fatal(err)
	}

	ctx, cancel := context.WithCancel(b.Context())
	matched := make(chan time.Time, waiting)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	wait := func(p geo.Point) {
		ride := request(b, rider, p)
		group.Go(func() {
			for ctx.Err() == nil {
				changes, _, err := rider.Changes(ctx, ride.ID, ride.Revision)
				if len(changes) > 0 || err != nil {
					matched <- time.Now()
					return
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range waiting {
		wait(north(rng.Float64() * 4000))
	}
	full, err := rider.Memory(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	n := 0
	for b.Loop() {
		n++
		id := fmt.Sprint(n)
		started := time.Now()
		track(b, other, at(id, north(rng.Float64()*4000)))
		took = append(took, (<-matched).Sub(started))
		b.StopTimer()
		wait(north(rng.Float64() * 4000))
		b.StartTimer()
	}
	percentiles(b, took)
	b.ReportMetric(float64(full-empty)/waiting, "B/ride")
}

func percentiles(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
