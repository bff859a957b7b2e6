package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"geogate/internal/pause"
)

// ErrFillPanicked is what every caller waiting for a fill gets when the fill
// panics or ends its goroutine. The panic itself is logged with its stack.
var ErrFillPanicked = errors.New("fill panicked")

// flightID names a flight. Two flights of a key can be under way in a process:
// one that fills only if no layer has the answer, and one that is forced to
// fill, for requests that do not accept the answer there is and for refreshes.
type flightID struct {
	key    string
	forced bool
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
	for _, forced := range [...]bool{false, true} {
		if f, ok := c.flights[flightID{key, forced}]; ok {
			flights = append(flights, f)
		}
	}
	return flights
}

// resolve does the work of a flight that callers wait for.
func (c *Cache) resolve(ctx context.Context, f *flight, held *item, fill Fill) (Result, error) {
	a := &allowance{c.cfg.RedisBudget}
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
		if r, ok := c.lookup(ctx, a, f, g, f.asked.good); ok {
			return r, nil
		}
		var waited bool
		var err error
		if l, waited, err = c.contend(ctx, a, f, g); err != nil {
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
// reports whether it had to wait for another process.
func (c *Cache) contend(ctx context.Context, a *allowance, f *flight, g *generations) (l lease, waited bool, err error) {
	if !g.known {
		return lease{}, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.FillTimeout)
	defer cancel()
	name, token := c.redis.names(f.key).lease, newToken(f.priority.Lane())
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
		l, err = c.acquire(ctx, a, f.key, name, token, g)
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
