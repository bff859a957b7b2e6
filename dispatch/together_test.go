package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/pause"
)

// gate is a hook of a client that holds up what is sent together, as positions are.
type gate struct {
	came chan int      // how many commands
	goOn chan struct{} // closed: the gate is open
}

// newGate puts a closed gate in front of Redis.
func newGate(rdb redis.UniversalClient) *gate {
	g := &gate{came: make(chan int, 100), goOn: make(chan struct{})}
	rdb.AddHook(g)
	return g
}

func (g *gate) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (g *gate) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (g *gate) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		g.came <- len(cmds)
		select {
		case <-g.goOn:
			return next(ctx, cmds)
		case <-ctx.Done():
			for _, cmd := range cmds {
				cmd.SetErr(ctx.Err())
			}
			return ctx.Err()
		}
	}
}

type tracked struct {
	dispatch.TrackResult
	err error
}

// goTrack calls Track.
func goTrack(ctx context.Context, e *dispatch.Engine, positions ...dispatch.Position) (ended chan tracked) {
	ended = make(chan tracked, 1)
	go func() {
		result, err := e.Track(ctx, positions)
		ended <- tracked{result, err}
	}()
	return ended
}

// goAhead calls Track and returns when its script is at the gate.
func goAhead(ctx context.Context, e *dispatch.Engine, g *gate) (ended chan tracked) {
	ended = goTrack(ctx, e, at("ahead", santiago))
	<-g.came
	return ended
}

// goBehind calls Track while a script is under way, and returns when the positions wait.
func goBehind(ctx context.Context, t *testing.T, e *dispatch.Engine, positions ...dispatch.Position) (ended chan tracked) {
	t.Helper()
	before := e.Waiting()
	ended = goTrack(ctx, e, positions...)
	asynctest.Eventually(t, "the positions wait", func() bool { return e.Waiting() == before+len(positions) })
	return ended
}

func taken(t *testing.T, name string, ended chan tracked, want ...string) {
	t.Helper()
	result := <-ended
	if result.err != nil {
		t.Errorf("%s: %v", name, result.err)
		return
	}
	refused := map[int]string{}
	for _, r := range result.Rejected {
		refused[r.Index] = r.Code
	}
	for i, code := range want {
		if refused[i] != code {
			t.Errorf("%s: position %d was refused with %q, want %q", name, i, refused[i], code)
		}
	}
	if result.Accepted+len(refused) != len(want) {
		t.Errorf("%s: %d accepted, %d refused of %d", name, result.Accepted, len(refused), len(want))
	}
}

func TestPositionsGoTogether(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		now := time.Now()
		e := dispatch.New(rdb, dispatch.Config{RedisTimeout: time.Minute})
		const callers = 20
		for i := range callers {
			p := at(fmt.Sprint(i), santiago)
			p.Time = now
			track(t, e, p)
		}
		g := newGate(rdb)
		ahead := goAhead(t.Context(), e, g)
		var ended []chan tracked
		for i := range callers {
			older, future := at(fmt.Sprint(i), north(1)), at(fmt.Sprint("new", i), north(2))
			older.Time, future.Time = now.Add(-time.Second), now.Add(time.Hour)
			positions := []dispatch.Position{at(fmt.Sprint("also", i), north(3)), older, future}
			ended = append(ended, goBehind(t.Context(), t, e, positions[i%2:]...))
		}
		close(g.goOn)
		taken(t, "ahead", ahead, "")
		for i, c := range ended {
			taken(t, fmt.Sprint("caller ", i), c, []string{"", "older", "future"}[i%2:]...)
		}
		if n := <-g.came; n != 1 {
			t.Errorf("%d callers took %d scripts, want one", callers, n)
		}
	})
}

// Two callers report one driver at the same time.
func TestOneDriverFromTwoCallers(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		now := time.Now()
		e := dispatch.New(rdb, dispatch.Config{RedisTimeout: time.Minute})
		track(t, e, at("1", santiago))
		g := newGate(rdb)
		ahead := goAhead(t.Context(), e, g)
		reported := func(seconds int) dispatch.Position {
			p := at("1", north(float64(seconds)))
			p.Time = now.Add(time.Duration(seconds) * time.Second)
			return p
		}
		// The script takes its time for who brings new tags, and not for who only moves on.
		tagged := reported(2)
		tagged.Tags = &[]string{"xl"}
		first := goBehind(t.Context(), t, e, tagged, at("3", santiago))
		second := goBehind(t.Context(), t, e, reported(1))
		third := goBehind(t.Context(), t, e, at("2", santiago), reported(3))
		close(g.goOn)
		taken(t, "ahead", ahead, "")
		taken(t, "first", first, "", "")
		taken(t, "second", second, "older")
		taken(t, "third", third, "", "")
		if d := driver(t, e, "1"); d.Point != north(3) {
			t.Errorf("driver stands at %v, want at their newest position %v", d.Point, north(3))
		}
	})
}

func TestWhoLeavesHarmsNobody(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{RedisTimeout: time.Minute})
		track(t, e, at("0", santiago))
		g := newGate(rdb)
		ctx, leave := context.WithCancel(t.Context())
		ahead := goAhead(ctx, e, g)
		leaves, stays := goBehind(ctx, t, e, at("leaves", santiago)), goBehind(t.Context(), t, e, at("stays", santiago))
		leave()
		for _, ended := range []chan tracked{ahead, leaves} {
			if result := <-ended; !errors.Is(result.err, dispatch.ErrUnavailable) || !errors.Is(result.err, context.Canceled) {
				t.Errorf("who left: %+v", result)
			}
		}
		close(g.goOn)
		taken(t, "who stayed", stays, "")
		if _, err := e.Driver(t.Context(), "", "leaves"); !errors.Is(err, dispatch.ErrNotFound) {
			t.Errorf("driver of a caller who left before their turn: %v, want not found", err)
		}
		driver(t, e, "ahead")
	})
}

// Redis hangs: everybody hears of it in their own time, also who has waited for others'
// positions until then.
func TestTrackEndsInTimeBehindOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rdb := redis.NewClient(&redis.Options{ContextTimeoutEnabled: true, DisableIdentity: true})
		defer func() { _ = rdb.Close() }()
		g := newGate(rdb)
		const within = time.Second
		e := dispatch.New(rdb, dispatch.Config{RedisTimeout: within})
		var group sync.WaitGroup
		for i := range 25 {
			group.Go(func() {
				began := time.Now()
				_, err := e.Track(t.Context(), []dispatch.Position{at(fmt.Sprint(i%7), santiago)})
				if took := time.Since(began); took != within || !errors.Is(err, dispatch.ErrUnavailable) {
					t.Errorf("call %d ended after %s with %v, want %s and unavailable", i, took, err, within)
				}
			})
			if err := pause.For(t.Context(), 110*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		group.Wait()
		if err := pause.For(t.Context(), within); err != nil { // for the script that nobody waits for any more
			t.Fatal(err)
		}
		if n := len(g.came); n > 4 {
			t.Errorf("%d scripts were under way in 3.75 s, want one at a time", n)
		}
	})
}

// Positions have a short way through the script and a long one. Whoever reports two at a time
// goes the long way; both ways must come to the same.
func TestShortWayIsTheLongWay(t *testing.T) {
	follow := func(t *testing.T, e *dispatch.Engine, id string) {
		t.Helper()
		ride := request(t, e, driver(t, e, id).Point)
		if ride.State != dispatch.Matched || ride.Driver.DriverID != id {
			t.Fatalf("ride = %+v, want it matched with %s", ride, id)
		}
	}
	tests := []struct {
		name   string
		before func(t *testing.T, e *dispatch.Engine, id string)
		change func(p *dispatch.Position)
	}{
		{name: "available"},
		{name: "as before", change: func(p *dispatch.Position) { p.Vehicle, p.Tags = new("van"), &[]string{"xl", "pets"} }},
		{name: "other tags", change: func(p *dispatch.Position) { p.Tags = &[]string{"xl"} }},
		{name: "with a time", change: func(p *dispatch.Position) { p.Time = time.Now() }},
		{name: "moving", change: func(p *dispatch.Position) { p.Heading, p.Speed = new(90.0), new(1.5) }},
		{name: "busy", before: follow},
		{name: "off shift", before: func(t *testing.T, e *dispatch.Engine, id string) {
			t.Helper()
			if _, err := e.SetShift(t.Context(), "", id, false); err != nil {
				t.Fatal(err)
			}
		}},
	}
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				flush(t, rdb)
				e := dispatch.New(rdb, dispatch.Config{})
				left := map[string]string{}
				for i, id := range []string{"short", "long"} {
					p := at(id, north(float64(20_000*i)))
					p.Vehicle, p.Tags, p.Accuracy = new("van"), &[]string{"xl", "pets"}, new(5.0)
					track(t, e, p)
					if tt.before != nil {
						tt.before(t, e, id)
					}
					p.Point.Lon += 0.01
					p.Vehicle, p.Tags, p.Accuracy = nil, nil, nil
					if tt.change != nil {
						tt.change(&p)
					}
					track(t, e, slices.Repeat([]dispatch.Position{p}, i+1)...)
					left[id] = traces(t, rdb, id)
				}
				if left["short"] != left["long"] {
					t.Errorf("the short way leaves\n%s\nthe long way\n%s", left["short"], left["long"])
				}
			})
		}
	})
}

// traces tells what Redis holds about a driver, without times of Redis, latitude and ride.
func traces(t *testing.T, rdb redis.UniversalClient, id string) string {
	t.Helper()
	var b strings.Builder
	for _, key := range keys(t, rdb) {
		if key == "geogate:{default}:driver:"+id {
			fields := rdb.HGetAll(t.Context(), key).Val()
			for _, name := range slices.Sorted(maps.Keys(fields)) {
				if !slices.Contains([]string{"seen", "first", "lat", "ride", "until", "ts"}, name) {
					fmt.Fprintln(&b, name, fields[name])
				}
			}
			fmt.Fprintln(&b, "ts", fields["ts"] != "")
		}
		if rdb.Type(t.Context(), key).Val() == "zset" && rdb.ZScore(t.Context(), key, id).Err() == nil {
			lng := 0.0
			if strings.HasPrefix(key, "geogate:{default}:avail") {
				lng = rdb.GeoPos(t.Context(), key, id).Val()[0].Longitude
			}
			fmt.Fprintf(&b, "%s %.4f\n", key, lng)
		}
	}
	return b.String()
}
