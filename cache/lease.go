package cache

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"time"
)

// Pauses between looks at a lease that another process holds, with jitter.
// The event of its end usually comes first.
const (
	firstLook = 25 * time.Millisecond
	lastLook  = 250 * time.Millisecond
)

// lease is the right to fill one key for the whole fleet. It is a courtesy,
// not a lock: without one, or when it lapses in the middle, a fill goes on and
// its answer is as good.
type lease struct {
	name  string // of the lease's Redis key
	asked bool   // Redis answered, so that claim is true
	claim claim
}

// contend waits until the flight may fill (r is nil), or until another
// process has done so (r is its answer).
func (c *Cache) contend(ctx context.Context, a *allowance, f *flight, g *generations) (l lease, r *Result, err error) {
	if !g.known {
		return lease{}, nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.FillTimeout)
	defer cancel()
	l.name = c.redis.names(f.key).lease
	if f.kind == patient {
		l.name = c.redis.names(f.key).patience
	}
	token := rand.Text()
	pause := firstLook
	for waited := false; ; waited = true {
		if waited {
			a = &allowance{c.cfg.RedisBudget}
			g = c.gens.Load()
		}
		got, err := c.redis.acquire(ctx, a, f.key, l.name, token, c.cfg.LeaseTTL)
		if err != nil && waited && !errors.Is(err, errRedisSkipped) {
			// Somebody is filling, and Redis only missed one look at it. It
			// is not waited for once the breaker calls it down.
			got, err = claim{}, nil
		}
		if err != nil {
			return lease{}, nil, ctx.Err() // without Redis, fill here
		}
		l.asked, l.claim = true, got
		if c.usable(got.envelope, g) {
			c.giveBack(ctx, f.key, l)
			r := c.takeOver(f, got.envelope, g, waited)
			return l, &r, nil
		}
		if got.token != "" {
			return l, nil, nil
		}
		look := time.NewTimer(pause/2 + mathrand.N(pause))
		select {
		case <-f.woken:
		case <-look.C:
		case <-ctx.Done():
			look.Stop()
			return lease{}, nil, ctx.Err()
		}
		look.Stop()
		pause = min(2*pause, lastLook)
	}
}

// takeOver makes the answer of another process that of the flight.
func (c *Cache) takeOver(f *flight, env *envelope, g *generations, waited bool) Result {
	it := c.newItem(f.key, env.entry, env.generation, g)
	c.adopt(f, it)
	r := it.found(c.now(), LayerRedis)
	if waited && r.Class == Hit {
		// The caller has waited for a fill as long as for its own.
		r.Class, r.Layer, r.Collapsed = Miss, "", true
	}
	return r
}

// tryLease takes the lease of refreshes if it is free. It is another one than
// that of contend, so that a caller never waits for a refresh.
func (c *Cache) tryLease(ctx context.Context, a *allowance, key string, g *generations) lease {
	if !g.known {
		return lease{}
	}
	l := lease{name: c.redis.names(key).renewal}
	got, err := c.redis.acquire(ctx, a, key, l.name, rand.Text(), c.cfg.LeaseTTL)
	if err == nil {
		l.asked, l.claim = true, got
	}
	return l
}

// keepLease renews the lease until stop is called. A process that dies stops
// renewing, and another one takes over within LeaseTTL.
func (c *Cache) keepLease(ctx context.Context, key string, l lease) (stop func()) {
	if l.claim.token == "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(c.cfg.LeaseTTL / 3)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				// A failure is made up for by the next tick, or the lease
				// lapses and the key is filled twice.
				_ = c.redis.renew(ctx, &allowance{c.cfg.RedisBudget}, key, l.name, l.claim.token, c.cfg.LeaseTTL)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// giveBack ends the lease with nothing stored, so that the next one need not
// wait until it lapses.
func (c *Cache) giveBack(ctx context.Context, key string, l lease) {
	if l.claim.token == "" {
		return
	}
	ctx = context.WithoutCancel(ctx)
	_ = c.redis.release(ctx, &allowance{c.cfg.RedisBudget}, key, l.name, l.claim.token)
}
