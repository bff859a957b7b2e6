package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// fleet starts three processes on one Redis in front of one geocoder.
func fleet(t *testing.T, geocoder string, pairs ...string) [3]*process {
	t.Helper()
	redis := redistest.Start(t)
	vars := settings(append([]string{"REDIS_URL", "redis://" + redis.Addr, "UPSTREAMS", geocoder}, pairs...)...)
	var all [3]*process
	for i := range all {
		all[i] = start(t, vars)
	}
	return all
}

// A thousand clients of three processes miss the same key at once: one request
// reaches the geocoder. The client who asked first leaves at once, and nobody
// else notices. A process that hears nothing of Redis for 150 ms asks for itself,
// which happens on a machine that stands still: the best of several tries counts.
func TestOneFillInTheFleet(t *testing.T) {
	t.Parallel()
	geocoder := upstreamtest.New(t)
	geocoder.SetDelay(500 * time.Millisecond)
	processes := fleet(t, "nominatim+"+geocoder.URL)
	const tries = 5
	for n := range tries {
		geocoder.Reset()
		missInTheFleet(t, processes, geocoder, fmt.Sprintf("/search?q=vaduz&format=jsonv2&limit=%d", 1+n))
		if calls := geocoder.Calls(); calls == 1 {
			return
		} else if n == tries-1 {
			t.Errorf("%d requests reached the geocoder, want 1", calls)
		}
	}
}

// missInTheFleet has a thousand clients ask at once, the first of whom leaves.
func missInTheFleet(t *testing.T, processes [3]*process, geocoder *upstreamtest.Server, path string) {
	t.Helper()
	impatient, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = processes[0].do(impatient, http.MethodGet, path, "")
	}()
	eventually(t, patience, "the first request reaches the geocoder", func() error {
		if geocoder.Calls() == 0 {
			return errors.New("it has not")
		}
		return nil
	})
	var clients sync.WaitGroup
	for i := range 999 {
		clients.Go(func() {
			a, err := processes[i%3].do(t.Context(), http.MethodGet, path, "")
			if err != nil || a.Status != http.StatusOK {
				t.Errorf("client %d: %v %v", i, a, err)
			}
		})
	}
	leave()
	<-gone
	clients.Wait()
}

// Three processes share a budget of one request a second, under load, for 20
// seconds: no more than 21 requests are sent, hits do not wait, and whoever
// cannot be served in time is told when to come back.
func TestBudgetOfTheFleet(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 20 s, because a budget is counted in seconds")
	}
	geocoder := upstreamtest.New(t)
	processes := fleet(t, "nominatim+"+geocoder.URL+"#rate=1/s", "UPSTREAM_WAIT", "2s")
	hit := "/search?q=vaduz&format=jsonv2"
	processes[0].get(t, hit)
	geocoder.Reset()

	began := time.Now()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var clients sync.WaitGroup
	for i := range 12 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				a, err := processes[i%3].do(t.Context(), http.MethodGet, "/search?q=place+"+strconv.Itoa(i)+"+"+strconv.Itoa(n), "")
				switch {
				case err != nil:
					t.Errorf("client %d: %v", i, err)
					return
				case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "":
					t.Errorf("503 without Retry-After")
				case a.Status != http.StatusOK && a.Status != http.StatusServiceUnavailable:
					t.Errorf("client %d: %v", i, a)
				case a.Status == http.StatusServiceUnavailable:
					pauseFor(ctx, 100*time.Millisecond)
				}
			}
		})
	}
	hits, late := 0, 0
	clients.Go(func() {
		for ; ctx.Err() == nil; hits++ {
			a, err := processes[0].do(t.Context(), http.MethodGet, hit, "")
			if err != nil || a.Status != http.StatusOK {
				t.Errorf("a hit beside the queue: %v %v", a, err)
			} else if a.Header.Get("X-Cache") != "HIT" || a.Took > time.Second {
				late++
			}
			pauseFor(ctx, 50*time.Millisecond)
		}
	})
	<-ctx.Done()
	n := geocoder.Calls()
	took := time.Since(began) // 20 s, and what the machine stood still in the end
	clients.Wait()
	if most := int(took.Seconds()) + 1; n > most || n < 10 {
		t.Errorf("%d requests reached the geocoder in %s, want one a second and never more than %d", n, took, most)
	}
	// A machine that stands still for a second may hold up one or two.
	if late > hits/20 {
		t.Errorf("%d of %d hits waited beside the queue", late, hits)
	}
}

// pauseFor waits as a polite client would.
func pauseFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
