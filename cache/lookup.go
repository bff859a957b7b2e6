package cache

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// lookup looks through the layers for a live answer on behalf of a flight. What
// it finds in Redis goes into memory. Answers that are not good are passed over.
func (c *Cache) lookup(ctx context.Context, a *allowance, f *flight, g *generations, good func(*Entry, time.Time) bool) (Result, bool) {
	read := func() (*Record, error) { return c.redis.read(ctx, a, f.key) }
	return c.lookupKey(f.key, g, good, read, func(it *item) { c.adopt(f, it) })
}

// Reach is Peek for an answer that is not in memory and is likely to be in Redis. It
// calls begin before it waits for Redis, RedisBudget at most; the context says whose turn
// that is, and nil that nobody may wait. Callers of a key share a look. Without an answer,
// spent is what has to go into the Directives of Get.
//
// A look in vain costs the caller of Get no further round trip: after it, Get's own look
// takes the lease.
func (c *Cache) Reach(key string, d Directives, begin func() context.Context, take func(Result) bool) (r Result, spent time.Duration, found bool) {
	g := c.gens.Load()
	if !g.known || d.NoStore || d.NoCache || c.redis.forecast.nothing() || c.memory.peek(key) != nil {
		return Result{}, 0, false
	}
	ctx := begin()
	if ctx == nil {
		return Result{}, 0, false
	}
	start := time.Now()
	f, joined := c.lookFlight(key)
	switch {
	case f == nil:
		return Result{}, 0, false
	case joined:
		<-f.done
	default:
		c.fly(ctx, f, g, &d)
	}
	r = f.result
	if f.err != nil || joined && !g.covers(r.item.generation, r.Entry) || !c.plain(&r, &d) {
		return Result{}, time.Since(start), false
	}
	if take != nil && !take(r) {
		c.redis.forecast.learn(false)
		return Result{}, time.Since(start), false
	}
	c.stats.count(&r)
	return r, 0, true
}

// lookFlight returns the flight of key that only looks, and whether it was under way
// before; nil if there is one that callers of Get wait for.
func (c *Cache) lookFlight(key string) (f *flight, joined bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flights[flightID{key: key}] != nil {
		return nil, false
	}
	id := flightID{key: key, looks: true}
	if f := c.flights[id]; f != nil {
		return f, true
	}
	f = newFlight(id, People)
	c.flights[id] = f
	return f, false
}

// fly is the whole of a flight that only looks.
func (c *Cache) fly(ctx context.Context, f *flight, g *generations, d *Directives) {
	defer c.land(f)
	f.err = ErrNotCached // if a panic ends it, too
	answered := false
	read := func() (*Record, error) {
		rec, err := c.redis.read(ctx, &allowance{c.cfg.RedisBudget}, f.key)
		answered = err == nil
		return rec, err
	}
	r, ok := c.lookupKey(f.key, g, d.good, read, func(it *item) { c.adopt(f, it) })
	if ok {
		f.result, f.err = r, nil
	}
	if answered {
		c.redis.forecast.learn(ok && c.plain(&r, d)) // what only Get may serve was looked for in vain, too
	}
}

// plain reports whether r may be served as it is, with nothing else to do.
func (c *Cache) plain(r *Result, d *Directives) bool {
	return d.accept(r.Age, r.Fresh) && !r.item.due(c.now())
}

// lookOrLease is lookup for a flight that is going to fill. Where it is likely that Redis
// holds nothing of the key, or has just been seen in Reach, it tries to take the lease for token in the same round trip.
// The lease is empty if it did not come to that: then Redis has to be asked for one.
func (c *Cache) lookOrLease(ctx context.Context, a *allowance, f *flight, g *generations, token string) (Result, lease, bool) {
	var l lease
	look := func() (rec *Record, err error) {
		if f.asked.Spent == 0 && !c.redis.forecast.nothing() {
			rec, err = c.redis.read(ctx, a, f.key)
		} else if rec, l, err = c.redis.look(ctx, a, f.key, token, c.cfg.LeaseTTL); err != nil && !errors.Is(err, errRedisSkipped) && !saysNothing(err) {
			f.astray = lease{name: c.redis.names(f.key).lease, token: token}
		}
		if err == nil {
			c.redis.forecast.learn(rec != nil)
		}
		return rec, err
	}
	r, ok := c.lookupKey(f.key, g, f.asked.good, look, func(it *item) { c.adopt(f, it) })
	return r, l, ok
}

// forecast guesses whether the next look into Redis will find something to serve, by how many
// of the last have. A script that also takes the lease saves a round trip where it finds
// nothing, and makes a hit a fifth dearer than GET where it does; a look of Reach saves half of
// a hit and costs as much where there is none. It is safe for concurrent use.
type forecast struct{ lost atomic.Int64 } // the share of looks in vain, of wholly

const (
	wholly = 1 << 16
	// foreseen is of how many looks one counts for a part.
	foreseen = 16
	// doubtful is the share of looks in vain above which the next is expected to be one.
	doubtful = wholly * 2 / 5
)

func (f *forecast) nothing() bool { return f.lost.Load() > doubtful }

// learn takes in what a look has found. Of those that end at the same time, one may not count.
func (f *forecast) learn(found bool) {
	lost := f.lost.Load()
	if found {
		lost -= lost / foreseen
	} else {
		lost += (wholly - lost) / foreseen
	}
	f.lost.Store(lost)
}

// lookupKey takes Redis's answer from read.
func (c *Cache) lookupKey(key string, g *generations, good func(*Entry, time.Time) bool, read func() (*Record, error), adopt func(*item)) (Result, bool) {
	held, v := c.held(key, g, c.now())
	if v == valid && good(&held.Entry, c.now()) {
		return held.found(c.now(), LayerMemory), true
	}
	// Whatever the error, the cache goes on without Redis.
	var rec *Record
	err := errRedisSkipped
	if g.known {
		rec, err = read()
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
