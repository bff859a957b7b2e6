package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// manyFill answers each key by its index, and counts calls and keys.
type manyFill struct {
	calls, keys atomic.Int64
	hold        <-chan struct{} // until it is closed nothing is answered; nil: at once
	err         error
}

func (f *manyFill) fill(_ context.Context, missing []int) ([]Entry, error) {
	f.calls.Add(1)
	f.keys.Add(int64(len(missing)))
	if f.hold != nil {
		<-f.hold
	}
	entries := make([]Entry, len(missing))
	for i, n := range missing {
		entries[i] = answer(fmt.Sprint("cell ", n))
	}
	return entries, f.err
}

func cellKeys(from, to int) []string {
	var keys []string
	for i := from; i < to; i++ {
		keys = append(keys, fmt.Sprint("cell|", i))
	}
	return keys
}

func TestManyAsksOnlyForWhatIsMissing(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(testing.TB) redis.UniversalClient) {
		caches := fleet(t, 2, client, Config{Memory: 1 << 20})
		steps := []struct {
			name        string
			cache       *Cache
			keys        []string
			wantAsked   int64
			class       Class
			layer, body string // of the first key
		}{
			{"nothing is kept", caches[0], cellKeys(0, 40), 40, Miss, "", "cell 0"},
			{"all is in memory", caches[0], cellKeys(0, 40), 0, Hit, LayerMemory, "cell 0"},
			{"all is in Redis", caches[1], cellKeys(0, 40), 0, Hit, LayerRedis, "cell 0"},
			{"a part is kept", caches[1], cellKeys(30, 50), 10, Hit, LayerMemory, "cell 30"},
			{"a key comes twice", caches[0], append(cellKeys(60, 61), cellKeys(60, 61)...), 1, Miss, "", "cell 0"},
			{"no key", caches[0], nil, 0, "", "", ""},
		}
		for _, s := range steps {
			var f manyFill
			results, err := s.cache.GetMany(t.Context(), s.keys, f.fill)
			if err != nil || len(results) != len(s.keys) {
				t.Fatalf("%s: %d results, %v, want %d", s.name, len(results), err, len(s.keys))
			}
			if n := f.keys.Load(); n != s.wantAsked || f.calls.Load() > 1 {
				t.Errorf("%s: %d keys in %d calls of fill, want %d in one", s.name, n, f.calls.Load(), s.wantAsked)
			}
			if len(results) > 0 {
				if r := results[0]; r.Class != s.class || r.Layer != s.layer || string(r.Body) != s.body {
					t.Errorf("%s: %s %q %q, want %s %q %q", s.name, r.Class, r.Layer, r.Body, s.class, s.layer, s.body)
				}
			}
		}
	})
}

// Callers in three processes who want overlapping keys at the same time cause one
// fill of each key.
func TestManyFillsEachKeyOnce(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(testing.TB) redis.UniversalClient) {
		caches := fleet(t, 3, client, Config{Memory: 1 << 20})
		hold := make(chan struct{})
		f := manyFill{hold: hold}
		var callers sync.WaitGroup
		for i := range 60 {
			callers.Go(func() {
				from := i % 20
				results, err := caches[i%3].GetMany(t.Context(), cellKeys(from, from+20), f.fill)
				if err != nil {
					t.Errorf("GetMany: %v", err)
				}
				for n, r := range results {
					if r.Entry == nil || len(r.Body) == 0 {
						t.Errorf("key %d has no answer", from+n)
					}
				}
			})
		}
		asynctest.Eventually(t, "the first fill", func() bool { return f.calls.Load() > 0 })
		close(hold)
		callers.Wait()
		if n := f.keys.Load(); n != 39 {
			t.Errorf("%d keys were filled, want each of the 39 once", n)
		}
	})
}

func TestManyFillThatFails(t *testing.T) {
	broken := errors.New("no engine")
	tests := []struct {
		name string
		fill FillMany
		want error
	}{
		{"error", func(context.Context, []int) ([]Entry, error) { return nil, broken }, broken},
		{"too few answers", func(context.Context, []int) ([]Entry, error) { return []Entry{answer("x")}, nil }, errMiscounted},
		{"panic", func(context.Context, []int) ([]Entry, error) { panic("out of order") }, ErrFillPanicked},
	}
	rdb := redistest.Start(t).Client(t)
	client := func(testing.TB) redis.UniversalClient { return rdb }
	caches := fleet(t, 2, client, Config{Memory: 1 << 20})
	for i, tt := range tests {
		keys := cellKeys(100*i, 100*i+5)
		if _, err := caches[0].GetMany(t.Context(), keys, tt.fill); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		// The leases were given back: the other process need not wait an hour.
		var f manyFill
		if _, err := caches[1].GetMany(t.Context(), keys, f.fill); err != nil || f.keys.Load() != 5 {
			t.Errorf("%s: then %d keys filled, %v, want 5", tt.name, f.keys.Load(), err)
		}
	}
}

func TestManyWithoutRedis(t *testing.T) {
	c := running(t, New(noRedis(t), Config{Memory: 1 << 20}))
	for round, want := range []int64{20, 0} {
		var f manyFill
		if _, err := c.GetMany(t.Context(), cellKeys(0, 20), f.fill); err != nil || f.keys.Load() != want {
			t.Errorf("round %d: %d keys filled, %v, want %d", round, f.keys.Load(), err, want)
		}
	}
}

func TestManyHeedsPurges(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	client := func(testing.TB) redis.UniversalClient { return rdb }
	caches := fleet(t, 1, client, Config{Memory: 1 << 20})
	for _, want := range []int64{10, 10} {
		var f manyFill
		if _, err := caches[0].GetMany(t.Context(), cellKeys(0, 10), f.fill); err != nil || f.keys.Load() != want {
			t.Errorf("%d keys filled, %v, want %d", f.keys.Load(), err, want)
		}
		if err := caches[0].PurgeProvider(t.Context(), answer("").Provider); err != nil {
			t.Fatal(err)
		}
	}
}

// A caller who leaves does not take the answer from the others.
func TestManyCallerWhoLeaves(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	client := func(testing.TB) redis.UniversalClient { return rdb }
	caches := fleet(t, 1, client, Config{Memory: 1 << 20})
	hold := make(chan struct{})
	f := manyFill{hold: hold}
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := caches[0].GetMany(ctx, cellKeys(0, 10), f.fill)
		left <- err
	}()
	asynctest.Eventually(t, "the fill", func() bool { return f.calls.Load() > 0 })
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("GetMany of who left: %v, want %v", err, context.Canceled)
	}
	close(hold)
	if _, err := caches[0].GetMany(t.Context(), cellKeys(0, 10), f.fill); err != nil || f.calls.Load() != 1 {
		t.Errorf("GetMany = %v after %d calls, want the answer of the first", err, f.calls.Load())
	}
}
