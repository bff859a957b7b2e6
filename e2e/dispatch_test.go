package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// TestSeedCase is what the first version of the product was for: a driver 200 m
// away is found, on a real Redis and on the built-in one.
func TestSeedCase(t *testing.T) {
	t.Parallel()
	for _, redis := range []string{"built in", "real"} {
		t.Run(redis, func(t *testing.T) {
			vars := settings("UPSTREAMS", "gazetteer")
			if redis == "real" {
				vars["REDIS_URL"] = "redis://" + redistest.Start(t).Addr
			}
			g := start(t, vars)
			g.track(t, "1", driverLat, driverLng)
			g.track(t, "far", driverLat+1, driverLng)

			got := decode[found](t, g.post(t, "/search", `{"lat":-33.44262,"lng":-70.63054,"limit":5}`), http.StatusOK)
			if len(got.Drivers) != 1 || got.Drivers[0].ID != "1" || got.Cache {
				t.Fatalf("POST /search = %+v, want driver 1 only and cache false", got)
			}
			d := got.Drivers[0]
			if d.DistanceM < 190 || d.DistanceM > 200 || d.Lat != driverLat || d.Lng != driverLng {
				t.Errorf("driver = %+v, want him at %v, %v, about 194 m away", d, driverLat, driverLng)
			}
			if seen, err := time.Parse("2006-01-02T15:04:05.000Z", d.SeenAt); err != nil || time.Since(seen).Abs() > time.Minute {
				t.Errorf("seen_at = %q, want a moment ago, in UTC with milliseconds", d.SeenAt)
			}
			// The same by address; the second time its place comes from the cache.
			for _, cached := range []bool{false, true} {
				got := decode[found](t, g.post(t, "/search", `{"q":"Santiago, Chile"}`), http.StatusOK)
				if got.Cache != cached || len(got.Drivers) != 1 || got.Drivers[0].ID != "1" {
					t.Errorf("POST /search by address = %+v, want driver 1 and cache %t", got, cached)
				}
			}
		})
	}
}

// TestTwoRidersOneDriver lets two riders ask at the same time, each at another
// process.
func TestTwoRidersOneDriver(t *testing.T) {
	t.Parallel()
	vars := settings("REDIS_URL", "redis://"+redistest.Start(t).Addr, "DISPATCH_INTERVAL", "100ms")
	processes := []*process{start(t, vars), start(t, vars)}
	g := processes[0]
	for round := range 4 {
		processes[round%2].track(t, "only", driverLat, driverLng)
		matched, searching := splitRides(t, processes, requestAtOnce(t, processes))
		if len(matched) != 1 || len(searching) != 1 {
			t.Fatalf("round %d: matched %+v and searching %+v, want one of each", round, matched, searching)
		}
		if matched[0].driverID() != "only" || searching[0].Driver != nil {
			t.Errorf("round %d: matched %+v and searching %+v: the driver belongs to one", round, matched[0], searching[0])
		}
		decode[ride](t, g.post(t, "/v2/requests/"+matched[0].RequestID+"/start", `{"driver_id":"only"}`), http.StatusOK)
		late := wantProblem(t, g.post(t, "/v2/cancel", requestID(matched[0].RequestID)), http.StatusConflict)
		if late.State != "started" {
			t.Errorf("cancel of a started ride: state %q, want started", late.State)
		}
		// First the one who waits: he would get the driver when that one becomes free.
		g.finish(t, "/v2/cancel", searching[0].RequestID, "cancelled")
		g.finish(t, "/v2/complete", matched[0].RequestID, "completed")
	}
}

// requestAtOnce asks each process for a ride and returns their ids.
func requestAtOnce(t *testing.T, processes []*process) []string {
	t.Helper()
	var wg sync.WaitGroup
	answers := make([]answer, len(processes))
	errs := make([]error, len(processes))
	for i, g := range processes {
		wg.Go(func() { answers[i], errs[i] = g.do(t.Context(), http.MethodPost, "/v2/search", riderPosition) })
	}
	wg.Wait()
	ids := make([]string, len(processes))
	for i, a := range answers {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		ids[i] = decode[ride](t, a, http.StatusOK).RequestID
		if got, want := a.Header.Get("Location"), "/v2/requests/"+ids[i]; got != want {
			t.Errorf("Location = %q, want %q", got, want)
		}
	}
	return ids
}

// splitRides looks at each ride at the other process, and at one that searches
// once more after a second, which is time for ten attempts: ?wait= answers at
// the first change.
func splitRides(t *testing.T, processes []*process, ids []string) (matched, searching []ride) {
	t.Helper()
	for i, id := range ids {
		other := processes[len(processes)-1-i]
		r := other.ride(t, id)
		if r.State == "searching" {
			r = other.ride(t, id+"?wait=1s")
		}
		switch r.State {
		case "matched":
			matched = append(matched, r)
		case "searching":
			searching = append(searching, r)
		default:
			t.Errorf("ride %+v is neither matched nor searching", r)
		}
	}
	return matched, searching
}

// finish ends a ride, twice: the answer stays the same.
func (p *process) finish(t *testing.T, path, id, want string) {
	t.Helper()
	first := p.post(t, path, requestID(id))
	if r := decode[ride](t, first, http.StatusOK); r.State != want || r.RequestID != id {
		t.Errorf("%s = %+v, want ride %s %s", path, r, id, want)
	}
	if again := p.post(t, path, requestID(id)); again.Status != first.Status || string(again.Body) != string(first.Body) {
		t.Errorf("%s again = %s, want %s", path, again, first)
	}
}

// TestCancelByID takes the id of a ride as a string or as a number.
func TestCancelByID(t *testing.T) {
	t.Parallel()
	g := start(t, settings())
	tests := []struct {
		name, body string
		status     int
	}{
		{"a ride", requestID(g.requestRide(t).RequestID), http.StatusOK},
		{"unknown string", `{"request_id":"default.aaaaaaaaaaaaaaaaaaaaaaaaaa"}`, http.StatusNotFound},
		{"another string", `{"request_id":"x"}`, http.StatusNotFound},
		{"digits in a string", `{"request_id":"12345"}`, http.StatusNotFound},
		{"number", `{"request_id":12345}`, http.StatusNotFound},
		{"large number", `{"request_id":123456789012345678901234567890}`, http.StatusNotFound},
		{"key of a driver", `{"request_id":"driver:1"}`, http.StatusNotFound},
		{"fraction", `{"request_id":1.5}`, http.StatusBadRequest},
		{"true", `{"request_id":true}`, http.StatusBadRequest},
		{"object", `{"request_id":{}}`, http.StatusBadRequest},
		{"nothing", `{}`, http.StatusBadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{"/v2/cancel", "/v2/complete"} {
				a := g.post(t, path, tt.body)
				if tt.status == http.StatusOK {
					if path == "/v2/cancel" {
						decode[ride](t, a, http.StatusOK)
					}
					continue
				}
				if _, err := checkProblem(a, tt.status); err != nil {
					t.Errorf("%s %s: %v", path, tt.body, err)
				}
			}
		})
	}
}

// TestMissesOfOneKey asks one question a thousand times at once.
func TestMissesOfOneKey(t *testing.T) {
	t.Parallel()
	const sharing = 100 // so many share the fill at least, for the test to mean anything
	redis, upstream := redistest.Start(t), upstreamtest.New(t)
	upstream.SetDelay(2 * time.Second) // so that they miss
	g := start(t, settings("REDIS_URL", "redis://"+redis.Addr, "UPSTREAMS", "nominatim+"+upstream.URL))
	shared := 0
	for n := 0; n < 5 && shared < sharing; n++ { // until the machine does not stand still during a fill
		upstream.Reset()
		shared = missAtOnce(t, g, fmt.Sprintf("%s&limit=%d", cachedQuery, 1+n))
		if calls := upstream.Calls(); calls != 1 {
			t.Errorf("%d calls upstream, want 1", calls)
		}
	}
	if shared < sharing {
		t.Errorf("%d callers shared the fill, want at least %d", shared, sharing)
	}
}

// missAtOnce asks a thousand times at once, and returns how many shared somebody else's fill.
func missAtOnce(t *testing.T, g *process, path string) (shared int) {
	t.Helper()
	const callers = 1000
	answers := make([]answer, callers)
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { answers[i], errs[i] = g.do(t.Context(), http.MethodGet, path, "") })
	}
	wg.Wait()
	for i, a := range answers {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if a.Status != http.StatusOK || string(a.Body) != string(answers[0].Body) {
			t.Fatalf("caller %d: %s, want the same as caller 0: %s", i, a, answers[0])
		}
		if strings.Contains(a.Header.Get("Cache-Status"), "collapsed") {
			shared++
			if got := a.Header.Get("X-Cache"); got != "MISS" {
				t.Errorf("a waiter that shared a fill: X-Cache %s, want MISS", got)
			}
		}
	}
	return shared
}
