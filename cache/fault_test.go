package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
	"geogate/internal/turns"
)

func TestRedisFaultsNeverFailAGet(t *testing.T) {
	type fault struct {
		name       string
		begin, end func(tb testing.TB, s *redistest.Server)
	}
	for _, f := range []fault{
		{"stopped", func(_ testing.TB, s *redistest.Server) { s.Stop() }, func(tb testing.TB, s *redistest.Server) { s.Restart(tb) }},
		{"hanging", func(tb testing.TB, s *redistest.Server) { s.Pause(tb) }, func(tb testing.TB, s *redistest.Server) { s.Resume(tb) }},
	} {
		t.Run(f.name, func(t *testing.T) {
			s := redistest.Start(t)
			c := fleet(t, 1, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return s.Client(tb) },
				Config{Memory: 1 << 20, RedisBudget: impatient})[0]
			var calls atomic.Int64
			fill := counted(&calls)
			want(t, get(t, c, "known", Directives{}, fill), Miss, "", "call 1")

			f.begin(t, s)
			want(t, get(t, c, "known", Directives{}, neverFill(t)), Hit, LayerMemory, "call 1")
			start, before := time.Now(), c.Stats().RedisErrors
			const unknown = 50
			for i := range unknown {
				if r := get(t, c, fmt.Sprint("unknown", i), Directives{}, fill); r.Class != Miss || !r.Stored {
					t.Errorf("got %s, stored %v, want a MISS kept in memory", r.Class, r.Stored)
				}
			}
			// The breaker lets three calls pay, a fourth that is under way beside them, and
			// one more each second.
			paid, most := c.Stats().RedisErrors-before, breakerFailures+2+uint64(time.Since(start)/breakerPause)
			if t.Logf("%d misses took %v without Redis", unknown, time.Since(start)); paid > most {
				t.Errorf("%d misses tried Redis %d times, want %d at most", unknown, paid, most)
			}

			f.end(t, s)
			other := running(t, patient(s.Client(t), Config{}))
			n := 0
			asynctest.Eventually(t, "answers reach Redis again", func() bool {
				n++
				key := fmt.Sprint("after", n)
				get(t, c, key, Directives{}, fill)
				return get(t, other, key, Directives{}, fill).Class == Hit
			})
		})
	}
}

func TestRedisEmptiedOrFullOrDamaged(t *testing.T) {
	ctx := context.Background()
	s := redistest.Start(t, "--maxmemory", "2mb", "--maxmemory-policy", "noeviction")
	rdb := s.Client(t)
	var calls atomic.Int64
	fill := counted(&calls)
	c := patient(rdb, Config{})
	get(t, c, "k", Directives{}, fill)
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	want(t, get(t, c, "k", Directives{}, fill), Miss, "", "call 2")

	value := rdb.Get(ctx, c.redis.names("k").entry).Val()
	foreign, err := decode([]byte(value))
	if err != nil {
		t.Fatal(err)
	}
	foreign.Key = "other"
	for name, damage := range map[string]string{
		"cut":             value[:len(value)/2],
		"rubbish":         "rubbish",
		"empty":           "",
		"another version": "\xff" + value[1:],
		"another key's":   string(foreign.encode()),
	} {
		if err := rdb.Set(ctx, c.redis.names("k").entry, damage, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if r := get(t, c, "k", Directives{}, fill); r.Class != Miss {
			t.Errorf("%s: %s %q, want a MISS", name, r.Class, r.Body)
		}
	}
	if n := c.Stats().CorruptReads; n != 4 {
		t.Errorf("CorruptReads = %d, want 4: the one cut and the empty one, twice each", n)
	}

	asynctest.Eventually(t, "memory is full", func() bool {
		return redis.IsOOMError(rdb.Append(ctx, "ballast", strings.Repeat("x", 1<<18)).Err())
	})
	// Far below the memory in use, which varies a little with every command.
	if err := rdb.ConfigSet(ctx, "maxmemory", "1mb").Err(); err != nil {
		t.Fatal(err)
	}
	// Purging is the way out of it, so it must work.
	if _, err := c.Purge(ctx, "k"); err != nil {
		t.Errorf("purge, out of memory: %v", err)
	}
	if err := c.PurgeProvider(ctx, "nobody"); err != nil {
		t.Errorf("purge of a provider, out of memory: %v", err)
	}
	r := get(t, c, "full", Directives{}, fill)
	if r.Class != Miss || r.Stored {
		t.Errorf("out of memory: %s, stored %v, want MISS, false", r.Class, r.Stored)
	}
	if err := rdb.Del(ctx, "ballast").Err(); err != nil {
		t.Fatal(err)
	}
	if err := rdb.ConfigSet(ctx, "maxmemory", "2mb").Err(); err != nil {
		t.Fatal(err)
	}
	get(t, c, "full", Directives{}, fill)
	if r := get(t, c, "full", Directives{}, fill); r.Class != Hit {
		t.Errorf("after memory came free: %s, want HIT", r.Class)
	}
	if n := c.Stats().RedisRefused; n != 1 {
		t.Errorf("RedisRefused = %d, want 1", n)
	}
}

func TestMemoryIsQuickWhileRedisHangs(t *testing.T) {
	s := redistest.Start(t)
	c := fleet(t, 1, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return s.Client(tb) },
		Config{Memory: 1 << 20, RedisBudget: impatient})[0]
	fill := func(context.Context, *Priority) (Entry, error) { return answer("x"), nil }
	const keys = 100
	for i := range keys {
		get(t, c, fmt.Sprint(i), Directives{}, fill)
	}
	s.Pause(t)
	defer s.Resume(t)
	// Half of the keys in doubt, as after a lost announcement.
	for i := range keys / 2 {
		c.memory.peek(fmt.Sprint(i)).doubt()
	}
	var times []time.Duration
	for i := range 5000 {
		start := time.Now()
		r := get(t, c, fmt.Sprint(i%keys), Directives{}, fill)
		times = append(times, time.Since(start))
		if r.Class != Hit || r.Layer != LayerMemory {
			t.Fatalf("%s from %q", r.Class, r.Layer)
		}
	}
	slices.Sort(times)
	p99 := times[len(times)*99/100]
	t.Logf("p50 %v, p99 %v, worst %v", times[len(times)/2], p99, times[len(times)-1])
	if p99 > 50*time.Millisecond {
		t.Errorf("p99 = %v, want less than 50ms", p99)
	}
}

func TestClusterGoesOnWithoutOneNode(t *testing.T) {
	ctx := context.Background()
	cluster := redistest.StartCluster(t)
	client := func(tb testing.TB) redis.UniversalClient { tb.Helper(); return cluster.Client(tb) }
	caches := fleet(t, 2, client, Config{Memory: 1 << 20, RedisBudget: impatient})
	// Not the one with the record of purges, without which a purge cannot be.
	lost := cluster.Nodes[0]
	if lost == cluster.Owner(t, caches[0].redis.record()) {
		lost = cluster.Nodes[1]
	}
	var on, off []string // keys of the nodes that live, of the one that dies
	for i := 0; len(on) < 20 || len(off) < 20; i++ {
		key := fmt.Sprint("key", i)
		if cluster.Owner(t, caches[0].redis.names(key).entry) == lost {
			off = append(off, key)
		} else {
			on = append(on, key)
		}
	}
	lost.Stop()

	var calls atomic.Int64
	fill := counted(&calls)
	start := time.Now()
	for _, key := range append(off[:10:10], on[:10]...) {
		if r := get(t, caches[0], key, Directives{}, fill); r.Class != Miss || !r.Stored {
			t.Errorf("%s, stored %v, want MISS, true", r.Class, r.Stored)
		}
	}
	t.Logf("20 misses took %v", time.Since(start))
	asynctest.Eventually(t, "keys of the other nodes are shared", func() bool {
		_, err := caches[1].Get(ctx, on[10], Directives{OnlyIfCached: true}, nil)
		get(t, caches[0], on[10], Directives{NoCache: true}, fill)
		return err == nil
	})
	asynctest.Eventually(t, "purges go on", func() bool {
		_, err := caches[0].Purge(ctx, on[10])
		return err == nil
	})
	asynctest.Eventually(t, "purge arrives", func() bool {
		_, err := caches[1].Get(ctx, on[10], Directives{OnlyIfCached: true}, nil)
		return errors.Is(err, ErrNotCached)
	})

	lost.Restart(t)
	cluster.AwaitWhole(t)
	asynctest.Eventually(t, "keys of the node that was dead are shared again", func() bool {
		get(t, caches[0], off[10], Directives{NoCache: true}, fill)
		_, err := caches[1].Get(ctx, off[10], Directives{OnlyIfCached: true}, nil)
		return err == nil
	})
}

// busy is a hook that lets no call of the caller "busy" through.
type busy struct{}

func (busy) DialHook(next redis.DialHook) redis.DialHook { return next }

func (busy) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if ctx.Value(turns.CallerKey{}) == "busy" {
			cmd.SetErr(turns.ErrBusy)
			return turns.ErrBusy
		}
		return next(ctx, cmd)
	}
}

func (busy) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if ctx.Value(turns.CallerKey{}) == "busy" {
			for _, cmd := range cmds {
				cmd.SetErr(turns.ErrBusy)
			}
			return turns.ErrBusy
		}
		return next(ctx, cmds)
	}
}

// A caller with too much under way goes on without Redis, and nobody else does.
func TestBusyCallersSayNothingAboutRedis(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	rdb.AddHook(busy{})
	c := running(t, patient(rdb, Config{}))
	var calls atomic.Int64
	want(t, get(t, c, "known", Directives{}, counted(&calls)), Miss, "", "call 1")
	for i := range 10 {
		r, err := c.Get(turns.As(t.Context(), "busy"), fmt.Sprint("unknown", i), Directives{}, counted(&calls))
		if err != nil || r.Class != Miss {
			t.Errorf("Get of a busy caller = %s, %v, want a miss", r.Class, err)
		}
	}
	want(t, get(t, c, "known", Directives{}, neverFill(t)), Hit, LayerRedis, "call 1")
}
