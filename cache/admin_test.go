package cache

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"geogate/internal/redistest"
)

func TestLookup(t *testing.T) {
	ctx := context.Background()
	s := redistest.Start(t)
	var clk clock
	c := patient(s.Client(t), Config{Memory: 1 << 20, Now: clk.now})
	other := patient(s.Client(t), Config{Now: clk.now})

	f, err := c.Lookup(ctx, "k")
	if err != nil || f.Entry != nil || f.Class != "" {
		t.Errorf("of nothing: %+v, %v", f, err)
	}
	fill := func(context.Context, *Priority) (Entry, error) { return answer("x"), nil }
	get(t, c, "k", Directives{}, fill)
	get(t, c, "k", Directives{}, fill)
	clk.advance(10 * time.Minute)
	for name, tt := range map[string]struct {
		cache *Cache
		layer string
		hits  uint64
	}{"in memory": {c, LayerMemory, 1}, "in redis": {other, LayerRedis, 0}} {
		f, err = tt.cache.Lookup(ctx, "k")
		if err != nil || f.Entry == nil || string(f.Body) != "x" || f.Class != Hit || f.Layer != tt.layer || f.Hits() != tt.hits {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
		if f.Age.Round(time.Minute) != 10*time.Minute || f.FreshLeft().Round(time.Minute) != 50*time.Minute ||
			f.Left().Round(time.Minute) != 24*time.Hour+50*time.Minute {
			t.Errorf("%s: age %v, fresh for %v, left %v", name, f.Age, f.FreshLeft(), f.Left())
		}
	}
	clk.advance(time.Hour)
	if f, _ = c.Lookup(ctx, "k"); f.Class != Stale || f.FreshLeft() > 0 {
		t.Errorf("past its freshness: %s, fresh for %v", f.Class, f.FreshLeft())
	}
	s.Stop()
	if f, err = c.Lookup(ctx, "k"); err != nil || f.Layer != LayerMemory {
		t.Errorf("in memory, without Redis: %+v, %v", f, err)
	}
	if _, err = other.Lookup(ctx, "k"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without Redis: %v, want ErrUnavailable", err)
	}
}

func TestTopKeys(t *testing.T) {
	c := patient(redistest.Start(t).Client(t), Config{Memory: 1 << 20})
	fill := func(context.Context, *Priority) (Entry, error) { return answer("body"), nil }
	for i := range 5 {
		for range i + 1 {
			get(t, c, fmt.Sprint(i), Directives{}, fill)
		}
	}
	want := []KeyCount{{Hash("4"), 4, 4, "own", "found"}, {Hash("3"), 3, 4, "own", "found"}}
	if diff := cmp.Diff(want, c.TopKeys(2)); diff != "" {
		t.Errorf("TopKeys(2) (-want +got):\n%s", diff)
	}
	if got := len(c.TopKeys(100)); got != 4 {
		t.Errorf("%d keys, want the 4 that were hit", got)
	}
	if got, want := c.Stats().Providers["own"], (ProviderStats{Fills: 5, Hits: 10}); got != want {
		t.Errorf("Providers[own] = %+v, want %+v", got, want)
	}
}

func TestExportAndImport(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(testing.TB) redis.UniversalClient) {
		ctx := context.Background()
		var clk clock
		from := patient(client(t), Config{Namespace: "from*", Now: clk.now}) // a character that patterns know
		const n = 250
		for i := range n {
			get(t, from, fmt.Sprint("key ", i), Directives{}, func(context.Context, *Priority) (Entry, error) {
				e := answer(fmt.Sprint("body ", i))
				e.Provider = fmt.Sprint("provider", i%2)
				return e, nil
			})
		}
		if err := from.PurgeProvider(ctx, "provider1"); err != nil {
			t.Fatal(err)
		}
		New(client(t), Config{Namespace: "fromX"}) // what the pattern must not match
		clk.advance(30 * time.Minute)

		to := running(t, patient(client(t), Config{Memory: 1 << 20, Namespace: "to", Now: clk.now}))
		exported := map[string]Entry{}
		for r, err := range from.Export(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			exported[r.Key] = r.Entry
			if stored, err := to.Import(ctx, r); err != nil || !stored {
				t.Fatalf("Import(%q) = %v, %v", r.Key, stored, err)
			}
			if stored, err := to.Import(ctx, r); err != nil || stored {
				t.Fatalf("Import(%q) again = %v, %v, want false", r.Key, stored, err)
			}
		}
		if len(exported) != n/2 {
			t.Fatalf("%d entries exported, want the %d that were not purged", len(exported), n/2)
		}
		for key, e := range exported {
			r := get(t, to, key, Directives{}, neverFill(t))
			if r.Class != Hit || r.Age < 30*time.Minute || !cmp.Equal(*r.Entry, e) {
				t.Fatalf("%q after the import: %s, age %v, %+v, want %+v", key, r.Class, r.Age, *r.Entry, e)
			}
		}
		for range from.Export(ctx) {
			break // must be possible
		}
	})
}

func TestImportRefuses(t *testing.T) {
	c := patient(redistest.Start(t).Client(t), Config{})
	for name, r := range map[string]Record{
		"no key":        {Entry: answer("x")},
		"not stored":    {Key: "k", Entry: Entry{Status: 200, Fresh: time.Hour, NoStore: true}},
		"no life":       {Key: "k", Entry: Entry{Status: 200}},
		"its life over": {Key: "k", Entry: Entry{Status: 200, Fresh: time.Hour, StoredAt: time.Now().Add(-2 * time.Hour)}},
	} {
		t.Run(name, func(t *testing.T) {
			if stored, err := c.Import(context.Background(), r); stored || !errors.Is(err, ErrNotStorable) {
				t.Errorf("Import() = %v, %v, want ErrNotStorable", stored, err)
			}
		})
	}
}

func TestPurgeTellsWhenItCannot(t *testing.T) {
	ctx := context.Background()
	s := redistest.Start(t)
	c := patient(s.Client(t), Config{Memory: 1 << 20})
	get(t, c, "k", Directives{}, func(context.Context, *Priority) (Entry, error) { return answer("x"), nil })
	if removed, err := c.Purge(ctx, "other"); removed || err != nil {
		t.Errorf("Purge of nothing = %v, %v, want false", removed, err)
	}
	s.Stop()
	if _, err := c.Purge(ctx, "k"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Purge without Redis: %v, want ErrUnavailable", err)
	}
	if _, err := c.Get(ctx, "k", Directives{OnlyIfCached: true}, nil); !errors.Is(err, ErrNotCached) {
		t.Errorf("after it: %v, want at least this process to have forgotten the key", err)
	}
	if err := c.PurgeAll(ctx); !errors.Is(err, ErrUnavailable) {
		t.Errorf("PurgeAll without Redis: %v, want ErrUnavailable", err)
	}
	for _, err := range c.Export(ctx) {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("Export without Redis: %v, want ErrUnavailable", err)
		}
	}
}
