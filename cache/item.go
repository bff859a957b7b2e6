package cache

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
	"unique"
)

const (
	// Refresh-ahead begins at a random point of this part of the fresh life,
	// so that what was stored together is not refreshed together.
	aheadFrom, aheadTo = 0.80, 0.95
	// An item with so many hits since it was stored is in use.
	inUse = 2
)

// item is a record in this process, with what is worked out once for all
// callers. Only the atomic fields change after newItem.
type item struct {
	Record
	provider  *providerItems
	checked   uint64 // number of the last purge heard of when the record was read or filled
	refreshAt int64  // Unix nanoseconds

	hits atomic.Uint64
	// outdated: a refresh found that the answer is no longer right.
	outdated atomic.Bool
	gzOnce   sync.Once
	// seen is what was known of purges when the item was last found valid, so
	// that a hit only compares two pointers; inDoubt if Redis has to be asked.
	seen    atomic.Pointer[generations]
	gzipped atomic.Pointer[Gzipped]
	reading atomic.Pointer[any]
}

// inDoubt marks an item of which Redis may hold a newer version.
var inDoubt = new(generations)

// newItem returns an item that was read or filled when g was known of purges.
func (c *Cache) newItem(r Record, g *generations) *item {
	it := &item{Record: r, checked: g.heard}
	// One piece of memory instead of two: the garbage collector looks at each.
	names := r.Key + r.ETag
	it.Key, it.ETag = names[:len(r.Key)], names[len(r.Key):]
	it.ContentType, it.Provider, it.Outcome = shared(r.ContentType), shared(r.Provider), shared(r.Outcome)
	it.provider = c.provider(it.Provider)
	it.refreshAt = r.StoredAt.Add(r.Fresh).UnixNano()
	if !c.cfg.NoRefreshAhead {
		part := aheadFrom + (aheadTo-aheadFrom)*rand.Float64()
		it.refreshAt = r.StoredAt.Add(time.Duration(part * float64(r.Fresh))).UnixNano()
	}
	return it
}

// shared returns a copy of text for many items to have in common. Nothing else stays in
// memory for it, such as the rest of the header that an upstream sent it in. There is no
// table that grows with what an upstream or Redis makes up: when the garbage collector has
// run, the next items get another copy.
func shared(text string) string { return unique.Make(text).Value() }

// verdict says what may be done with an item in memory.
type verdict int

const (
	valid   verdict = iota
	doubted         // Redis has to be asked; usable if it cannot be asked
	purged
)

// judge checks the item against what is known of purges.
func (it *item) judge(g *generations) verdict {
	seen := it.seen.Load()
	switch {
	case seen == g:
		return valid
	case !g.covers(it.generation, &it.Entry):
		return purged
	case seen == inDoubt, it.checked < g.trusted:
		return doubted
	}
	// A plain store could undo a doubt cast meanwhile.
	it.seen.CompareAndSwap(seen, g)
	return valid
}

func (it *item) doubt()        { it.seen.Store(inDoubt) }
func (it *item) doubted() bool { return it.seen.Load() == inDoubt }

// due reports whether the item should be refreshed: when it is stale, and
// before that when it is in use.
func (it *item) due(now time.Time) bool {
	return now.UnixNano() >= it.refreshAt && (it.hits.Load() >= inUse || !it.fresh(now) || it.provider.memory == nil)
}

// passed reports whether the item is not served any more without asking first.
func (it *item) passed(now time.Time) bool { return it.outdated.Load() && !it.fresh(now) }

// betterThan reports whether the item may be served and is of a lower rank.
func (it *item) betterThan(other *item, now time.Time) bool {
	return it.Rank < other.Rank && it.alive(now)
}

// found describes a fresh or stale item of a layer.
func (it *item) found(now time.Time, layer string) Result {
	r := Result{Entry: &it.Entry, Class: Hit, Layer: layer, Stored: true, Age: it.age(now), item: it}
	if !it.fresh(now) {
		r.Class = Stale
	}
	return r
}

// filled describes an item that a fill has just made.
func (it *item) filled(class Class, now time.Time) Result {
	return Result{Entry: &it.Entry, Class: class, Age: it.age(now), item: it}
}
