package cache

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// Stats is what a Cache has counted since it was made. Counts only grow. Each
// call of Get counts once, by class.
type Stats struct {
	HitsMemory, HitsRedis   uint64 // Hit, by layer
	StaleMemory, StaleRedis uint64 // Stale, by layer
	Misses                  uint64 // Miss, including those that shared a fill
	Bypasses                uint64 // Bypass
	NotCached               uint64 // ended in ErrNotCached
	Errors                  uint64 // ended in any other error

	Collapsed    uint64 // answered by a fill that another call had begun
	Fills        uint64 // calls of a fill, including refreshes
	FillErrors   uint64 // fills that failed, including those that panicked
	FillPanics   uint64 // fills that panicked
	CorruptReads uint64 // values in Redis that were damaged

	Refreshes        uint64 // refreshes that called a fill
	RefreshErrors    uint64 // refreshes that failed
	RefreshesRefused uint64 // refreshes for which there was no room in the queue
	MissedEvents     uint64 // times that the announcement of a purge was lost and made up for

	RedisCalls   uint64        // round trips tried
	RedisErrors  uint64        // round trips without a usable answer
	RedisRefused uint64        // entries for which Redis had no room
	RedisTime    time.Duration // spent in round trips

	MemoryEntries int    // present number of entries in the memory layer
	MemoryBytes   uint64 // that they take, about

	Listening bool // the subscription to the events of other processes is alive

	Providers map[string]ProviderStats // by the provider of the answer
}

// ProviderStats is what a provider was asked and what it was spared.
type ProviderStats struct {
	Fills uint64 // fills that it answered
	Hits  uint64 // Hit and Stale answers that came from it
}

// providerItems is what the items of one provider have in common, so that each of them
// needs a single pointer.
type providerItems struct {
	memory      *memoryLayer // that they are in
	fills, hits atomic.Uint64
}

func (c *Cache) provider(name string) *providerItems {
	if p, ok := c.providers.Load(name); ok {
		return p.(*providerItems)
	}
	p, _ := c.providers.LoadOrStore(name, &providerItems{memory: c.memory})
	return p.(*providerItems)
}

type counters struct {
	hitsMemory, hitsRedis, staleMemory, staleRedis atomic.Uint64
	misses, bypasses, notCached, errors            atomic.Uint64
	collapsed, fills, fillErrors, fillPanics       atomic.Uint64
	corrupt, redisCalls, redisErrors, redisRefused atomic.Uint64
	refreshes, refreshErrors, refreshesRefused     atomic.Uint64
	missedEvents                                   atomic.Uint64
	redisNanos                                     atomic.Int64
}

// Stats returns the present counts. It may be called at any time.
func (c *Cache) Stats() Stats {
	n := &c.stats
	s := Stats{
		HitsMemory: n.hitsMemory.Load(), HitsRedis: n.hitsRedis.Load(),
		StaleMemory: n.staleMemory.Load(), StaleRedis: n.staleRedis.Load(),
		Misses: n.misses.Load(), Bypasses: n.bypasses.Load(),
		NotCached: n.notCached.Load(), Errors: n.errors.Load(),
		Collapsed: n.collapsed.Load(), Fills: n.fills.Load(),
		FillErrors: n.fillErrors.Load(), FillPanics: n.fillPanics.Load(),
		CorruptReads: n.corrupt.Load(), RedisCalls: n.redisCalls.Load(),
		RedisErrors: n.redisErrors.Load(), RedisTime: time.Duration(n.redisNanos.Load()),
		RedisRefused: n.redisRefused.Load(), Refreshes: n.refreshes.Load(),
		RefreshErrors: n.refreshErrors.Load(), RefreshesRefused: n.refreshesRefused.Load(),
		MissedEvents: n.missedEvents.Load(), Providers: map[string]ProviderStats{},
	}
	for name, p := range c.providers.Range {
		n := p.(*providerItems)
		s.Providers[name.(string)] = ProviderStats{Fills: n.fills.Load(), Hits: n.hits.Load()}
	}
	s.Listening = c.listening.Load()
	s.MemoryEntries, s.MemoryBytes = c.memory.size()
	return s
}

// count counts a Get that has ended.
func (n *counters) count(r *Result) {
	switch r.Class {
	case Hit, Stale:
		n.countCached(r)
	case Miss:
		n.misses.Add(1)
	case Bypass:
		n.bypasses.Add(1)
	}
	if r.Collapsed {
		n.collapsed.Add(1)
	}
}

func (n *counters) countCached(r *Result) {
	r.item.hits.Add(1)
	r.item.provider.hits.Add(1)
	switch {
	case r.Class == Hit && r.Layer == LayerMemory:
		n.hitsMemory.Add(1)
	case r.Class == Hit:
		n.hitsRedis.Add(1)
	case r.Layer == LayerMemory:
		n.staleMemory.Add(1)
	default:
		n.staleRedis.Add(1)
	}
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
