package cache

import (
	"context"
	"errors"
)

// ErrFillPanicked is what every caller waiting for a fill gets when the fill
// panics or ends its goroutine. The panic itself is logged with its stack.
var ErrFillPanicked = errors.New("fill panicked")

// flightID names a flight. Three flights of a key can be under way in a process:
// one that fills only if no layer has the answer; one that is forced to fill, for
// requests that do not accept the answer there is and for refreshes; and one that
// only looks, for Reach.
type flightID struct {
	key    string
	forced bool
	looks  bool
}

// flight is one lookup and fill that any number of callers wait for. Its
// result and err are written before done is closed and only read after.
type flight struct {
	flightID
	priority *Priority // raised under Cache.mu
	asked    Directives
	done     chan struct{}
	result   Result
	err      error

	woken chan struct{} // there is news for a flight that waits for another process

	astray lease // that Redis may have given without saying so; the flight's own

	// Guarded by Cache.mu, set by events while the flight is under way:
	purged     bool  // its answer is from before a purge
	superseded int64 // Redis now holds an entry stored at this time (Unix nanoseconds)
}

func newFlight(id flightID, lane Lane) *flight {
	return &flight{flightID: id, priority: newPriority(lane), done: make(chan struct{}), woken: make(chan struct{}, 1)}
}

// raise moves the flight to the lane of people. The caller holds Cache.mu.
func (f *flight) raise() {
	if f.priority.Lane() != People {
		close(f.priority.raised)
		f.wake()
	}
}

// wake makes a flight that waits for another process look again.
func (f *flight) wake() {
	select {
	case f.woken <- struct{}{}:
	default: // it has not looked since the last time
	}
}

// fellShort reports whether a caller might get more from a flight of their own
// than from this one, which has landed. In a better lane than the one it began
// in: the budget may have had no room for that lane, or the refresh may have
// left the work to another process. After a lesser flight: it may have left
// nothing because of what it was not allowed to do.
func (f *flight) fellShort(d *Directives) bool {
	if f.asked.Lesser && !d.Lesser && (f.err != nil || !f.result.Stored) {
		return true
	}
	return d.Lane < f.priority.began && (f.err != nil || f.result.Cause != nil || f.forced && f.result.cached())
}

// join waits for the flight of id, and begins it if there is none. A person who
// joins a flight of another lane takes it along into theirs. The flight runs
// apart from ctx: a caller that goes away leaves it running for the others, and
// its answer is stored even if nobody is left. held is what memory had, for a
// forced flight to fall back on.
func (c *Cache) join(ctx context.Context, id flightID, d *Directives, held *item, fill Fill) (Result, error) {
	for {
		g := c.gens.Load()
		f, joined := c.flight(ctx, id, d, held, fill)
		select {
		case <-f.done:
		case <-ctx.Done():
			return Result{}, ctx.Err()
		}
		r := f.result
		switch {
		case joined && f.fellShort(d):
			continue
		case joined && f.err == nil && !g.covers(r.item.generation, r.Entry):
			continue // purged before this caller came
		}
		if joined && !r.cached() {
			r.Collapsed = true
		}
		return r, f.err
	}
}

// flight returns the flight of id, and whether it was under way before.
func (c *Cache) flight(ctx context.Context, id flightID, d *Directives, held *item, fill Fill) (f *flight, joined bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.flights[id]; ok {
		if d.Lane == People {
			f.raise()
		}
		return f, true
	}
	f = newFlight(id, d.Lane)
	f.asked = *d
	c.flights[id] = f
	c.detach(func() {
		defer func() { c.giveBack(ctx, f.key, f.astray) }() // when nobody waits any more
		defer c.land(f)
		// What holds if the fill ends this goroutine and resolve never returns.
		f.err = ErrFillPanicked
		f.result, f.err = c.resolve(context.WithoutCancel(ctx), f, held, fill)
	})
	return f, false
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

// land ends the flight. The layers hold the answer by now, so a caller that
// looks from here on finds it there, or begins a flight that does.
func (c *Cache) land(f *flight) {
	c.mu.Lock()
	if c.flights[f.flightID] == f { // a purge takes it off before it lands
		delete(c.flights, f.flightID)
	}
	c.mu.Unlock()
	close(f.done)
}

// flightsOf returns the flights of key. The caller holds c.mu.
func (c *Cache) flightsOf(key string) []*flight {
	var flights []*flight
	for _, id := range [...]flightID{{key: key}, {key: key, forced: true}, {key: key, looks: true}} {
		if f, ok := c.flights[id]; ok {
			flights = append(flights, f)
		}
	}
	return flights
}

// resolve does the work of a flight that callers wait for.
func (c *Cache) resolve(ctx context.Context, f *flight, held *item, fill Fill) (Result, error) {
	a := &allowance{c.cfg.RedisBudget - f.asked.Spent}
	if f.asked.Local {
		a.left = 0
	}
	g := c.current(ctx, a)
	var l lease
	if f.forced {
		l = c.tryLease(ctx, a, f.key, f.priority.Lane(), g)
	} else {
		// Look again, in memory too: another flight may have ended between
		// the caller's look and the beginning of this one.
		//
		//	caller 1: memory has nothing
		//	caller 2: memory has nothing
		//	caller 1: begins a flight, which fills, stores and ends
		//	caller 2: finds no flight and begins this one
		token := newToken(f.priority.Lane())
		r, first, ok := c.lookOrLease(ctx, a, f, g, token)
		if ok {
			return r, nil
		}
		var waited bool
		var err error
		if l, waited, err = c.contend(ctx, a, f, g, token, first); err != nil {
			return Result{}, err
		}
		if l.stored != nil {
			return c.takeOver(ctx, f, l, waited), nil
		}
	}
	r, err := c.fillAndStore(ctx, a, f, l, fill)
	if err == nil {
		if f.forced && (held != nil || l.stored != nil) {
			c.announceReplaced(ctx, &r)
		}
		return r, nil
	}
	if stale, ok := c.fallback(ctx, a, f, held); ok {
		stale.Cause = err
		return stale, nil
	}
	if r.Entry != nil {
		return r, nil
	}
	return Result{}, err
}

// takeOver makes the answer that another process has stored that of the flight.
func (c *Cache) takeOver(ctx context.Context, f *flight, l lease, waited bool) Result {
	c.giveBack(ctx, f.key, l)
	it := c.newItem(*l.stored, c.gens.Load())
	c.adopt(f, it)
	r := it.found(c.now(), LayerRedis)
	if waited && r.Class == Hit {
		// The caller has waited for a fill as long as for one of their own.
		r.Class, r.Layer, r.Collapsed = Miss, "", true
	}
	return r
}
