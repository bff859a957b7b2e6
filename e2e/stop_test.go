package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"sync"
	"syscall"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// TestTermination sends SIGTERM while a geocode and a wait are under way.
func TestTermination(t *testing.T) {
	t.Parallel()
	upstream := upstreamtest.New(t)
	upstream.SetDelay(4 * time.Second) // readiness is asked for meanwhile
	g := start(t, settings("UPSTREAMS", "nominatim+"+upstream.URL))
	searching := g.requestRide(t)

	var wg sync.WaitGroup
	var geocode, wait answer
	var geocodeErr, waitErr error
	asked := make(chan struct{})
	wg.Go(func() {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(asked) }})
		wait, waitErr = g.do(ctx, http.MethodGet, "/v2/requests/"+searching.RequestID+"?wait=25s", "")
	})
	<-asked
	// Connections are taken up in their order: that of the wait has been before this one.
	if a := g.dial(t).send(t, http.MethodGet, "/healthz"); a.Status != http.StatusOK {
		t.Fatalf("healthz: %s", a)
	}
	wg.Go(func() { geocode, geocodeErr = g.do(t.Context(), http.MethodGet, cachedQuery, "") })
	eventually(t, patience, "the geocode is under way", func() error {
		if upstream.Calls() == 0 {
			return errors.New("nothing has come upstream")
		}
		return nil
	})

	g.terminate(t)
	eventually(t, patience, "nobody takes it for ready", func() error {
		a, err := g.do(t.Context(), http.MethodGet, "/readyz", "")
		if err == nil && a.Status == http.StatusServiceUnavailable {
			return nil
		}
		return fmt.Errorf("readyz answers %s, %w", a, err)
	})
	wg.Wait()
	g.awaitStopped(t)
	if geocodeErr != nil {
		t.Errorf("the geocode under way: %v", geocodeErr)
	} else {
		wantPlaces(t, geocode, "MISS")
	}
	if waitErr != nil {
		t.Errorf("the wait under way: %v", waitErr)
	} else if r, err := rideOf(wait); err != nil || r.State != "searching" || wait.Took > 15*time.Second {
		t.Errorf("the wait under way: %s after %s, want the ride as it is, at once", wait, wait.Took)
	}
	if _, err := g.do(t.Context(), http.MethodGet, "/healthz", ""); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the end: error %v, want a refused connection", err)
	}
}

// TestKilledProcess kills one of two processes without warning while rides
// search that it had accepted. The other one brings each to an end.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	const rides, drivers = 12, 5
	redis := redistest.Start(t)
	vars := settings("REDIS_URL", "redis://"+redis.Addr, "DISPATCH_INTERVAL", "200ms", "DISPATCH_TIMEOUT", "10s")
	victim, survivor := start(t, vars), start(t, vars)

	var ids []string
	for range rides {
		ids = append(ids, victim.requestRide(t).RequestID)
	}
	victim.kill()
	for i := range drivers {
		survivor.track(t, fmt.Sprint("driver-", i), driverLat, driverLng)
	}

	rideOfDriver := map[string]string{}
	var unmatched []string
	eventually(t, 15*time.Second, "every driver has a ride", func() error {
		clear(rideOfDriver)
		unmatched = nil
		for _, id := range ids {
			a, err := survivor.do(t.Context(), http.MethodGet, "/v2/requests/"+id, "")
			if err != nil {
				return err
			}
			r, err := rideOf(a)
			if err != nil {
				return err
			}
			switch driver := r.driverID(); {
			case r.State == "searching":
				unmatched = append(unmatched, id)
			case r.State != "matched":
				return fmt.Errorf("ride %s is %s", id, r.State)
			case rideOfDriver[driver] != "":
				t.Fatalf("driver %s has rides %s and %s", driver, rideOfDriver[driver], id)
			default:
				rideOfDriver[driver] = id
			}
		}
		if len(rideOfDriver) != drivers {
			return fmt.Errorf("%d of %d drivers have one", len(rideOfDriver), drivers)
		}
		return nil
	})

	// The riders who are left get the drivers who become free, and one of them gives up.
	given := unmatched[0]
	if r := decode[ride](t, survivor.post(t, "/v2/cancel", requestID(given)), http.StatusOK); r.State != "cancelled" {
		t.Errorf("cancel at the other process: %+v", r)
	}
	for _, id := range rideOfDriver {
		if r := decode[ride](t, survivor.post(t, "/v2/complete", requestID(id)), http.StatusOK); r.State != "completed" {
			t.Errorf("complete at the other process: %+v", r)
		}
	}
	for _, id := range unmatched[1:] {
		if r := survivor.awaitState(t, id, "matched", "expired"); r.State == "expired" && r.Driver != nil {
			t.Errorf("an expired ride shows driver %s", r.Driver.ID)
		}
	}
	if r := survivor.ride(t, given); r.State != "cancelled" || r.Driver != nil {
		t.Errorf("a cancelled ride later: %+v", r)
	}
}
