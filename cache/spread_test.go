package cache

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// spreading are caches that hear of one another's purges without Redis. The last one
// has no memory.
func spreading(t *testing.T, s *redistest.Server, n int) []*Cache {
	t.Helper()
	caches := make([]*Cache, n)
	for i := range caches {
		cfg := Config{Memory: 1 << 20, Spread: func(change []byte) {
			for j, other := range caches {
				if j != i {
					other.MergePurges(change)
				}
			}
		}}
		if i == n-1 {
			cfg.Memory = 0
		}
		caches[i] = New(s.Client(t, redistest.Impatient), cfg)
	}
	for _, c := range caches {
		running(t, c)
		asynctest.Eventually(t, "the record is known", func() bool { return c.Stats().Listening && c.gens.Load().known })
	}
	return caches
}

// A purge that Redis does not hear of counts in every process, and for what Redis holds
// when it is back.
func TestPurgesSpreadWithoutRedis(t *testing.T) {
	for name, purge := range map[string]func(ctx context.Context, c *Cache) error{
		"key":      func(ctx context.Context, c *Cache) error { _, err := c.Purge(ctx, "k"); return err },
		"all":      func(ctx context.Context, c *Cache) error { return c.PurgeAll(ctx) },
		"provider": func(ctx context.Context, c *Cache) error { return c.PurgeProvider(ctx, "own") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			caches := spreading(t, s, 3)
			says := func(body, provider string) Fill {
				return func(context.Context, *Priority) (Entry, error) {
					e := answer(body)
					e.Provider = provider
					return e, nil
				}
			}
			for _, c := range caches {
				get(t, c, "k", Directives{}, says("before", "own"))
				get(t, c, "other", Directives{}, says("before", "another"))
			}
			s.Pause(t)
			if err := purge(t.Context(), caches[0]); err != nil {
				t.Fatal(err)
			}
			for i, c := range caches {
				if r := get(t, c, "k", Directives{}, says("after", "own")); string(r.Body) != "after" {
					t.Errorf("cache %d answers what was purged", i)
				}
			}
			if r := get(t, caches[1], "other", Directives{}, says("after", "another")); (string(r.Body) == "before") != (name != "all") {
				t.Errorf("what another provider said is now %q", r.Body)
			}
			s.Resume(t)
			for i, c := range caches {
				if r := get(t, c, "k", Directives{}, says("after", "own")); string(r.Body) != "after" {
					t.Errorf("cache %d answers what was purged, when Redis is back", i)
				}
			}
			stranger := fleet(t, 1, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return s.Client(tb) }, Config{})[0]
			asynctest.Eventually(t, "Redis has forgotten it", func() bool {
				r, err := stranger.Get(t.Context(), "k", Directives{OnlyIfCached: true}, nil)
				return errors.Is(err, ErrNotCached) || err == nil && string(r.Body) == "after"
			})
			if name == "key" {
				asynctest.Eventually(t, "every debt is paid", func() bool {
					return caches[0].owing.Load()+caches[1].owing.Load()+caches[2].owing.Load() == 0
				})
			}
		})
	}
}

func TestPurgesMerge(t *testing.T) {
	first, second := New(nil, Config{Spread: func([]byte) {}}), New(nil, Config{Spread: func([]byte) {}})
	first.gens.Store(&generations{known: true, scopes: map[string]uint64{scopeSeq: 5, scopeAll: 3}, heard: 5})
	first.purgeHere(scopeProvider + "own")
	first.owe(Hash("k"))
	whole := first.Purges()
	if second.MergePurges(whole) == nil {
		t.Fatal("nothing is news to a process that has begun")
	}
	if again := second.MergePurges(whole); again != nil {
		t.Errorf("the same again is news: %s", again)
	}
	if back := first.MergePurges(second.Purges()); back != nil {
		t.Errorf("what it has said itself is news: %s", back)
	}
	g := second.gens.Load()
	if !g.known || g.scopes[scopeAll] != 3 || g.scopes[scopeProvider+"own"] <= 5 || g.seq() < g.scopes[scopeProvider+"own"] {
		t.Errorf("it knows %+v", g)
	}
	if !second.owes(&Record{Key: "k", generation: 5}) || second.owes(&Record{Key: "k", generation: g.seq()}) || second.owes(&Record{Key: "j"}) {
		t.Error("it does not know which entries of Redis are purged")
	}
	for _, text := range []string{"", "{", "[]", `{"record":{"all":-1}}`} {
		if news := second.MergePurges([]byte(text)); news != nil {
			t.Errorf("MergePurges(%q) = %s, want nothing", text, news)
		}
	}
}

func TestDebtsAreBounded(t *testing.T) {
	c := New(nil, Config{Spread: func([]byte) {}})
	for i := range maxDebts {
		if !c.owe(Hash(fmt.Sprint(i))) {
			t.Fatalf("debt %d is refused", i)
		}
	}
	if c.owe(Hash("one more")) || !c.owe(Hash("0")) {
		t.Error("want one more key refused, and a known one taken")
	}
	c.setDebt(Hash("0"), debt{1, true})
	if !c.owe(Hash("one more")) {
		t.Error("a debt that is paid takes up room")
	}
}
