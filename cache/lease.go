package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"geogate/internal/pause"
)

const (
	// Pauses between looks at a lease that another process holds. The event of
	// its end usually comes first.
	firstLook = 25 * time.Millisecond
	lastLook  = 250 * time.Millisecond
)

// lease is the right to fill one key for the whole fleet. It is a courtesy,
// not a lock: without one, or when it lapses in the middle, a fill goes on and
// its answer is as good.
type lease struct {
	name   string  // of the lease's Redis key; empty: Redis was not asked
	token  string  // of this process, empty if another one has the lease
	holder string  // the token of that other process
	stored *Record // the live answer in Redis, nil if there is none
	mark   string  // of the last purge, for store
	head   string  // first bytes of what Redis holds, live or not
	rank   int     // of the live answer in Redis; -1: there is none
}

// settle finds out whether token, which was to take the lease, is its holder. Where
// there is no holder, it lapsed at once or Redis had no room for it: then the fill goes
// on as if it had it.
func (l *lease) settle(token string) {
	if l.holder == token || l.holder == "" {
		l.token, l.holder = token, ""
	}
}

// replaceable is the head of what an answer of that rank may replace.
func (l *lease) replaceable(rank uint8) string {
	if l.rank >= 0 && l.rank < int(rank) {
		return ""
	}
	return l.head
}

// yielding begins the tokens of fills that queue behind those for people.
const yielding = "-"

// newToken makes up the token of a lease. It shows other processes whether a
// person can wait for the fill.
func newToken(lane Lane) string {
	if lane == People {
		return rand.Text()
	}
	return yielding + rand.Text()
}

func yields(token string) bool { return strings.HasPrefix(token, yielding) }

// contend waits until the flight may fill, with or without a lease, or until
// another process has stored an answer, which then is the lease's stored. It
// begins with what came of the first try with that token; an empty lease: nothing
// yet. It reports whether it had to wait for another process.
func (c *Cache) contend(ctx context.Context, a *allowance, f *flight, g *generations, token string, first lease) (l lease, waited bool, err error) {
	if !g.known {
		return lease{}, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.FillTimeout)
	defer cancel()
	name := c.redis.names(f.key).lease
	pauses := pause.NewGrowing(firstLook, lastLook)
	var hurried time.Time // when the holder was asked to hurry
	for ; ; waited = true {
		if waited {
			a, g = &allowance{c.cfg.RedisBudget}, c.gens.Load()
		}
		urgent := f.priority.Lane() == People
		if urgent && yields(token) {
			token = newToken(People)
		}
		l, first = first, lease{}
		if l.name == "" {
			l, err = c.acquire(ctx, a, f.key, name, token, g)
		}
		if err != nil && waited && !errors.Is(err, errRedisSkipped) {
			// Somebody is filling, and Redis only missed one look at it. It
			// is not waited for once the breaker calls it down.
			l, err = lease{}, nil
		}
		if err != nil {
			return lease{}, waited, ctx.Err() // without Redis, fill here
		}
		if l.stored != nil && !f.asked.good(&l.stored.Entry, c.now()) {
			l.stored = nil
		}
		if l.stored != nil || l.token != "" {
			return l, waited, nil
		}
		switch {
		case !urgent || !yields(l.holder):
		case hurried.IsZero():
			hurried = time.Now()
			_ = c.redis.hurry(ctx, a, f.key) // if it is not heard, the next case helps
		case time.Since(hurried) > c.cfg.Handover:
			if taken, err := c.redis.replace(ctx, a, f.key, name, l.holder, token, c.cfg.LeaseTTL); err == nil && taken {
				l.token = token
				return l, waited, nil
			}
		}
		look := time.NewTimer(pauses.Next())
		select {
		case <-f.woken:
		case <-look.C:
		case <-ctx.Done():
			look.Stop()
			return lease{}, waited, ctx.Err()
		}
		look.Stop()
	}
}

// tryLease takes the lease of forced fills if it is free. It is another one
// than that of contend: nobody waits for it.
func (c *Cache) tryLease(ctx context.Context, a *allowance, key string, lane Lane, g *generations) lease {
	if !g.known {
		return lease{}
	}
	// Whatever the error, the fill goes on without a lease.
	l, _ := c.acquire(ctx, a, key, c.redis.names(key).renewal, newToken(lane), g)
	return l
}

// acquire tries to take a lease. Its stored is what may be served, if anything.
func (c *Cache) acquire(ctx context.Context, a *allowance, key, name, token string, g *generations) (lease, error) {
	l, err := c.redis.acquire(ctx, a, key, name, token, c.cfg.LeaseTTL)
	l.rank = -1
	if c.usable(l.stored, g) {
		l.rank = int(l.stored.Rank)
	} else {
		l.stored = nil
	}
	return l, err
}

// keepLease renews the lease until stop is called, and lets it show when the
// flight has moved to the lane of people. Until then l belongs to it. A process
// that dies stops renewing, and another one takes over within LeaseTTL.
func (c *Cache) keepLease(ctx context.Context, f *flight, l *lease) (stop func()) {
	if l.token == "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(c.cfg.LeaseTTL / 3)
		defer tick.Stop()
		raised := f.priority.Raised()
		for {
			select {
			case <-tick.C:
			case <-raised:
				raised = nil
			case <-ctx.Done():
				return
			}
			token := l.token
			if yields(token) && f.priority.Lane() == People {
				token = newToken(People)
			}
			// Seen to its end, or stop could leave it open which token holds. A
			// failure is made up for by the next tick, or the lease lapses and
			// the key is filled twice.
			kept, err := c.redis.replace(context.WithoutCancel(ctx), &allowance{c.cfg.RedisBudget}, f.key, l.name, l.token, token, c.cfg.LeaseTTL)
			if err == nil && kept {
				l.token = token
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// giveBack ends the lease with nothing stored, so that the next process need
// not wait until it lapses.
func (c *Cache) giveBack(ctx context.Context, key string, l lease) {
	if l.token == "" {
		return
	}
	_ = c.redis.release(context.WithoutCancel(ctx), &allowance{c.cfg.RedisBudget}, key, l.name, l.token)
}
