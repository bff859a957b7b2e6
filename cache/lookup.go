package cache

import (
	"context"
	"errors"
	"time"
)

// lookup looks through the layers for a live answer on behalf of a flight. What
// it finds in Redis goes into memory. Answers that are not good are passed over.
func (c *Cache) lookup(ctx context.Context, a *allowance, f *flight, g *generations, good func(*Entry, time.Time) bool) (Result, bool) {
	return c.lookupKey(ctx, a, f.key, g, good, func(it *item) { c.adopt(f, it) })
}

func (c *Cache) lookupKey(ctx context.Context, a *allowance, key string, g *generations, good func(*Entry, time.Time) bool, adopt func(*item)) (Result, bool) {
	held, v := c.held(key, g, c.now())
	if v == valid && good(&held.Entry, c.now()) {
		return held.found(c.now(), LayerMemory), true
	}
	// Whatever the error, the cache goes on without Redis.
	var rec *Record
	err := errRedisSkipped
	if g.known {
		rec, err = c.redis.read(ctx, a, key)
	}
	switch {
	case err != nil && held != nil && good(&held.Entry, c.now()):
		return held.found(c.now(), LayerMemory), true
	case err == nil && c.usable(rec, g) && good(&rec.Entry, c.now()):
		it := c.newItem(*rec, g)
		adopt(it)
		return it.found(c.now(), LayerRedis), true
	case err == nil && v == doubted && !c.usable(rec, g):
		// In doubt, and Redis no longer has it.
		c.memory.drop(key)
	}
	return Result{}, false
}

// held returns the item in memory that may be served, and whether it is valid
// or doubted; without one nil and purged.
func (c *Cache) held(key string, g *generations, now time.Time) (*item, verdict) {
	it := c.memory.get(key, now)
	if it == nil {
		return nil, purged
	}
	v := it.judge(g)
	if v == purged {
		c.memory.drop(key)
		return nil, purged
	}
	return it, v
}

// usable reports whether what Redis had may be served.
func (c *Cache) usable(rec *Record, g *generations) bool {
	return rec != nil && rec.alive(c.now()) && g.covers(rec.generation, &rec.Entry) && !c.owes(rec)
}

// secondBest is the answer in an error of a fill, if there is one.
func (c *Cache) secondBest(key string, err error) Result {
	second, ok := errors.AsType[*SecondBestError](err)
	if !ok {
		return Result{}
	}
	e, g := second.Entry, c.gens.Load()
	e.complete(c.now())
	r := c.newItem(Record{Key: key, Entry: e, generation: g.seq()}, g).filled(Bypass, c.now())
	r.Cause = second.Err
	return r
}

// adopt puts into memory what the flight found in Redis, unless an event has
// overtaken it.
func (c *Cache) adopt(f *flight, it *item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.purged {
		return
	}
	if f.superseded != 0 && f.superseded != it.StoredAt.UnixNano() {
		it.doubt()
	}
	c.memory.adopt(it, c.now())
}

// fallback finds an answer to serve in place of an error.
func (c *Cache) fallback(ctx context.Context, a *allowance, f *flight, held *item) (Result, bool) {
	g := c.gens.Load()
	r, ok := c.lookup(ctx, a, f, g, func(*Entry, time.Time) bool { return true })
	if !ok && held != nil && held.alive(c.now()) && held.judge(g) != purged {
		// Evicted while the fill was under way.
		r, ok = held.found(c.now(), LayerMemory), true
	}
	// It may be fresh, but the request wanted a newer one.
	r.Class = Stale
	return r, ok
}
