package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"geogate/internal/budget"
	"geogate/internal/redistest"
	"geogate/upstream"
	"geogate/upstream/upstreamtest"
)

// patient is for tests that are not about a slow Redis, on machines that are.
const patient = 10 * time.Second

// fleet starts n chains that share nothing but a Redis: what processes of a
// fleet have in common.
func fleet(t *testing.T, n int, dial func() upstream.Redis, upstreams string, public bool, patience time.Duration) []*upstream.Chain {
	t.Helper()
	specs, err := upstream.ParseSpecs(upstreams)
	if err != nil {
		t.Fatal(err)
	}
	specs[0].Policy.Public = public
	chains := make([]*upstream.Chain, n)
	for i := range chains {
		c, err := upstream.New(specs, upstream.Config{Redis: dial(), RedisPatience: patience, Wait: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		chains[i] = c
	}
	return chains
}

// one returns clients of a single server.
func one(t *testing.T, rs *redistest.Server) func() upstream.Redis {
	return func() upstream.Redis { return rs.Client(t) }
}

// redises starts a single server and a cluster of three, and returns clients
// of each.
func redises(t *testing.T) map[string]func() upstream.Redis {
	t.Helper()
	cluster := redistest.BorrowCluster(t)
	return map[string]func() upstream.Redis{
		"single":  one(t, redistest.Start(t)),
		"cluster": func() upstream.Redis { return cluster.Client(t) },
	}
}

// press has callers of every chain ask in a lane until ctx ends, each question
// a new one, and counts how it went.
func press(ctx context.Context, t *testing.T, wg *sync.WaitGroup, chains []*upstream.Chain, lane upstream.Lane, callers int) *tally {
	tally := &tally{}
	for i, c := range chains {
		for j := range callers {
			wg.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					begin := time.Now()
					_, err := c.Geocode(ctx, request(t, fmt.Sprintf("search?q=x-%d-%d-%d-%d", lane, i, j, n)), lane)
					tally.add(ctx, err, time.Since(begin))
					if err != nil {
						select { // as a client that was told to come back later
						case <-time.After(20 * time.Millisecond):
						case <-ctx.Done():
						}
					}
				}
			})
		}
	}
	return tally
}

type tally struct {
	mu                     sync.Mutex
	answered, budget, rest int
	longest                time.Duration
	last                   error
}

func (y *tally) add(ctx context.Context, err error, took time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.longest = max(y.longest, took)
	switch {
	case err == nil:
		y.answered++
	case errors.Is(err, upstream.ErrBudget):
		y.budget++
	case ctx.Err() == nil:
		y.rest++
		y.last = err
	}
}

func TestFleetKeepsTheRate(t *testing.T) {
	for name, dial := range redises(t) {
		t.Run(name, func(t *testing.T) {
			server := upstreamtest.New(t)
			chains := fleet(t, 3, dial, "nominatim+"+server.URL+"#rate=20/s", true, patient)
			begin := time.Now()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var wg sync.WaitGroup
			got := press(ctx, t, &wg, chains, upstream.People, 5)
			eventually(t, func() bool { return server.Calls() >= 30 })
			cancel()
			wg.Wait()
			if n, most := server.Calls(), int(20*time.Since(begin).Seconds())+1; n > most {
				t.Errorf("%d calls from three processes at 20/s, want %d at most", n, most)
			}
			if got.rest > 0 {
				t.Errorf("%d calls failed for other reasons than the budget, the last: %v", got.rest, got.last)
			}
			t.Logf("%d calls, %d answered, %d without budget", server.Calls(), got.answered, got.budget)
		})
	}
}

func TestFleetKeepsToOneAtATime(t *testing.T) {
	for name, dial := range redises(t) {
		t.Run(name, func(t *testing.T) {
			server := upstreamtest.New(t)
			server.SetDelay(30 * time.Millisecond)
			chains := fleet(t, 3, dial, "nominatim+"+server.URL+"#concurrency=1", true, patient)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var wg sync.WaitGroup
			got := press(ctx, t, &wg, chains, upstream.People, 3)
			eventually(t, func() bool { return server.Calls() >= 20 })
			cancel()
			wg.Wait()
			if n := server.MostAtOnce(); n != 1 {
				t.Errorf("%d calls at once, want 1", n)
			}
			if got.rest > 0 {
				t.Errorf("%d failed, the last: %v", got.rest, got.last)
			}
		})
	}
}

// The node of a cluster that counts a budget goes down and comes back.
func TestFleetLosesANode(t *testing.T) {
	cluster := redistest.StartCluster(t)
	server := upstreamtest.New(t)
	c := fleet(t, 1, func() upstream.Redis { return cluster.Client(t) }, "nominatim+"+server.URL+"#rate=1000/s", true, time.Second)[0]
	ask := func(n int) error {
		_, err := c.Geocode(t.Context(), request(t, fmt.Sprintf("search?q=%d", n)), upstream.People)
		return err
	}
	eventually(t, func() bool { return ask(1) == nil })
	var node *redistest.Server
	for _, n := range cluster.Nodes {
		if keys, err := n.Client(t).Keys(t.Context(), "geogate:budget:*").Result(); err == nil && len(keys) > 0 {
			node = n
		}
	}
	if node == nil {
		t.Fatal("no node has the budget")
	}
	calls := server.Calls()
	node.Stop()
	for n := range 5 {
		if err := ask(10 + n); !errors.Is(err, upstream.ErrUnavailable) {
			t.Errorf("without the node: %v, want %v", err, upstream.ErrUnavailable)
		}
	}
	if n := server.Calls(); n != calls {
		t.Errorf("%d calls while nobody could count them", n-calls)
	}
	node.Restart(t)
	cluster.AwaitWhole(t)
	eventually(t, func() bool { return ask(2) == nil })
}

// One process is sent away: the others keep away, too.
func TestFleetHeedsRetryAfter(t *testing.T) {
	rs := redistest.Start(t)
	server := upstreamtest.New(t)
	ask := func(c *upstream.Chain, q string) error {
		_, err := c.Geocode(t.Context(), request(t, "search?q="+q), upstream.People)
		return err
	}
	chains := fleet(t, 2, one(t, rs), "nominatim+"+server.URL+"#rate=1000/s", true, patient)
	server.SetFaultFor(upstreamtest.Throttled(600), 1)
	if err := ask(chains[0], "a"); !errors.Is(err, upstream.ErrThrottled) {
		t.Fatalf("first process: %v, want %v", err, upstream.ErrThrottled)
	}
	err := ask(chains[1], "b")
	var e *upstream.Error
	if !errors.Is(err, upstream.ErrUnavailable) || !errors.As(err, &e) || e.RetryAfter < 9*time.Minute || e.RetryAfter > 10*time.Minute {
		t.Errorf("second process: %v, want %v with a RetryAfter of what is left of 10m", err, upstream.ErrUnavailable)
	}
	if n := server.Calls(); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
	// A pause that a test can wait for ends.
	another := upstreamtest.New(t)
	chains = fleet(t, 2, one(t, redistest.Start(t)), "nominatim+"+another.URL+"#rate=1000/s", true, patient)
	another.SetFaultFor(upstreamtest.Throttled(1), 1)
	if err := ask(chains[0], "a"); !errors.Is(err, upstream.ErrThrottled) {
		t.Fatalf("first process: %v, want %v", err, upstream.ErrThrottled)
	}
	eventually(t, func() bool { return ask(chains[1], "c") == nil })
}

// A process that dies during a call does not block the others for good.
func TestFleetLeaseLapses(t *testing.T) {
	rs := redistest.Start(t)
	server := upstreamtest.New(t)
	chains := fleet(t, 1, one(t, rs), "nominatim+"+server.URL+"#concurrency=1", true, patient)
	if _, err := chains[0].Geocode(t.Context(), request(t, "search?q=a"), upstream.People); err != nil {
		t.Fatal(err)
	}
	client := rs.Client(t)
	keys, err := client.Keys(t.Context(), "geogate:budget:*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %v, %v, want the state and no lease left", keys, err)
	}
	now, err := client.Time(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	dead := now.Add(400 * time.Millisecond)
	err = client.Do(t.Context(), "ZADD", keys[0]+":leases", dead.UnixMicro(), "of-a-process-that-died").Err()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chains[0].Geocode(t.Context(), request(t, "search?q=b"), upstream.People); err != nil {
		t.Error(err)
	}
	if now := time.Now(); now.Before(dead.Add(-50 * time.Millisecond)) {
		t.Errorf("the lease was passed over %s before its end", dead.Sub(now))
	}
}

func TestBudgetWithoutRedis(t *testing.T) {
	rs := redistest.Start(t)
	server, own, fallback := upstreamtest.New(t), upstreamtest.New(t), upstreamtest.New(t)
	public := fleet(t, 1, one(t, rs), "nominatim+"+server.URL+"#rate=1000/s,nominatim+"+fallback.URL+"#name=second", true, patient)[0]
	fallback.SetAnswer(upstreamtest.Places(1))
	closed := fleet(t, 1, one(t, rs), "nominatim+"+server.URL+"#rate=1000/s", true, patient)[0]
	open := fleet(t, 1, one(t, rs), "nominatim+"+own.URL+"#rate=1000/s", false, 0)[0]
	ask := func(c *upstream.Chain, n int) (upstream.Answer, error) {
		return c.Geocode(t.Context(), request(t, fmt.Sprintf("search?q=%d", n)), upstream.People)
	}

	rs.Stop()
	if _, err := ask(closed, 1); !errors.Is(err, upstream.ErrUnavailable) {
		t.Errorf("public server without Redis: %v, want %v", err, upstream.ErrUnavailable)
	}
	if a, err := ask(public, 1); err != nil || !a.Fallback() || a.Provider != "second" {
		t.Errorf("public server without Redis, with a fallback: %+v, %v, want the fallback's answer", a, err)
	}
	if n := server.Calls(); n != 0 {
		t.Errorf("%d calls to the public server while its budget could not be counted", n)
	}
	for n := range 20 {
		if _, err := ask(open, n); err != nil {
			t.Errorf("own server without Redis: %v", err)
		}
	}

	rs.Restart(t)
	eventually(t, func() bool {
		_, err := ask(closed, 2)
		return err == nil
	})

	// A Redis that hangs costs one caller a moment, not each of them.
	rs.Pause(t)
	waited := 0
	for n := range 20 {
		begin := time.Now()
		if _, err := ask(open, 100+n); err != nil {
			t.Errorf("own server with a hanging Redis: %v", err)
		}
		if time.Since(begin) >= budget.DefaultRedisPatience {
			waited++
		}
	}
	if waited > 10 { // on a busy machine some are slow by themselves
		t.Errorf("%d of 20 callers waited for a hanging Redis, want one", waited)
	}
	rs.Resume(t)
	eventually(t, func() bool {
		_, err := ask(closed, 3)
		return err == nil
	})
}

// Losing its data and its scripts costs Redis nothing but a memory of the last
// call.
func TestBudgetWithRedisEmptied(t *testing.T) {
	rs := redistest.Start(t)
	server := upstreamtest.New(t)
	c := fleet(t, 1, one(t, rs), "nominatim+"+server.URL+"#rate=100/s", true, patient)[0]
	client := rs.Client(t)
	for n := range 5 {
		if _, err := c.Geocode(t.Context(), request(t, fmt.Sprintf("search?q=%d", n)), upstream.People); err != nil {
			t.Error(err)
		}
		if err := errors.Join(client.FlushAll(t.Context()).Err(), client.ScriptFlush(t.Context()).Err()); err != nil {
			t.Fatal(err)
		}
	}
}

// Two entries for one server share its budget.
func TestBudgetOfOneServer(t *testing.T) {
	server := upstreamtest.New(t)
	specs, err := upstream.ParseSpecs("nominatim+" + server.URL + "#rate=1/h,nominatim+" + server.URL + "#name=again&rate=1/h")
	if err != nil {
		t.Fatal(err)
	}
	server.SetFaultFor(upstreamtest.Failing(500), 1)
	c, err := upstream.New(specs, upstream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Geocode(t.Context(), request(t, "search?q=x"), upstream.People)
	if !errors.Is(err, upstream.ErrUnavailable) || server.Calls() != 1 {
		t.Errorf("Geocode: %v after %d calls, want %v after 1", err, server.Calls(), upstream.ErrUnavailable)
	}
}
