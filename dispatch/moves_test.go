package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/geo"
	"geogate/internal/redistest"
)

// watcher knows what a follower has told of: "1 busy" for a driver, "matched" for a ride.
type watcher struct {
	*dispatch.Follower
	drivers, rides map[string]string
}

func watch(e *dispatch.Engine) *watcher { return &watcher{e.Follow(), nil, nil} }

// look reads what has changed and returns all that is known.
func (w *watcher) look(t testing.TB) (all bool, known string) {
	t.Helper()
	moves, err := w.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if moves.All {
		w.drivers, w.rides = map[string]string{}, map[string]string{}
	}
	for _, d := range moves.Drivers {
		w.drivers[d.ID] = fmt.Sprintf("%s %s %.0f m", d.ID, d.State, geo.Distance(santiago, d.Point))
		if d.State == dispatch.Offline {
			delete(w.drivers, d.ID)
		}
	}
	for _, r := range moves.Rides {
		w.rides[r.ID] = string(r.State)
	}
	return moves.All, strings.Join(append(slices.Sorted(maps.Values(w.drivers)), slices.Sorted(maps.Values(w.rides))...), ", ")
}

func TestFollow(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{Emit: func(context.Context, []dispatch.Event) error { return nil }})
		run(t, e)
		handedOn := func() bool { return rdb.XLen(t.Context(), "geogate:{default}:events").Val() == 0 }
		track(t, e, at("1", santiago), at("2", north(1000)))
		w := watch(e)
		expect := func(what string, wantAll bool, want string) {
			t.Helper()
			asynctest.Eventually(t, "the outbox has forgotten it", handedOn)
			if all, got := w.look(t); all != wantAll || got != want {
				t.Errorf("%s: all %t %q, want %t %q", what, all, got, wantAll, want)
			}
		}
		expect("at first", true, "1 available 0 m, 2 available 1000 m")
		expect("nothing happens", false, "1 available 0 m, 2 available 1000 m")
		track(t, e, at("2", north(900)))
		expect("one moves", false, "1 available 0 m, 2 available 900 m")
		ride := request(t, e, santiago)
		expect("a ride is matched", false, "1 busy 0 m, 2 available 900 m, matched")
		if _, err := e.Complete(t.Context(), ride.ID, ""); err != nil {
			t.Fatal(err)
		}
		expect("it is completed", false, "1 available 0 m, 2 available 900 m, completed")
		if err := e.DeleteDriver(t.Context(), "", "1"); err != nil {
			t.Fatal(err)
		}
		expect("a driver is erased", false, "2 available 900 m, completed")
		if all, got := watch(e).look(t); !all || got != "2 available 900 m" {
			t.Errorf("another follower begins with %q", got)
		}
	})
}

// All of an array may arrive at one time, and in more pages than one.
func TestFollowCrowd(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{RedisTimeout: time.Minute}) // other tests keep the machine busy
		const many = 1700
		positions := make([]dispatch.Position, many)
		want := map[string]bool{}
		for i := range positions {
			positions[i] = at(fmt.Sprint("d", i), north(float64(i)))
			want[positions[i].ID] = true
		}
		var moves dispatch.Moves
		for began := time.Now(); ; began = time.Now() {
			f := e.Follow()
			if _, err := f.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
			track(t, e, positions...)
			var err error
			if moves, err = f.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !moves.All {
				break
			}
			// Who does not look for so long begins anew.
			if time.Since(began) < 8*time.Second {
				t.Fatal("a follower begins anew though it has looked a moment ago")
			}
			for i := range positions {
				positions[i].Point.Lat += 0.001
			}
		}
		got := map[string]bool{}
		for _, d := range moves.Drivers {
			got[d.ID] = true
		}
		if !maps.Equal(got, want) {
			t.Errorf("%d of %d drivers have moved", len(got), many)
		}
	})
}

func TestFollowSeesWhoFallsSilent(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{DriverTTL: 60 * time.Millisecond})
		run(t, e)
		w := watch(e)
		track(t, e, at("1", santiago))
		w.look(t)
		asynctest.Eventually(t, "the driver goes offline", func() bool {
			_, known := w.look(t)
			return known == ""
		})
		asynctest.Eventually(t, "the driver is forgotten", func() bool {
			return rdb.ZCard(t.Context(), "geogate:{default}:moved").Val() == 0
		})
	})
}

// After an outage a follower begins with everything: nobody knows what it missed.
func TestFollowBeginsAnewAfterAnOutage(t *testing.T) {
	server := redistest.Start(t)
	e := dispatch.New(server.Client(t), dispatch.Config{})
	track(t, e, at("lost", santiago))
	w := watch(e)
	w.look(t)
	server.Stop()
	if _, err := w.Next(t.Context()); !errors.Is(err, dispatch.ErrUnavailable) {
		t.Fatalf("Next without Redis: %v, want unavailable", err)
	}
	server.Restart(t)
	track(t, e, at("new", santiago))
	if all, got := w.look(t); !all || got != "new available 0 m" {
		t.Errorf("all %t %q, want the new driver alone", all, got)
	}
}
