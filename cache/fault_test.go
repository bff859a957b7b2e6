package cache

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/redistest"
)

// eventually polls until ok or fails the test with what.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatalf("not within 10s: %s", what)
		}
	}
}

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
			c := running(t, New(s.Client(t), Config{Memory: 1 << 20}))
			var calls atomic.Int64
			fill := counted(&calls)
			want(t, get(t, c, "known", Directives{}, fill), Miss, "", "call 1")

			f.begin(t, s)
			want(t, get(t, c, "known", Directives{}, neverFill(t)), Hit, LayerMemory, "call 1")
			start := time.Now()
			const unknown = 50
			for i := range unknown {
				if r := get(t, c, fmt.Sprint("unknown", i), Directives{}, fill); r.Class != Miss || !r.Stored {
					t.Errorf("got %s, stored %v, want a MISS kept in memory", r.Class, r.Stored)
				}
			}
			// The breaker lets three calls pay, and one more a second later.
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%d misses took %v without Redis", unknown, took)
			}

			f.end(t, s)
			other := running(t, New(s.Client(t), Config{}))
			n := 0
			eventually(t, "answers reach Redis again", func() bool {
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
	c := New(rdb, Config{})
	get(t, c, "k", Directives{}, fill)
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	want(t, get(t, c, "k", Directives{}, fill), Miss, "", "call 2")

	value := rdb.Get(ctx, c.redis.names("k").entry).Val()
	for name, damage := range map[string]string{
		"cut":             value[:len(value)/2],
		"rubbish":         "rubbish",
		"empty":           "",
		"another version": "\xff" + value[1:],
		"another key's":   string((&envelope{key: "other", entry: answer("wrong")}).encode()),
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

	for !redis.IsOOMError(rdb.Append(ctx, "ballast", strings.Repeat("x", 1<<16)).Err()) {
	}
	r := get(t, c, "full", Directives{}, fill)
	if r.Class != Miss || r.Stored {
		t.Errorf("out of memory: %s, stored %v, want MISS, false", r.Class, r.Stored)
	}
	if err := rdb.Del(ctx, "ballast").Err(); err != nil {
		t.Fatal(err)
	}
	get(t, c, "full", Directives{}, fill)
	if r := get(t, c, "full", Directives{}, fill); r.Class != Hit {
		t.Errorf("after memory came free: %s, want HIT", r.Class)
	}
}
