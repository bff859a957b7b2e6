package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// ErrFillPanicked is what every caller waiting for a fill gets when the fill
// panics or ends its goroutine. The panic itself is logged with its stack.
var ErrFillPanicked = errors.New("fill panicked")

// flightKind keeps calls apart that must not share an answer.
type flightKind uint8

const (
	// shared flights take what a layer has and fill only if there is nothing.
	shared flightKind = iota
	// forced flights fill in any case: for requests that do not accept what
	// is there.
	forced
	// renewing flights refresh what is still being served. Nobody waits for
	// them: they fill with a low priority, and a caller must not.
	renewing
	// patient flights are as shared ones, for callers that have time. They fill
	// with a low priority, too, so a caller who has none must not wait for them.
	patient
)

var flightKinds = [...]flightKind{shared, forced, renewing, patient}

// waits reports whether flights of the kind wait for those of other processes.
func (k flightKind) waits() bool { return k == shared || k == patient }

type flightKey struct {
	key  string
	kind flightKind
}

// flight is one lookup and fill that any number of callers wait for. Its
// result and err are written before done is closed and only read after.
type flight struct {
	flightKey
	done   chan struct{}
	result Result
	err    error

	woken chan struct{} // another process has stored the entry or given up

	// Guarded by Cache.mu, set by events while the flight is under way:
	purged     bool  // what it brings is from before a purge
	superseded int64 // an entry stored at this time (unix nanoseconds) is in Redis now
}

func newFlight(key string, kind flightKind) *flight {
	return &flight{flightKey: flightKey{key, kind}, done: make(chan struct{}), woken: make(chan struct{}, 1)}
}

// join waits for the flight of key and kind, and begins it if there is none.
// The flight runs apart from ctx: a caller that goes away leaves it going for
// the others, and its answer is stored even if nobody is left.
func (c *Cache) join(ctx context.Context, key string, kind flightKind, held *item, fill Fill) (Result, error) {
	c.mu.Lock()
	f, joined := c.flights[flightKey{key, kind}]
	if !joined && kind == patient { // somebody without patience is at it: better still
		f, joined = c.flights[flightKey{key, shared}]
	}
	if !joined {
		f = newFlight(key, kind)
		c.flights[f.flightKey] = f
		c.detach(func() { c.fly(context.WithoutCancel(ctx), f, held, fill) })
	}
	c.mu.Unlock()

	select {
	case <-f.done:
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	r := f.result
	if joined && (r.Class == Miss || r.Class == Bypass) {
		r.Collapsed = true
	}
	return r, f.err
}

// detach runs f on a goroutine of its own, which Run waits for at its end.
// The caller holds c.mu.
func (c *Cache) detach(f func()) {
	if c.stopping {
		go f()
		return
	}
	c.background.Go(f)
}

func (c *Cache) fly(ctx context.Context, f *flight, held *item, fill Fill) {
	defer c.land(f)
	// What holds if the fill ends this goroutine and resolve never returns.
	f.err = ErrFillPanicked
	f.result, f.err = c.resolve(ctx, f, held, fill)
}

// land ends the flight. The layers hold the answer by now, so a caller that
// looks from here on finds it there, or begins a flight that does.
func (c *Cache) land(f *flight) {
	c.mu.Lock()
	delete(c.flights, f.flightKey)
	c.mu.Unlock()
	close(f.done)
}

// resolve does the work of any flight but a renewing one. held is what the memory
// layer had when the flight began, to fall back on.
func (c *Cache) resolve(ctx context.Context, f *flight, held *item, fill Fill) (Result, error) {
	a := &allowance{c.cfg.RedisBudget}
	g := c.current(ctx, a)
	var l lease
	if f.kind.waits() {
		// Look again, in memory too: this flight may have begun after another
		// one that the caller did not see.
		//
		//	caller 1: memory has nothing
		//	caller 2: memory has nothing
		//	caller 1: begins the flight, fills, stores; the flight ends
		//	caller 2: finds no flight and begins this one
		if r, ok := c.lookup(ctx, a, f, g); ok {
			return r, nil
		}
		won, r, err := c.contend(ctx, a, f, g)
		if r != nil || err != nil {
			return deref(r), err
		}
		l = won
	} else {
		l = c.tryLease(ctx, a, f.key, g)
	}
	r, err := c.fillAndStore(ctx, a, f, l, fill, Foreground)
	if err == nil {
		if f.kind == forced && (held != nil || l.claim.envelope != nil) {
			c.announceReplaced(ctx, r.item)
		}
		return r, nil
	}
	if stale, ok := c.fallback(ctx, a, f, held); ok {
		stale.Cause = err
		return stale, nil
	}
	return Result{}, err
}

func deref(r *Result) Result {
	if r == nil {
		return Result{}
	}
	return *r
}

// lookup looks through the layers for a live answer; what it finds in Redis
// goes into memory if f says for which flight.
func (c *Cache) lookup(ctx context.Context, a *allowance, f *flight, g *generations) (Result, bool) {
	return c.lookupKey(ctx, a, f.key, g, func(it *item) { c.adopt(f, it) })
}

func (c *Cache) lookupKey(ctx context.Context, a *allowance, key string, g *generations, adopt func(*item)) (Result, bool) {
	held, v := c.held(key, g, c.now())
	if v == valid && held != nil {
		return held.found(c.now(), LayerMemory), true
	}
	// Whatever the error, there is nothing to do but to go on without Redis.
	var env *envelope
	err := errRedisSkipped
	if g.known {
		env, err = c.redis.read(ctx, a, key)
	}
	switch {
	case err != nil && held != nil:
		return held.found(c.now(), LayerMemory), true
	case err == nil && c.usable(env, g):
		it := c.newItem(key, env.entry, env.generation, g)
		adopt(it)
		return it.found(c.now(), LayerRedis), true
	case err == nil && held != nil:
		// In doubt, and Redis does not have it any more.
		c.memory.drop(key)
	}
	return Result{}, false
}

// held returns the item in memory, nil if there is none that may be served.
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
func (c *Cache) usable(env *envelope, g *generations) bool {
	return env != nil && env.entry.alive(c.now()) && g.covers(env.generation, &env.entry)
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
	c.memory.adopt(it.key, it)
}

// fallback finds an answer to serve in place of an error.
func (c *Cache) fallback(ctx context.Context, a *allowance, f *flight, held *item) (Result, bool) {
	g := c.gens.Load()
	r, ok := c.lookup(ctx, a, f, g)
	if !ok && held != nil && held.alive(c.now()) && held.judge(g) != purged {
		// Evicted while the fill was under way.
		r, ok = held.found(c.now(), LayerMemory), true
	}
	// It may be fresh, for a request that wanted a newer one: it is still
	// not what was asked for.
	r.Class = Stale
	return r, ok
}

// fillAndStore obtains the answer, puts it into the layers and gives the
// lease back.
func (c *Cache) fillAndStore(ctx context.Context, a *allowance, f *flight, l lease, fill Fill, p Purpose) (Result, error) {
	// From here on: whatever is purged later is newer than the answer.
	g := c.gens.Load()
	stop := c.keepLease(ctx, f.key, l)
	returned := false
	// Deferred, because a fill may end the goroutine.
	defer func() {
		stop()
		if !returned {
			c.giveBack(ctx, f.key, l)
		}
	}()
	e, err := c.call(ctx, fill, p)
	if err != nil {
		return Result{}, err
	}
	it := c.newItem(f.key, e, g.seq(), g)
	it.provider.fills.Add(1)
	if !e.storable() {
		return it.filled(Bypass, c.now()), nil
	}
	stop()
	returned = true // by the store, or it lapses
	r := it.filled(Miss, c.now())
	r.Stored = c.keep(ctx, a, f, it, l, g)
	return r, nil
}

// keep stores the item in both layers, Redis first, because Redis knows
// whether the key was purged meanwhile. It reports whether a layer took it.
func (c *Cache) keep(ctx context.Context, a *allowance, f *flight, it *item, l lease, g *generations) bool {
	inRedis, err := false, errRedisSkipped
	if g.known && l.asked {
		env := &envelope{key: f.key, generation: it.generation, entry: it.Entry}
		inRedis, err = c.redis.store(ctx, a, env, l.name, l.claim, c.now())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.purged || err == nil && !inRedis {
		return false
	}
	c.memory.put(f.key, it)
	return inRedis || c.memory != nil
}

// call runs the fill under its own deadline and turns a panic into an error.
func (c *Cache) call(ctx context.Context, fill Fill, p Purpose) (e Entry, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.FillTimeout)
	defer cancel()
	c.stats.fills.Add(1)
	// returned stays false through a panic and through runtime.Goexit, which
	// recover cannot see.
	returned := false
	defer func() {
		if !returned {
			err = c.panicked(recover())
		}
	}()
	e, err = fill(ctx, p)
	returned = true
	if err != nil {
		c.stats.fillErrors.Add(1)
		return Entry{}, err
	}
	e.complete(c.now())
	return e, nil
}

func (c *Cache) panicked(value any) error {
	c.stats.fillErrors.Add(1)
	c.stats.fillPanics.Add(1)
	c.log.Error().Interface("panic", value).Bytes("stack", debug.Stack()).Msg("fill panicked")
	return fmt.Errorf("%w: %v", ErrFillPanicked, value)
}
