package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Lane says for whom a fill runs, so that it can take its place in the queue
// for the upstream. The smaller lane goes first.
type Lane int

const (
	// People wait for the answer.
	People Lane = iota
	// Bulk is batch work, which has time.
	Bulk
	// Refresh renews an answer that is still being served.
	Refresh
)

// String returns the name used in logs.
func (l Lane) String() string { return [...]string{"people", "bulk", "refresh"}[l] }

// Priority tells a fill its lane, which gets better when a person comes to wait
// for the same answer. A fill that queues should watch Raised. All methods are
// safe for concurrent use.
type Priority struct {
	began  Lane
	raised chan struct{}
	renews *Entry
}

func newPriority(began Lane) *Priority {
	return &Priority{began: began, raised: make(chan struct{})}
}

// Lane is the present lane.
func (p *Priority) Lane() Lane {
	select {
	case <-p.raised:
		return People
	default:
		return p.began
	}
}

// Raised is closed when the fill moves to the lane of People. It stays open for
// a fill that began there.
func (p *Priority) Raised() <-chan struct{} { return p.raised }

// Renews is the answer that a refresh is to renew, nil for any other fill. It is
// shared: read only.
func (p *Priority) Renews() *Entry { return p.renews }

// Fill obtains the answer for the key it was passed with. It may be called
// after the Get that passed it has returned (for a caller that gave up, and
// for refreshes), so it must not use anything that ends with the request.
// Its own ctx carries the values of that request's context but neither its
// cancellation nor its deadline. After an error nothing is stored; with a
// *SecondBestError callers still get an answer.
type Fill func(ctx context.Context, p *Priority) (Entry, error)

// fillAndStore obtains the answer, puts it into the layers and gives the
// lease back.
func (c *Cache) fillAndStore(ctx context.Context, a *allowance, f *flight, l lease, fill Fill) (Result, error) {
	// Whatever is purged from here on is purged after the fill began.
	g := c.gens.Load()
	stop := c.keepLease(ctx, f, &l)
	returned := false
	// Deferred, because a fill may end the goroutine.
	defer func() {
		stop()
		if !returned {
			c.giveBack(ctx, f.key, l)
		}
	}()
	e, err := c.call(ctx, fill, f.priority)
	if err != nil {
		return c.secondBest(f.key, err), err
	}
	it := c.newItem(Record{Key: f.key, Entry: e, generation: g.seq()}, g)
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
	if g.known && l.name != "" {
		inRedis, err = c.redis.store(ctx, a, &it.Record, l, c.now())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.purged || err == nil && !inRedis {
		return false
	}
	return c.memory.offer(it, g) || inRedis
}

// call runs the fill under its own deadline and turns a panic into an error.
func (c *Cache) call(ctx context.Context, fill Fill, p *Priority) (e Entry, err error) {
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
	if !e.legible() {
		c.stats.fillErrors.Add(1)
		return Entry{}, errIllegible
	}
	return e, nil
}

// errIllegible is a fault of the fill.
var errIllegible = errors.New("the fill made an entry that no header can hold")

func (c *Cache) panicked(value any) error {
	c.stats.fillErrors.Add(1)
	c.stats.fillPanics.Add(1)
	c.log.Error().Interface("panic", value).Bytes("stack", debug.Stack()).Msg("fill panicked")
	return fmt.Errorf("%w: %v", ErrFillPanicked, value)
}

// A SecondBestError is what a fill returns when it has an answer that must not
// be stored because somebody who might know more could not be asked. Callers for
// whom there is no live answer get the Entry, as a Bypass with the error as its
// Cause. From a refresh it also says that the answer being served is outdated:
// once that is stale, callers wait for another.
type SecondBestError struct {
	Entry Entry
	Err   error // why it is no better
}

func (e *SecondBestError) Error() string { return "only second best: " + e.Err.Error() }

// Unwrap returns why it is no better.
func (e *SecondBestError) Unwrap() error { return e.Err }
