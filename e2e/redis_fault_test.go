package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

const (
	cachedQuery = "/search?q=Vaduz&format=jsonv2"
	otherQuery  = "/search?q=Monaco&format=jsonv2&limit=%d" // recorded with 1, 2, 40, 41 and 50
)

// wantPlaces checks that a geocode was answered, and whence.
func wantPlaces(tb testing.TB, a answer, xCache string) {
	tb.Helper()
	if a.Status != http.StatusOK || a.Header.Get("X-Cache") != xCache || len(a.Body) < 10 {
		tb.Errorf("geocode: X-Cache %q, %s, want places and X-Cache %s", a.Header.Get("X-Cache"), a, xCache)
	}
}

// awaitHit waits until an answer comes from the cache. The cache waits for Redis for 150 ms,
// and asks the geocoder if the machine stands still for longer.
func (p *process) awaitHit(tb testing.TB, path string) {
	tb.Helper()
	eventually(tb, patience, path+" is a hit", func() error {
		if a := p.get(tb, path); a.Status != http.StatusOK || a.Header.Get("X-Cache") != "HIT" {
			return fmt.Errorf("X-Cache %q, %s", a.Header.Get("X-Cache"), a)
		}
		return nil
	})
}

// TestRedisOutage takes Redis away while geogate runs, in the three ways in which
// that happens: nobody listens any more, nobody answers any more, or each answer
// takes longer than anybody waits.
func TestRedisOutage(t *testing.T) {
	const memoryBound = 50 * time.Millisecond // for an answer from memory
	tests := []struct {
		name       string
		begin, end func(t *testing.T, redis *redistest.Server, line *slowLine)
		forgets    bool // Redis comes back empty
	}{
		{
			name:    "stopped",
			begin:   func(_ *testing.T, redis *redistest.Server, _ *slowLine) { redis.Stop() },
			end:     func(t *testing.T, redis *redistest.Server, _ *slowLine) { redis.Restart(t) },
			forgets: true,
		},
		{
			name:  "hanging",
			begin: func(t *testing.T, redis *redistest.Server, _ *slowLine) { redis.Pause(t) },
			end:   func(t *testing.T, redis *redistest.Server, _ *slowLine) { redis.Resume(t) },
		},
		{
			name:  "3 s a command",
			begin: func(_ *testing.T, _ *redistest.Server, line *slowLine) { line.delay.Store(int64(3 * time.Second)) },
			end:   func(_ *testing.T, _ *redistest.Server, line *slowLine) { line.delay.Store(0) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			redis, upstream := redistest.Start(t), upstreamtest.New(t)
			line := newSlowLine(t, redis.Addr)
			g := start(t, settings("REDIS_URL", "redis://"+line.Addr, "UPSTREAMS", "nominatim+"+upstream.URL))
			wantPlaces(t, g.get(t, cachedQuery), "MISS")
			// Far from the others, and not in the calls of the outage: what is sent to a
			// Redis that hangs may happen when it goes on.
			before := decode[ride](t, g.post(t, "/v2/search", `{"lat":10,"lng":10}`), http.StatusOK)

			tt.begin(t, redis, line)
			took, err := bestOf(20, memoryBound, func() (time.Duration, error) {
				a := g.get(t, cachedQuery)
				wantPlaces(t, a, "HIT")
				return a.Took, nil
			})
			if err != nil || took > memoryBound {
				t.Errorf("a cached answer took %s, %v, want at most %s", took, err, memoryBound)
			}
			var cached []time.Duration
			for range 200 {
				a := g.get(t, cachedQuery)
				wantPlaces(t, a, "HIT")
				cached = append(cached, a.Took)
			}
			missed := g.get(t, fmt.Sprintf(otherQuery, 1))
			wantPlaces(t, missed, "MISS")
			wantPlaces(t, g.get(t, fmt.Sprintf(otherQuery, 1)), "HIT") // from memory
			refused := g.wantUnavailable(t)
			g.awaitRedis(t, "down")
			wantPlaces(t, g.get(t, fmt.Sprintf(otherQuery, 2)), "MISS")
			if got := upstream.Calls(); got != 3 {
				t.Errorf("%d calls upstream, want one for each of 3 questions", got)
			}
			tt.end(t, redis, line)
			well := time.Now()

			g.awaitRedis(t, "up")
			g.awaitDispatch(t)
			t.Logf("from memory: %s; from the geocoder after %s; dispatch refused after %s at most; all well %s after Redis was",
				quantiles(cached), missed.Took.Round(time.Millisecond), refused.Round(time.Millisecond), time.Since(well).Round(time.Millisecond))
			wantPlaces(t, g.get(t, cachedQuery), "HIT")
			wantPlaces(t, g.get(t, fmt.Sprintf(otherQuery, 40)), "MISS")
			if tt.forgets {
				wantProblem(t, g.get(t, "/v2/requests/"+before.RequestID), http.StatusNotFound)
			} else {
				g.track(t, "late", 10, 10)
				if r := g.awaitState(t, before.RequestID, "matched"); r.driverID() != "late" {
					t.Errorf("the ride from before the outage is %+v, want it matched with driver late", r)
				}
			}
			g.stop(t)
			decodeLog(t, g.Stderr.String()) // nobody else writes into it
		})
	}
}

// TestRedisEmptied flushes everything, the scripts too, between two requests.
func TestRedisEmptied(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	client := redis.Client(t)
	upstream := upstreamtest.New(t)
	g := start(t, settings("REDIS_URL", "redis://"+redis.Addr, "UPSTREAMS", "nominatim+"+upstream.URL,
		"CACHE_MEMORY", "0", "DISPATCH_INTERVAL", "100ms"))
	wantPlaces(t, g.get(t, cachedQuery), "MISS")
	g.awaitHit(t, cachedQuery)
	waiting := g.requestRide(t)
	g.track(t, "1", driverLat, driverLng)
	matched := g.awaitState(t, waiting.RequestID, "matched")
	searching := g.requestRide(t)

	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}

	for _, id := range []string{matched.RequestID, searching.RequestID} {
		for _, c := range []call{
			{http.MethodGet, "/v2/requests/" + id, ""},
			{http.MethodPost, "/v2/cancel", requestID(id)},
			{http.MethodPost, "/v2/complete", requestID(id)},
		} {
			if _, err := checkProblem(g.send(t, c.method, c.path, c.body), http.StatusNotFound); err != nil {
				t.Errorf("%s of a ride that vanished: %v", c, err)
			}
		}
	}
	wantPlaces(t, g.get(t, cachedQuery), "MISS")
	g.awaitHit(t, cachedQuery)
	if got := decode[found](t, g.post(t, "/search", riderPosition), http.StatusOK); len(got.Drivers) != 0 {
		t.Errorf("drivers after the flush: %+v, want none", got.Drivers)
	}
	again := g.requestRide(t)
	g.track(t, "1", driverLat, driverLng)
	if r := g.awaitState(t, again.RequestID, "matched"); r.driverID() != "1" {
		t.Errorf("ride after the flush: %+v, want it matched with driver 1", r)
	}
}

// TestStartWithoutRedis starts geogate before its Redis.
func TestStartWithoutRedis(t *testing.T) {
	t.Parallel()
	redis, upstream := redistest.Start(t), upstreamtest.New(t)
	redis.Stop()
	g := start(t, settings("REDIS_URL", "redis://"+redis.Addr, "UPSTREAMS", "nominatim+"+upstream.URL))
	g.awaitRedis(t, "down")
	wantPlaces(t, g.get(t, cachedQuery), "MISS")
	wantPlaces(t, g.get(t, cachedQuery), "HIT")
	g.wantUnavailable(t)

	redis.Restart(t)
	g.awaitRedis(t, "up")
	g.awaitDispatch(t)
	decode[[]any](t, g.get(t, cachedQuery), http.StatusOK)
	wantPlaces(t, g.get(t, cachedQuery), "HIT")
}
