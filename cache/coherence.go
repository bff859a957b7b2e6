package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// silence is how long a subscription may stay quiet before it is pinged,
	// and then again before it is given up as dead.
	silence = time.Second
	// Pauses between attempts to subscribe, with jitter.
	minResubscribe = 50 * time.Millisecond
	maxResubscribe = 2 * time.Second
)

// sync brings what the process knows of purges up to date with Redis, and
// Redis up to date with the process if it has lost something.
func (c *Cache) sync(ctx context.Context, a *allowance) error {
	record, err := c.redis.readRecord(ctx, a)
	if err != nil {
		return err
	}
	g := c.gens.Load()
	if len(record) == 0 && !g.known {
		// Nobody knows which purges there were. To be safe everything that
		// may lie in Redis counts as purged, by a number above any before.
		now := uint64(time.Now().UnixMicro())
		g = g.merged(map[string]uint64{scopeSeq: now, scopeAll: now})
	}
	if exceeds(g.scopes, record) {
		if record, err = c.redis.mergeRecord(ctx, a, g, nil); err != nil {
			return err
		}
	}
	c.learn(record)
	return nil
}

// learn takes in a copy of the record.
func (c *Cache) learn(record map[string]uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gens.Load()
	if g.known && !exceeds(record, g.scopes) {
		return
	}
	n := g.merged(record)
	if !n.known {
		n.known = true
		n.heard = n.seq()
	}
	c.gens.Store(n)
}

// watch re-reads the record of purges at every PollInterval and whenever
// asked, until ctx ends. It repairs what the subscription missed: a purge by
// scope at once, one of a single key at the second look, because at the first
// its announcement may still be on its way.
func (c *Cache) watch(ctx context.Context) {
	tick := time.NewTicker(c.cfg.PollInterval)
	defer tick.Stop()
	var before uint64 // the last number at the previous tick
	for {
		if err := c.sync(ctx, &allowance{c.cfg.RedisBudget}); err == nil {
			select {
			case <-ctx.Done():
				return
			case <-c.resync:
				continue
			case <-tick.C:
			}
			c.distrust(before)
			before = c.gens.Load().seq()
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// distrust notes that every announcement up to number should have arrived. If
// one has not, a purge of some key was missed.
func (c *Cache) distrust(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gens.Load()
	if g.heard >= number {
		return
	}
	n := *g
	n.heard, n.trusted = number, number
	c.gens.Store(&n)
	c.stats.missedEvents.Add(1)
}

// listen keeps the process's one subscription alive until ctx ends.
func (c *Cache) listen(ctx context.Context) {
	pause := minResubscribe
	for ctx.Err() == nil {
		start := time.Now()
		err := c.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		c.log.Debug().Err(err).Msg("cache subscription lost")
		if time.Since(start) > maxResubscribe {
			pause = minResubscribe
		}
		wait := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		wait.Stop()
		pause = min(2*pause, maxResubscribe)
	}
}

// listenOnce subscribes and takes in events until the connection fails.
func (c *Cache) listenOnce(ctx context.Context) error {
	// By pattern, because go-redis binds a subscription to a channel of a
	// cluster to the node that the channel's slot is on, and would wait for
	// that one to return; one to a pattern goes to any node that is there.
	sub := c.redis.rdb.PSubscribe(ctx, c.redis.eventPattern())
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		_ = sub.Close() // ends the Receive below
	})
	defer func() {
		if stop() {
			_ = sub.Close()
			return
		}
		<-closed
	}()
	defer c.listening.Store(false)
	pinged := false
	for {
		message, err := sub.ReceiveTimeout(ctx, silence)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() && !pinged {
			pinged = true
			if err := sub.Ping(ctx); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		pinged = false
		switch m := message.(type) {
		case *redis.Subscription:
			c.listening.Store(true)
			// What was announced before is lost: look at the record.
			c.resyncSoon()
		case *redis.Message:
			if e, ok := parseEvent(m.Payload); ok {
				c.hear(e)
			}
		}
	}
}

func (c *Cache) resyncSoon() {
	select {
	case c.resync <- struct{}{}:
	default: // one is due already
	}
}

// hear takes in one event.
func (c *Cache) hear(e event) {
	if e.kind.numbered() {
		c.count(e.number)
	}
	switch e.kind {
	case eventScope:
		c.resyncSoon()
	case eventPurged:
		c.forget(e.key)
	case eventStored, eventReplaced:
		c.doubt(e.key, e.storedAt)
	case eventReleased:
		c.mu.Lock()
		c.wake(e.key)
		c.mu.Unlock()
	}
}

// count notes the arrival of an announcement. One that is ahead of its turn
// leaves the gap to watch.
func (c *Cache) count(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gens.Load()
	if !g.known || number <= g.heard {
		return
	}
	n := g.merged(map[string]uint64{scopeSeq: number})
	if number == g.heard+1 {
		n.heard = number
	}
	c.gens.Store(n)
}

// forget removes the key from memory and sees to it that no flight under way
// puts it back:
//
//	flight: reads or obtains an answer
//	purge:  removes the key in Redis and, here, in memory
//	flight: would put the answer into memory, where it would stay
func (c *Cache) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, kind := range flightKinds {
		if f, ok := c.flights[flightKey{key, kind}]; ok {
			f.purged = true
		}
	}
	c.memory.drop(key)
	c.wake(key)
}

// doubt makes the next look at key in memory a look into Redis, unless memory
// has the entry that was stored at storedAt. Flights that may have read the
// one before are told.
func (c *Cache) doubt(key string, storedAt int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, kind := range flightKinds {
		if f, ok := c.flights[flightKey{key, kind}]; ok {
			f.superseded = storedAt
		}
	}
	if it := c.memory.peek(key); it != nil && it.StoredAt.UnixNano() != storedAt {
		it.doubt()
	}
	c.wake(key)
}

// wake makes the flights that wait for another process look again. The caller
// holds c.mu.
func (c *Cache) wake(key string) {
	for _, kind := range flightKinds {
		f, ok := c.flights[flightKey{key, kind}]
		if !ok || !kind.waits() {
			continue
		}
		select {
		case f.woken <- struct{}{}:
		default: // it has not looked since the last time
		}
	}
}
