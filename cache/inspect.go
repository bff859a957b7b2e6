package cache

import (
	"cmp"
	"context"
	"slices"
)

// Lookup returns what a Get would serve for key, as a Hit or Stale; nothing
// leaves Entry nil. It fills nothing and does not count as a use of the answer.
// After ErrUnavailable the result is that of memory alone.
func (c *Cache) Lookup(ctx context.Context, key string) (Result, error) {
	a := &allowance{adminBudget}
	g := c.current(ctx, a)
	it, layer := c.memory.peek(key), LayerMemory
	var failed error
	if now := c.now(); it == nil || !it.alive(now) || it.judge(g) != valid {
		rec, err := c.redis.read(ctx, a, key)
		switch {
		case err != nil:
			failed = c.unavailable("look up key", err)
		case c.usable(rec, g):
			it, layer = c.newItem(*rec, g), LayerRedis
		default:
			it = nil
		}
	}
	now := c.now()
	if it == nil || !it.alive(now) || it.judge(g) == purged {
		return Result{}, failed
	}
	return it.found(now, layer), failed
}

// KeyCount is how often a key was hit.
type KeyCount struct {
	Hash     string // of the key, which may hold somebody's address
	Hits     uint64
	Bytes    int
	Provider string
	Outcome  string
}

// TopKeys returns the n keys in the memory of this process with the most hits
// since they were stored there, most first.
func (c *Cache) TopKeys(n int) []KeyCount {
	items := []*item{}
	for _, it := range c.memory.all() {
		if it.hits.Load() > 0 {
			items = append(items, it)
		}
	}
	slices.SortFunc(items, func(a, b *item) int {
		return cmp.Or(cmp.Compare(b.hits.Load(), a.hits.Load()), cmp.Compare(a.Key, b.Key))
	})
	top := make([]KeyCount, 0, min(n, len(items)))
	for _, it := range items[:min(n, len(items))] {
		top = append(top, KeyCount{Hash(it.Key), it.hits.Load(), len(it.Body), it.Provider, it.Outcome})
	}
	return top
}
