package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
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
)

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
}

// join waits for the flight of key and kind, and begins it if there is none.
// The flight runs apart from ctx: a caller that goes away leaves it going for
// the others, and its answer is stored even if nobody is left.
func (c *Cache) join(ctx context.Context, key string, kind flightKind, held *item, fill Fill) (Result, error) {
	fk := flightKey{key, kind}
	c.mu.Lock()
	f, joined := c.flights[fk]
	if !joined {
		f = &flight{flightKey: fk, done: make(chan struct{})}
		c.flights[fk] = f
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
	defer func() {
		// The layers hold the answer by now, so a caller that looks from here
		// on finds it there or begins a flight that does.
		c.mu.Lock()
		delete(c.flights, f.flightKey)
		c.mu.Unlock()
		close(f.done)
	}()
	// What holds if the fill ends this goroutine and resolve never returns.
	f.err = ErrFillPanicked
	f.result, f.err = c.resolve(ctx, f, held, fill)
}

// resolve does the work of a flight. held is what the memory layer had when
// the flight began, to fall back on.
func (c *Cache) resolve(ctx context.Context, f *flight, held *item, fill Fill) (Result, error) {
	a := &allowance{c.cfg.RedisBudget}
	found := func() (Result, bool) { return c.lookup(ctx, a, f.key) }
	if f.kind == shared {
		// Look again, in memory too: this flight may have begun after another
		// one that the caller did not see.
		//
		//	caller 1: memory has nothing
		//	caller 2: memory has nothing
		//	caller 1: begins the flight, fills, stores; the flight ends
		//	caller 2: finds no flight and begins this one
		if r, ok := found(); ok {
			return r, nil
		}
	}
	r, err := c.fillAndStore(ctx, a, f.key, fill, Foreground)
	if err == nil {
		return r, nil
	}
	if stale, ok := c.fallback(held, found); ok {
		stale.Cause = err
		return stale, nil
	}
	return Result{}, err
}

// lookup looks through the layers for a live answer.
func (c *Cache) lookup(ctx context.Context, a *allowance, key string) (Result, bool) {
	now := c.now()
	if it := c.memory.get(key, now); it != nil {
		return it.result(now, LayerMemory), true
	}
	// Whatever the error, there is nothing to do but to go on without Redis.
	rec, err := c.redis.read(ctx, a, key)
	if err != nil || rec == nil || !rec.entry.alive(now) {
		return Result{}, false
	}
	it := newItem(rec.entry)
	c.memory.adopt(key, it)
	return it.result(now, LayerRedis), true
}

// fallback finds an answer to serve in place of an error.
func (c *Cache) fallback(held *item, found func() (Result, bool)) (Result, bool) {
	r, ok := found()
	if now := c.now(); !ok && held != nil && held.alive(now) {
		r, ok = held.result(now, LayerMemory), true
	}
	// It may be fresh, for a request that wanted a newer one: it is still
	// not what was asked for.
	r.Class = Stale
	return r, ok
}

// fillAndStore obtains the answer and puts it into the layers.
func (c *Cache) fillAndStore(ctx context.Context, a *allowance, key string, fill Fill, p Purpose) (Result, error) {
	e, err := c.call(ctx, fill, p)
	if err != nil {
		return Result{}, err
	}
	it := newItem(e)
	if !e.storable() {
		return it.filled(Bypass, c.now()), nil
	}
	r := it.filled(Miss, c.now())
	r.Stored = c.keep(ctx, a, key, it)
	return r, nil
}

// keep stores the item and reports whether a layer took it.
func (c *Cache) keep(ctx context.Context, a *allowance, key string, it *item) bool {
	c.memory.put(key, it)
	err := c.redis.store(ctx, a, &record{key: key, entry: it.Entry}, c.now())
	return err == nil || c.memory != nil
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
