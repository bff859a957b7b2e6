package dispatch_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
)

// next returns the next update, which has to come.
func next(t testing.TB, f *dispatch.RideFollower) dispatch.Update {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	u, err := f.Next(ctx)
	if err != nil || ctx.Err() != nil {
		t.Fatalf("Next = %+v, %v, after which nothing came", u, err)
	}
	return u
}

func moving(id string, metres, heading float64) dispatch.Position {
	p := at(id, north(metres))
	speed := 12.5
	p.Heading, p.Speed = &heading, &speed
	return p
}

// A follower on one process hears of the positions that another one takes, from the
// match to the end, and its ride's versions between them.
func TestFollowRideWithPositions(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		taking, following := dispatch.New(rdb, dispatch.Config{}), dispatch.New(rdb, dispatch.Config{})
		run(t, following)
		asynctest.Eventually(t, "wake-ups arrive", following.Subscribed)
		ride := request(t, taking, santiago)
		f := following.FollowRide(ride.ID, "")
		defer f.Close()
		if u := next(t, f); len(u.Rides) != 1 || u.Rides[0].State != dispatch.Searching {
			t.Fatalf("first = %+v, want the ride as it is", u)
		}
		track(t, taking, moving("1", 900, 180))
		if u := next(t, f); len(u.Rides) != 1 || u.Rides[0].State != dispatch.Matched {
			t.Fatalf("then %+v, want the match", u)
		}
		if u := next(t, f); u.Position == nil || u.Position.Point != north(900) || *u.Position.Heading != 180 || *u.Position.Speed != 12.5 || u.Position.Accuracy != nil {
			t.Fatalf("then %+v, want where the driver is", u)
		}
		// Of several within a second the newest comes, also when none follows it.
		for _, metres := range []float64{800, 700, 600} {
			track(t, taking, moving("1", metres, 170))
		}
		began := time.Now()
		for last := false; !last; {
			u := next(t, f)
			last = u.Position != nil && u.Position.Point == north(600)
			if time.Since(began) > time.Minute {
				t.Fatalf("got %+v, and never the newest", u)
			}
		}
		if _, err := taking.Complete(ctx, ride.ID, "1"); err != nil {
			t.Fatal(err)
		}
		u := next(t, f)
		for u.Position != nil {
			u = next(t, f)
		}
		if len(u.Rides) != 1 || !u.Ended {
			t.Errorf("at last %+v, want the end", u)
		}
		// Nobody is told any more.
		if heard := rdb.HExists(ctx, "geogate:{default}:driver:1", "heard").Val(); heard {
			t.Error("the driver's positions are passed on after the end")
		}
	})
}

// What comes late does not make late what follows it.
func TestLiveWait(t *testing.T) {
	seen := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name  string
		after time.Duration // between the two positions
		quiet time.Duration // since the last one was told
		want  time.Duration
	}{
		{"both on time", time.Second, time.Second, 0},
		{"the last one came late", time.Second, 200 * time.Millisecond, 0},
		{"within a second", 400 * time.Millisecond, 400 * time.Millisecond, 600 * time.Millisecond},
		{"within a second of one that came late", 700 * time.Millisecond, 100 * time.Millisecond, 900 * time.Millisecond},
		{"the last of several, found by a look", 900 * time.Millisecond, 1500 * time.Millisecond, 0},
	}
	for _, tt := range tests {
		last, p := dispatch.LivePosition{SeenAt: seen}, dispatch.LivePosition{SeenAt: seen.Add(tt.after)}
		if got := dispatch.LiveWait(p, last, tt.quiet); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := dispatch.LiveWait(dispatch.LivePosition{SeenAt: seen}, dispatch.LivePosition{}, 0); got != 0 {
		t.Errorf("the first: %s, want at once", got)
	}
}

// Where nobody listens, nothing is published.
func TestPositionsGoNowhereUnasked(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		track(t, e, at("1", santiago))
		request(t, e, santiago)
		track(t, e, at("1", north(10)))
		fields := rdb.HMGet(t.Context(), "geogate:{default}:driver:1", "heard", "told").Val()
		if diff := cmp.Diff([]any{nil, nil}, fields); diff != "" {
			t.Errorf("the driver's record differs:\n%s", diff)
		}
	})
}

func TestRideDriver(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{})
		ride := request(t, e, santiago)
		if _, _, err := e.RideDriver(ctx, ride.ID); stateOf(err) != "searching" {
			t.Errorf("without a driver: %v, want too late, searching", err)
		}
		track(t, e, moving("1", 500, 0))
		got, p, err := e.RideDriver(ctx, ride.ID)
		if err != nil || got.State != dispatch.Matched || p.DriverID != "1" || p.Point != north(500) || *p.Heading != 0 {
			t.Errorf("RideDriver = %+v, %+v, %v", got, p, err)
		}
		// A position that says nothing of it ends what an older one said.
		track(t, e, at("1", north(400)))
		if d := driver(t, e, "1"); d.Motion != (dispatch.Motion{}) {
			t.Errorf("driver = %+v, want no motion", d)
		}
		if _, err := e.Complete(ctx, ride.ID, "1"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := e.RideDriver(ctx, ride.ID); stateOf(err) != "completed" {
			t.Errorf("after the end: %v, want too late, completed", err)
		}
		other := dispatch.As(ctx, dispatch.Owner{Rider: "somebody"})
		if _, _, err := e.RideDriver(other, ride.ID); !errors.Is(err, dispatch.ErrNotFound) {
			t.Errorf("for another rider: %v, want not found", err)
		}
	})
}

func TestMotionRefused(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		for name, m := range map[string]dispatch.Motion{
			"heading 360":       {Heading: new(360.0)},
			"heading below 0":   {Heading: new(-0.5)},
			"heading NaN":       {Heading: new(math.NaN())},
			"speed below 0":     {Speed: new(-1.0)},
			"speed without end": {Speed: new(math.Inf(1))},
			"accuracy below 0":  {Accuracy: new(-1.0)},
		} {
			p := at("1", santiago)
			p.Motion = m
			got, err := e.Track(t.Context(), []dispatch.Position{p})
			if err != nil || len(got.Rejected) != 1 || got.Rejected[0].Code != dispatch.CodeInvalidMotion {
				t.Errorf("%s: %+v, %v, want %s", name, got, err, dispatch.CodeInvalidMotion)
			}
		}
	})
}
