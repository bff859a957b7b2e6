package cache

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Found is what the cache holds for a key at one moment.
type Found struct {
	Hash string
	// Entry is what a Get would serve, nil if nothing: read only.
	*Entry
	Class Class  // Hit or Stale; empty if there is nothing
	Layer string // where it is
	Age   time.Duration
	// FreshLeft and Left are the times until the entry is stale and until it
	// may not be served any more; FreshLeft is negative for a stale one.
	FreshLeft, Left time.Duration
	// RefreshAt is when this process refreshes the entry if it is in use; zero
	// if the entry is not in memory.
	RefreshAt time.Time
	Hits      uint64 // by this process, since it has the entry in memory
}

// Lookup tells what there is for key. It counts as no use of it and fills
// nothing. With ErrUnavailable the answer is that of memory alone.
func (c *Cache) Lookup(ctx context.Context, key string) (Found, error) {
	f := Found{Hash: Hash(key)}
	a := &allowance{adminBudget}
	g := c.current(ctx, a)
	var failed error
	it, layer := c.memory.peek(key), LayerMemory
	if now := c.now(); it == nil || !it.alive(now) || it.judge(g) != valid {
		layer = LayerRedis
		env, err := c.redis.read(ctx, a, key)
		switch {
		case err != nil:
			failed = c.unavailable("look up key", err)
		case c.usable(env, g):
			it = c.newItem(key, env.entry, env.generation, g)
		default:
			it = nil
		}
	}
	now := c.now()
	if it == nil || !it.alive(now) || it.judge(g) == purged {
		return f, failed
	}
	if failed != nil {
		layer = LayerMemory
	}
	r := it.found(now, layer)
	f.Entry, f.Class, f.Layer, f.Age = r.Entry, r.Class, r.Layer, r.Age
	f.FreshLeft, f.Left, f.Hits = it.Fresh-r.Age, it.life()-r.Age, it.hits.Load()
	if layer == LayerMemory {
		f.RefreshAt = time.Unix(0, it.refreshAt).UTC()
	}
	return f, failed
}

// KeyCount is how often a key was hit.
type KeyCount struct {
	Hash     string // of the key, which itself is nobody's business
	Hits     uint64
	Bytes    int
	Provider string
	Outcome  string
}

// TopKeys returns the n keys in the memory of this process that were hit most
// since they were stored there, most first.
func (c *Cache) TopKeys(n int) []KeyCount {
	items := []*item{}
	for _, it := range c.memory.all() {
		if it.hits.Load() > 0 {
			items = append(items, it)
		}
	}
	slices.SortFunc(items, func(a, b *item) int {
		return cmp.Or(cmp.Compare(b.hits.Load(), a.hits.Load()), cmp.Compare(a.key, b.key))
	})
	top := make([]KeyCount, 0, min(n, len(items)))
	for _, it := range items[:min(n, len(items))] {
		top = append(top, KeyCount{Hash(it.key), it.hits.Load(), len(it.Body), it.Provider, it.Outcome})
	}
	return top
}
