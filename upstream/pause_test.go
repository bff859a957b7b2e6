package upstream_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream"
)

// throttling is a provider that answers 429 to each call, when the test says so
// and with the Retry-After that it says, in seconds.
type throttling struct {
	*httptest.Server
	arrived chan chan int
}

func newThrottling(t *testing.T) *throttling {
	p := &throttling{arrived: make(chan chan int, 8)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := make(chan int, 1)
		p.arrived <- answer
		select {
		case seconds := <-answer:
			w.Header().Set("Retry-After", strconv.Itoa(seconds))
			w.WriteHeader(http.StatusTooManyRequests)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// A provider that first asks for ten minutes and then, to a call that was under
// way already, for five seconds, is left alone for ten minutes, by the process
// that heard it and by the others.
func TestSecondThrottlingDoesNotShortenThePause(t *testing.T) {
	for _, limit := range []string{"rate=1000/s", "concurrency=8"} {
		for _, late := range []int{0, 1} { // the process that hears the short one
			t.Run(limit+"/"+strconv.Itoa(late), func(t *testing.T) {
				p := newThrottling(t)
				chains := fleet(t, 3, one(t, redistest.Start(t)), "nominatim+"+p.URL+"#"+limit, true, patient)
				var calls sync.WaitGroup
				ask := func(c *upstream.Chain, q string) {
					calls.Go(func() { _, _ = c.Geocode(t.Context(), request(t, "search?q="+q), upstream.People) })
				}
				ask(chains[late], "short")
				short := <-p.arrived
				ask(chains[0], "long")
				long := <-p.arrived
				long <- 600
				eventually(t, func() bool { return chains[0].States()[0].State == "paused" })
				short <- 5
				calls.Wait()
				for i, c := range chains {
					_, err := c.Geocode(t.Context(), request(t, "search?q=later"), upstream.People)
					var e *upstream.Error
					if !errors.As(err, &e) {
						t.Fatalf("process %d: %v, want a pause", i, err)
					}
					if e.RetryAfter < 9*time.Minute {
						t.Errorf("process %d: %v with RetryAfter %s, want what is left of ten minutes", i, err, e.RetryAfter)
					}
				}
				if n := len(p.arrived); n != 0 {
					t.Errorf("%d calls during the pause", n)
				}
			})
		}
	}
}
