package cache

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// trips notes the round trips of a cache.
type trips struct {
	mu  sync.Mutex
	ops []string
}

func (t *trips) observe(op string, _ time.Duration, _ error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ops = append(t.ops, op)
}

// since returns what has been noted since the last call.
func (t *trips) since() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ops := t.ops
	t.ops = nil
	return ops
}

func TestRoundTripsOfAGet(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(testing.TB) redis.UniversalClient) {
		rdb := client(t)
		var noted trips
		c := patient(rdb, Config{Memory: 1 << 20, ObserveRedis: noted.observe})
		other := patient(rdb, Config{ObserveRedis: noted.observe})
		for _, c := range []*Cache{c, other} {
			c.current(t.Context(), &allowance{c.cfg.RedisBudget})
		}
		noted.since()
		var calls atomic.Int64
		lease := func() int64 { return rdb.Exists(t.Context(), c.redis.names("k").lease).Val() }
		step := func(name string, c *Cache, d Directives, class Class, want ...string) {
			t.Helper()
			r := get(t, c, "k", d, counted(&calls))
			if got := noted.since(); r.Class != class || !cmp.Equal(got, want) {
				t.Errorf("%s: %s by %q, want %s by %q", name, r.Class, got, class, want)
			}
			if lease() != 0 {
				t.Errorf("%s leaves the lease behind", name)
			}
		}
		step("the first miss", c, Directives{}, Miss, "get", "lease", "store")
		step("a hit in memory", c, Directives{}, Hit)
		step("a hit in Redis", other, Directives{}, Hit, "get")
		step("a miss that has to be new", other, Directives{NoCache: true}, Miss, "lease", "store", "generation")

		// From here on as after many misses.
		c.redis.forecast.lost.Store(wholly)
		// There, and not to be served: looked at once more with the lease.
		if err := c.PurgeProvider(t.Context(), "own"); err != nil {
			t.Fatal(err)
		}
		noted.since()
		step("a miss behind a dead answer", c, Directives{}, Miss, "look", "lease", "store")
		purge := func() {
			if _, err := c.Purge(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			noted.since()
		}
		purge()
		step("a miss after a purge of the key", c, Directives{}, Miss, "look", "store")
		c.memory.drop("k")
		step("what was stored after the purge", c, Directives{}, Hit, "look")

		// As after a restart.
		scriptFlush(t, c.redis)
		c.memory.drop("k")
		step("a hit in a Redis without scripts", c, Directives{}, Hit, "look")
		purge()
		scriptFlush(t, c.redis)
		step("a miss in a Redis without scripts", c, Directives{}, Miss, "look", "store")

		// A hit or a miss among many others changes nothing.
		c.redis.forecast.lost.Store(wholly)
		for range foreseen - 1 {
			c.memory.drop("k")
			step("a hit after misses", c, Directives{}, Hit, "look")
		}
		c.memory.drop("k")
		step("a hit after many", c, Directives{}, Hit, "get")
		purge()
		step("a miss after many hits", c, Directives{}, Miss, "get", "lease", "store")
		c.memory.drop("k")
		step("a hit after it", c, Directives{}, Hit, "get")
	})
}

// scriptFlush makes Redis forget all scripts.
func scriptFlush(tb testing.TB, r *redisLayer) {
	tb.Helper()
	flush := func(ctx context.Context, node *redis.Client) error { return node.ScriptFlush(ctx).Err() }
	var err error
	switch rdb := r.rdb.(type) {
	case *redis.ClusterClient:
		err = rdb.ForEachMaster(tb.Context(), flush)
	case *redis.Client:
		err = flush(tb.Context(), rdb)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// The script, on each kind of Redis, beside the commands of a release before it, which
// take the same lease.
func TestLookTakesTheLeaseOfOthers(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(testing.TB) redis.UniversalClient) {
		rdb := client(t)
		r := patient(rdb, Config{}).redis
		n := r.names("k")
		type found struct {
			Entry               bool
			Token, Holder, Mark string
		}
		look := func(name, token string, want found) {
			t.Helper()
			rec, l, err := r.look(t.Context(), &allowance{time.Minute}, "k", token, time.Hour)
			if got := (found{rec != nil, l.token, l.holder, l.mark}); err != nil || got != want {
				t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
			}
		}
		before := func(name, token string, want found) {
			t.Helper()
			l, err := r.acquire(t.Context(), &allowance{time.Minute}, "k", n.lease, token, time.Hour)
			if got := (found{l.stored != nil, l.token, l.holder, l.mark}); err != nil || got != want {
				t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
			}
		}
		look("nothing is there", "new", found{Token: "new"})
		if ttl := rdb.PTTL(t.Context(), n.lease).Val(); ttl <= 0 || ttl > time.Hour {
			t.Errorf("the lease lives for %s, want an hour", ttl)
		}
		look("the same again, after a lost answer", "new", found{Token: "new"})
		look("another process", "other", found{Holder: "new"})
		before("another process, of the release before", "old", found{Holder: "new"})

		if err := rdb.Set(t.Context(), n.lease, "old", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := rdb.Set(t.Context(), n.mark, "purged", 0).Err(); err != nil {
			t.Fatal(err)
		}
		look("the release before has the lease", "new", found{Holder: "old", Mark: "purged"})
		e := answer("x")
		e.complete(time.Now())
		stored, err := r.store(t.Context(), &allowance{time.Minute}, &Record{Key: "k", Entry: e}, lease{name: n.lease, token: "old", mark: "purged"}, time.Now())
		if err != nil || !stored {
			t.Fatalf("store = %v, %v", stored, err)
		}
		look("it has stored", "new", found{Entry: true})
		if n := rdb.Exists(t.Context(), n.lease).Val(); n != 0 {
			t.Error("a look that finds the entry takes the lease")
		}
	})
}

// A process waits for the fill of one that takes leases as the release before does.
func TestWaitsForAFillOfTheReleaseBefore(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	var looks trips
	c := fleet(t, 1, func(testing.TB) redis.UniversalClient { return rdb }, Config{ObserveRedis: looks.observe})[0]
	c.redis.forecast.lost.Store(wholly)
	before := patient(rdb, Config{}).redis
	l, err := before.acquire(t.Context(), &allowance{time.Minute}, "k", before.names("k").lease, "old", time.Hour)
	if err != nil || l.token != "old" {
		t.Fatalf("acquire = %+v, %v", l, err)
	}
	results := make(chan Result, 1)
	go func() {
		r, err := c.Get(context.Background(), "k", Directives{}, neverFill(t))
		if err != nil {
			t.Error(err)
		}
		results <- r
	}()
	asynctest.Eventually(t, "it has found the lease taken", func() bool {
		looks.mu.Lock()
		defer looks.mu.Unlock()
		return slices.Contains(looks.ops, "look")
	})
	e := answer("of the release before")
	e.complete(time.Now())
	if _, err := before.store(t.Context(), &allowance{time.Minute}, &Record{Key: "k", Entry: e, generation: c.gens.Load().seq()}, l, time.Now()); err != nil {
		t.Fatal(err)
	}
	r := <-results
	want(t, r, Miss, "", "of the release before")
	if !r.Collapsed {
		t.Error("not collapsed into the fill of the other")
	}
}

// Redis takes longer for the look than it may, and then runs it all the same: nobody
// holds the lease that it has taken.
func TestLeaseTakenTooLateIsGivenBack(t *testing.T) {
	s := redistest.Start(t)
	rdb := s.Client(t)
	c := patient(rdb, Config{Memory: 1 << 20})
	var before atomic.Int64
	c.redis.forecast.lost.Store(wholly)            // so that it tries for the lease at once,
	get(t, c, "a", Directives{}, counted(&before)) // and Redis has the script
	var calls atomic.Int64
	filling, goOn := make(chan struct{}), make(chan struct{})
	fill := held(&calls, goOn)
	c.cfg.RedisBudget = time.Second // of the look
	s.Pause(t)
	results := make(chan Result, 1)
	go func() {
		r, err := c.Get(context.Background(), "k", Directives{}, func(ctx context.Context, p *Priority) (Entry, error) {
			c.cfg.RedisBudget = time.Minute
			close(filling)
			return fill(ctx, p)
		})
		if err != nil {
			t.Error(err)
		}
		results <- r
	}()
	<-filling
	s.Resume(t)
	lease := c.redis.names("k").lease
	other := s.Client(t)
	asynctest.Eventually(t, "Redis takes the lease", func() bool { return other.Exists(t.Context(), lease).Val() == 1 })
	close(goOn)
	r := <-results
	want(t, r, Miss, "", "call 1")
	if !r.Stored {
		t.Error("not kept in memory")
	}
	asynctest.Eventually(t, "the lease is given back", func() bool { return other.Exists(t.Context(), lease).Val() == 0 })
}
