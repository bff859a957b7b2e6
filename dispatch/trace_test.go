package dispatch_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/trace"
	"geogate/internal/trace/tracetest"
)

// What a worker does for a ride is in the trace of the request that created it, and so is
// the choice of a driver, by the worker and in the first attempt.
func TestAttemptsAreTraced(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		collector := tracetest.New(t)
		tracer := trace.New(trace.Config{URL: collector.URL + "/v1/traces", Every: 10 * time.Millisecond})
		asynctest.Background(t, tracer.Run)
		var calls atomic.Int64
		e := dispatch.New(rdb, dispatch.Config{Tracer: tracer, Times: inTurn(&calls), Interval: 20 * time.Millisecond})
		run(t, e)

		ask := func(ctx context.Context) (dispatch.Ride, string) {
			scope := tracer.Begin("")
			ride, err := e.Request(trace.With(ctx, scope), dispatch.RideRequest{Pickup: santiago})
			if err != nil {
				t.Fatal(err)
			}
			return ride, scope.ID()
		}
		await := func(id, name, state string) (found tracetest.Span) {
			t.Helper()
			asynctest.Eventually(t, "span "+name+" "+state, func() bool {
				for _, s := range collector.Spans() {
					if s.Trace == id && s.Name == name && s.Attributes["geogate.ride_state"] == state {
						found = s
						return true
					}
				}
				return false
			})
			return found
		}
		waiting, first := ask(t.Context())
		created := await(first, "create ride", "")
		if s := await(first, "attempt ride", "searching"); s.Parent != created.ID || s.Attributes["geogate.ride_id"] != waiting.ID || s.Attributes["geogate.region"] != "default" {
			t.Errorf("attempt %+v, want it below %+v", s, created)
		}
		trackRow(t, e, 3)
		reach(t, e, waiting.ID, dispatch.Matched)
		if s := await(first, "choose driver", ""); s.Parent != created.ID || s.Attributes["geogate.ride_id"] != waiting.ID {
			t.Errorf("choice %+v, want it below %+v", s, created)
		}
		matched, second := ask(t.Context())
		created = await(second, "create ride", "")
		if s := await(second, "choose driver", ""); s.Parent != created.ID || s.Attributes["geogate.ride_id"] != matched.ID || s.Attributes["geogate.candidates"] != "2" {
			t.Errorf("first choice %+v, want it below %+v", s, created)
		}
	})
}
