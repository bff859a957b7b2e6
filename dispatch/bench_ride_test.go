package dispatch_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/redistest"
)

// BenchmarkRide measures what a match, each step and a cancel cost Redis among 10,000 drivers.
// Each iteration is a whole ride: run it with a -benchtime of at most 8000x.
func BenchmarkRide(b *testing.B) {
	for _, end := range []string{"complete", "cancel"} {
		b.Run("end="+end, func(b *testing.B) {
			rdb := redistest.Start(b).Client(b)
			e := dispatch.New(rdb, dispatch.Config{DriverTTL: time.Hour, LostAfter: time.Hour})
			all := city(10_000, rand.New(rand.NewPCG(1, 1)))
			track(b, e, all...)
			rides := make([]string, b.N)
			stages := map[string]func(ctx context.Context, i int) (dispatch.Ride, error){
				"match": func(ctx context.Context, i int) (dispatch.Ride, error) {
					ride, err := e.Request(ctx, dispatch.RideRequest{Pickup: all[i*7919%len(all)].Point, RiderID: strconv.Itoa(i)})
					rides[i] = ride.ID
					return ride, err
				},
				"arrive":   func(ctx context.Context, i int) (dispatch.Ride, error) { return e.Arrive(ctx, rides[i], "") },
				"start":    func(ctx context.Context, i int) (dispatch.Ride, error) { return e.Start(ctx, rides[i], "") },
				"complete": func(ctx context.Context, i int) (dispatch.Ride, error) { return e.Complete(ctx, rides[i], "") },
				"cancel":   func(ctx context.Context, i int) (dispatch.Ride, error) { return e.Cancel(ctx, rides[i], "") },
			}
			order := []string{"match", "cancel"}
			if end == "complete" {
				order = []string{"match", "arrive", "start", "complete"}
			}
			b.ResetTimer()
			for _, name := range order {
				script, commands := scriptTime(b, rdb)
				processor := processorTime(b, rdb)
				for i := range b.N {
					if ride, err := stages[name](b.Context(), i); err != nil || ride.Driver == nil && name != "cancel" {
						b.Fatalf("%s = %+v, %v", name, ride, err)
					}
				}
				scriptNow, commandsNow := scriptTime(b, rdb)
				n := float64(b.N)
				b.ReportMetric((scriptNow-script)/n, "script-µs/"+name)
				b.ReportMetric((commandsNow-commands)/n, "commands/"+name)
				b.ReportMetric(float64((processorTime(b, rdb)-processor).Microseconds())/n, "redis-µs/"+name)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// scriptTime is how long Redis has spent in scripts, in µs, and how many commands it has
// carried out in them and besides.
func scriptTime(b *testing.B, rdb *redis.Client) (micros, commands float64) {
	b.Helper()
	info, err := rdb.InfoMap(b.Context(), "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	for name, line := range info["Commandstats"] {
		values := make(map[string]float64)
		for field := range strings.SplitSeq(line, ",") {
			key, text, _ := strings.Cut(field, "=")
			values[key], _ = strconv.ParseFloat(text, 64)
		}
		commands += values["calls"]
		if name == "cmdstat_evalsha" {
			micros = values["usec"]
		}
	}
	return micros, commands
}
