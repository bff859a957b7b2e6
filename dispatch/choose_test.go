package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/geo"
	"geogate/internal/redistest"
)

// inTurn are times by which the farther a driver is, the sooner they arrive: the river
// is in between.
func inTurn(calls *atomic.Int64) dispatch.TimesFunc {
	return func(_ context.Context, from []geo.Point, to geo.Point) ([]float64, error) {
		calls.Add(1)
		times := make([]float64, len(from))
		for i, p := range from {
			times[i] = 10_000 - geo.Distance(p, to)
		}
		return times, nil
	}
}

// trackRow puts so many drivers in a row, 100 m apart; driver 1 is the nearest.
func trackRow(t *testing.T, e *dispatch.Engine, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		track(t, e, at(fmt.Sprint(i), north(float64(100*i))))
	}
}

// The quickest of the 16 nearest gets the ride, and the first attempt asks once.
func TestQuickestOfTheNearestGetsTheRide(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		var calls atomic.Int64
		e := dispatch.New(rdb, dispatch.Config{Times: inTurn(&calls)})
		trackRow(t, e, 20)
		for _, want := range []string{"16", "17", "18"} { // the nearest 16 of those who are left
			ride := request(t, e, santiago)
			if ride.State != dispatch.Matched || ride.Driver.DriverID != want {
				t.Fatalf("the ride is %s with %+v, want driver %s", ride.State, ride.Driver, want)
			}
			if d := driver(t, e, want); d.State != dispatch.Busy || d.RideID != ride.ID {
				t.Errorf("driver %s is %s with %q", want, d.State, d.RideID)
			}
		}
		if n := calls.Load(); n != 3 {
			t.Errorf("%d questions for three rides", n)
		}
	})
}

// Whatever the times are that nobody can use, the nearest gets the ride: the answer is
// not late, and no error.
func TestWithoutTimesTheNearestGetsTheRide(t *testing.T) {
	tests := []struct {
		name  string
		times dispatch.TimesFunc
		want  string
	}{
		{"error", func(context.Context, []geo.Point, geo.Point) ([]float64, error) { return nil, errors.New("down") }, "1"},
		{"too few", func(context.Context, []geo.Point, geo.Point) ([]float64, error) { return []float64{1}, nil }, "1"},
		{"not a number", func(_ context.Context, from []geo.Point, _ geo.Point) ([]float64, error) {
			times := make([]float64, len(from))
			times[0] = math.NaN()
			return times, nil
		}, "1"},
		{"all the same", func(_ context.Context, from []geo.Point, _ geo.Point) ([]float64, error) {
			return make([]float64, len(from)), nil
		}, "1"},
		{"no way for the nearest", func(_ context.Context, from []geo.Point, _ geo.Point) ([]float64, error) {
			times := make([]float64, len(from))
			times[0] = math.Inf(1)
			return times, nil
		}, "2"},
		{"no way at all", func(_ context.Context, from []geo.Point, _ geo.Point) ([]float64, error) {
			times := make([]float64, len(from))
			for i := range times {
				times[i] = math.Inf(1)
			}
			return times, nil
		}, "1"},
	}
	rdb := redistest.Start(t).Client(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			flush(t, rdb)
			e := dispatch.New(rdb, dispatch.Config{Times: tt.times})
			trackRow(t, e, 5)
			if ride := request(t, e, santiago); ride.State != dispatch.Matched || ride.Driver.DriverID != tt.want {
				t.Errorf("the ride is %s with %+v, want driver %s", ride.State, ride.Driver, tt.want)
			}
		})
	}
}

// A match waits 300 ms for times, and no longer.
func TestTimesThatHang(t *testing.T) {
	given := make(chan time.Duration, 1)
	e := dispatch.New(redistest.Start(t).Client(t), dispatch.Config{Times: func(ctx context.Context, _ []geo.Point, _ geo.Point) ([]float64, error) {
		deadline, _ := ctx.Deadline()
		given <- time.Until(deadline)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	trackRow(t, e, 5)
	if ride := request(t, e, santiago); ride.State != dispatch.Matched || ride.Driver.DriverID != "1" {
		t.Errorf("the ride is %s with %+v, want the nearest driver", ride.State, ride.Driver)
	}
	if d := <-given; d > 300*time.Millisecond {
		t.Errorf("the times had %s, want 300 ms at most", d)
	}
}

// Drivers who are taken while their times are looked up are skipped.
func TestDriverTakenMeanwhileIsSkipped(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		other := dispatch.New(rdb, dispatch.Config{})
		var calls atomic.Int64
		quickest := inTurn(&calls)
		e := dispatch.New(rdb, dispatch.Config{Times: func(ctx context.Context, from []geo.Point, to geo.Point) ([]float64, error) {
			for _, far := range []float64{500, 400} { // the two quickest
				if _, err := other.Request(context.WithoutCancel(ctx), dispatch.RideRequest{Pickup: north(far)}); err != nil {
					return nil, err
				}
			}
			return quickest(ctx, from, to)
		}})
		trackRow(t, e, 5)
		if ride := request(t, e, santiago); ride.State != dispatch.Matched || ride.Driver.DriverID != "3" {
			t.Errorf("the ride is %s with %+v, want driver 3", ride.State, ride.Driver)
		}
	})
}

// When all who were asked about are gone, the nearest of the others gets the ride.
func TestAllCandidatesTakenMeanwhile(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	other := dispatch.New(rdb, dispatch.Config{MaxPerRider: 100})
	e := dispatch.New(rdb, dispatch.Config{Times: func(ctx context.Context, from []geo.Point, _ geo.Point) ([]float64, error) {
		for range from {
			if _, err := other.Request(context.WithoutCancel(ctx), dispatch.RideRequest{Pickup: santiago}); err != nil {
				return nil, err
			}
		}
		return make([]float64, len(from)), nil
	}})
	trackRow(t, e, 17)
	if ride := request(t, e, santiago); ride.State != dispatch.Matched || ride.Driver.DriverID != "17" {
		t.Errorf("the ride is %s with %+v, want driver 17", ride.State, ride.Driver)
	}
}

// One candidate needs no times.
func TestOneCandidateNeedsNoTimes(t *testing.T) {
	var calls atomic.Int64
	e := dispatch.New(redistest.Start(t).Client(t), dispatch.Config{Times: inTurn(&calls)})
	trackRow(t, e, 1)
	if ride := request(t, e, santiago); ride.State != dispatch.Matched || calls.Load() != 0 {
		t.Errorf("the ride is %s after %d questions", ride.State, calls.Load())
	}
}

// Rides that wait, and those whose driver declines or gives them back, are chosen for by
// the worker, who is told at once.
func TestWaitingRidesGetTheQuickest(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		var calls atomic.Int64
		// Nobody waits for a tick: the next one is in an hour.
		e := dispatch.New(rdb, dispatch.Config{Times: inTurn(&calls), Interval: time.Hour, Timeout: 10 * time.Hour})
		run(t, e)
		ride := request(t, e, santiago)
		if ride.State != dispatch.Searching {
			t.Fatalf("without drivers the ride is %s", ride.State)
		}
		track(t, e, at("1", north(100)), at("2", north(200)), at("3", north(300)))
		if ride = reach(t, e, ride.ID, dispatch.Matched); ride.Driver.DriverID != "3" {
			t.Errorf("driver %s has the ride, want the quickest", ride.Driver.DriverID)
		}
		if _, err := e.Release(t.Context(), ride.ID, "3", ""); err != nil {
			t.Fatal(err)
		}
		if ride = reach(t, e, ride.ID, dispatch.Matched); ride.Driver.DriverID != "2" {
			t.Errorf("driver %s has the ride that 3 gave back, want the quickest of the others", ride.Driver.DriverID)
		}
	})
}

// A process that dies while it chooses keeps nobody waiting: the worker chooses after a
// second.
func TestProcessThatDiesWhileItChooses(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	var calls atomic.Int64
	dies := dispatch.New(rdb, dispatch.Config{Times: func(context.Context, []geo.Point, geo.Point) ([]float64, error) {
		panic("killed")
	}})
	e := dispatch.New(rdb, dispatch.Config{Times: inTurn(&calls)})
	trackRow(t, e, 3)
	var id string
	func() {
		defer func() { _ = recover() }()
		request(t, dies, santiago)
	}()
	for _, key := range keys(t, rdb) {
		if _, ride, found := strings.Cut(key, "}:ride:"); found {
			id = ride
		}
	}
	run(t, e)
	if ride := reach(t, e, id, dispatch.Matched); ride.Driver.DriverID != "3" {
		t.Errorf("driver %s has the ride, want the quickest", ride.Driver.DriverID)
	}
}

func TestOfferGoesToTheQuickest(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		var calls atomic.Int64
		e := dispatch.New(rdb, dispatch.Config{Times: inTurn(&calls), OfferTTL: time.Hour, Interval: time.Hour, Timeout: 10 * time.Hour})
		run(t, e)
		trackRow(t, e, 3)
		ride := request(t, e, santiago)
		for _, want := range []string{"3", "2", "1"} {
			if ride = reach(t, e, ride.ID, dispatch.Offered); ride.Driver.DriverID != want {
				t.Fatalf("the ride is offered to %s, want %s", ride.Driver.DriverID, want)
			}
			if _, err := e.Decline(t.Context(), offerTo(t, e, want).ID, want); err != nil {
				t.Fatal(err)
			}
		}
		reach(t, e, ride.ID, dispatch.Searching)
	})
}
