package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// rotation is the router in front of a fleet. Each request goes to the next process that
// takes new ones, on a connection of its own, and is never sent twice.
type rotation struct {
	client *http.Client

	mu      sync.Mutex
	open    []*process // take new requests
	turn    int
	sending map[*process]int // requests that are not written yet
}

func newRotation() *rotation {
	return &rotation{
		client:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		sending: map[*process]int{},
	}
}

func (r *rotation) admit(p *process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, p)
}

// withdraw sends p no new requests. When it returns, all that were sent have arrived, and
// may be under way.
func (r *rotation) withdraw(t *testing.T, p *process) {
	t.Helper()
	r.mu.Lock()
	r.open = slices.DeleteFunc(r.open, func(q *process) bool { return q == p })
	r.mu.Unlock()
	eventually(t, 20*time.Second, "what is meant for the process is sent", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if n := r.sending[p]; n > 0 {
			return fmt.Errorf("%d requests are not", n)
		}
		return nil
	})
	// Connections are taken up in their order: those before this one have been.
	if a, err := r.through(p).do(t.Context(), http.MethodGet, "/healthz", ""); err != nil || a.Status != http.StatusOK {
		t.Fatalf("healthz: %v %v", a, err)
	}
}

// through is p, over connections of the router.
func (r *rotation) through(p *process) *process { return &process{URL: p.URL, client: r.client} }

func (r *rotation) pick() (p *process, sent func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn++
	p = r.open[r.turn%len(r.open)]
	r.sending[p]++
	return p, sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sending[p]--
	})
}

// do is process.do at whose turn it is.
func (r *rotation) do(ctx context.Context, method, path, body string, header ...string) (answer, error) {
	p, sent := r.pick()
	defer sent()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent() }})
	return r.through(p).do(ctx, method, path, body, header...)
}

// crowd keeps a fleet busy: riders, drivers, followers of a ride and people who look for
// places. Whoever gets an error says so and leaves.
type crowd struct {
	t      *testing.T
	router *rotation
	work   context.Context //nolint:containedctx // ends when nobody is to begin anything new

	clients  sync.WaitGroup
	requests atomic.Int64
	opened   atomic.Int64 // streams

	mu    sync.Mutex
	rides []string // that were driven to their end
}

func (c *crowd) ask(method, path, body string, header ...string) (a answer, ok bool) {
	a, err := c.router.do(c.t.Context(), method, path, body, header...)
	c.requests.Add(1)
	if err != nil || a.Status > 399 {
		c.t.Errorf("%s %s: %v %v", method, path, a, err)
		return a, false
	}
	return a, true
}

// repeatedly has a client do something over and over.
func (c *crowd) repeatedly(every time.Duration, do func(n int) bool) {
	c.clients.Go(func() {
		for n := 0; c.work.Err() == nil && do(n); n++ {
			pauseFor(c.work, every)
		}
	})
}

// ride is one from its request to its end, each step at another process.
func (c *crowd) ride(key string) bool {
	a, ok := c.ask(http.MethodPost, "/v2/search", riderPosition, "Idempotency-Key", key)
	if !ok {
		return false
	}
	r, err := rideOf(a)
	path := "/v2/requests/" + r.RequestID
	header, wait := []string{}, ""
	for err == nil && r.State == "searching" {
		if a, ok = c.ask(http.MethodGet, path+wait, "", header...); !ok {
			return false
		}
		if a.Status == http.StatusOK {
			r, err = rideOf(a)
			header, wait = []string{"If-None-Match", a.Header.Get("ETag")}, "?wait=20s"
		}
	}
	for _, step := range []struct{ call, state string }{{"arrive", "arrived"}, {"start", "started"}, {"complete", "completed"}} {
		if err == nil {
			if a, ok = c.ask(http.MethodPost, path+"/"+step.call, mustJSON(map[string]string{"driver_id": r.driverID()})); !ok {
				return false
			}
			r, err = rideOf(a)
		}
		if err != nil || r.State != step.state {
			c.t.Errorf("%s: %+v, %v", step.call, r, err)
			return false
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rides = append(c.rides, r.RequestID)
	return true
}

func (c *crowd) driven() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.rides)
}

// await follows a ride that nobody takes by waiting for changes, until it is cancelled.
func (c *crowd) await(path string) {
	a, ok := c.ask(http.MethodGet, path, "")
	for ok {
		if strings.Contains(string(a.Body), `"state":"cancelled"`) {
			return
		}
		tag := a.Header.Get("ETag")
		if a, ok = c.ask(http.MethodGet, path+"?wait=20s", "", "If-None-Match", tag); ok && a.Header.Get("ETag") == "" {
			c.t.Errorf("an answer without an entity tag: %v", a)
			return
		}
	}
}

var eventID = regexp.MustCompile(`(?m)^id: (.+)$`)

// stream follows it by its events.
func (c *crowd) stream(path string) {
	last := "0"
	for {
		a, ok := c.ask(http.MethodGet, path+"/events", "", "Last-Event-ID", last)
		c.opened.Add(1)
		if !ok || strings.Contains(string(a.Body), "event: cancelled\n") {
			return
		}
		for _, id := range eventID.FindAllStringSubmatch(string(a.Body), -1) {
			last = id[1]
		}
	}
}

// Five processes are restarted one after the other while a town rides. No request fails, no
// ride is lost, streams and waits go on at another process, and everybody sees at each step
// who is there.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	if !*soak {
		t.Skip("starts ten processes under load: with -soak")
	}
	const processes, pairs = 5, 6 // of a rider and a driver
	geocoder := upstreamtest.New(t)
	geocoder.SetAnswer(onePlace)
	geocoder.SetDelay(100 * time.Millisecond)
	vars := settings("REDIS_URL", "redis://"+redistest.Start(t).Addr, "UPSTREAMS", "nominatim+"+geocoder.URL, "ADMIN_TOKEN", "s3cret")
	router, running := newRotation(), make([]*process, processes)
	for i := range running {
		running[i] = launch(t, vars)
	}
	for _, p := range running {
		p.awaitReady(t)
		router.admit(p)
	}
	awaitView(t, running)

	work, rest := context.WithCancel(t.Context())
	c := &crowd{t: t, router: router, work: work}
	t.Cleanup(func() { rest(); c.clients.Wait() })
	for i := range pairs {
		position := mustJSON(map[string]any{"id": fmt.Sprint("driver-", i), "lat": driverLat, "lng": driverLng})
		c.repeatedly(50*time.Millisecond, func(int) bool {
			_, ok := c.ask(http.MethodPost, "/tracking", position)
			return ok
		})
		c.repeatedly(0, func(n int) bool { return c.ride(fmt.Sprintf("ride %d of %d", n, i)) })
		c.repeatedly(20*time.Millisecond, func(n int) bool {
			_, ok := c.ask(http.MethodGet, fmt.Sprintf("/search?format=jsonv2&q=place+%d+%d", i, n/2), "") // a miss, then a hit
			return ok
		})
	}
	alone := decode[ride](t, running[0].post(t, "/v2/search", `{"lat":10,"lng":10}`), http.StatusOK).RequestID
	c.clients.Go(func() { c.await("/v2/requests/" + alone) })
	c.clients.Go(func() { c.stream("/v2/requests/" + alone) })

	begin := time.Now()
	for i, p := range running {
		before := len(c.driven())
		eventually(t, 30*time.Second, "people ride", func() error {
			if n := len(c.driven()) - before; n < pairs {
				return fmt.Errorf("%d rides", n)
			}
			return nil
		})
		router.withdraw(t, p)
		p.stop(t)
		awaitView(t, slices.Concat(running[:i], running[i+1:]))
		running[i] = start(t, vars)
		router.admit(running[i])
		awaitView(t, running)
		if t.Failed() {
			t.FailNow()
		}
	}
	took := time.Since(begin)
	rest()
	running[0].finish(t, "/v2/cancel", alone, "cancelled")
	c.clients.Wait()
	for i, id := range c.driven() {
		if r := running[i%processes].ride(t, id); r.State != "completed" {
			t.Errorf("ride %+v, want it completed", r)
		}
	}
	if c.opened.Load() < 2 {
		t.Error("no restart has ended the stream")
	}
	t.Logf("%d processes in %s: %d requests, %d rides, %d streams", processes, took.Round(time.Millisecond), c.requests.Load(), len(c.driven()), c.opened.Load())
}

// awaitView waits until each of the processes sees all of them, alive, and nobody else.
func awaitView(t *testing.T, all []*process) {
	t.Helper()
	var want []string
	for _, p := range all {
		want = append(want, p.URL[strings.LastIndexByte(p.URL, ':'):]+" alive "+linkedVersion)
	}
	slices.Sort(want)
	for _, p := range all {
		eventually(t, 20*time.Second, "the process sees the fleet as it is", func() error {
			a, err := p.do(t.Context(), http.MethodGet, "/admin/fleet", "", "Authorization", "Bearer s3cret")
			if err != nil {
				return err
			}
			var got []string
			for _, m := range decode[struct {
				Members []struct{ Address, Status, Version string }
			}](t, a, http.StatusOK).Members {
				got = append(got, m.Address[strings.LastIndexByte(m.Address, ':'):]+" "+m.Status+" "+m.Version)
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				return errors.New(strings.Join(got, ", "))
			}
			return nil
		})
	}
}
