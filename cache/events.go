package cache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/pause"
)

const (
	// silence is how long a subscription may stay quiet before it is pinged,
	// and then again before it is given up as dead.
	silence = time.Second
	// Pauses between attempts to subscribe, with jitter.
	minResubscribe = 50 * time.Millisecond
	maxResubscribe = 2 * time.Second
)

// eventKind says what an event is about.
type eventKind byte

const (
	// eventStored: an entry was stored. Whoever waits for it, or holds an
	// older one in memory, looks into Redis.
	eventStored eventKind = 's'
	// eventReleased: a lease was given back with nothing stored.
	eventReleased eventKind = 'r'
	// eventPurged: a key was purged. Numbered.
	eventPurged eventKind = 'p'
	// eventReplaced: a forced fill has replaced an entry that may have been
	// fresh. It is eventStored with a number, because a process that misses it
	// would go on with the old entry for long.
	eventReplaced eventKind = 'c'
	// eventScope: everything, a provider or an outcome was purged; the record
	// says what. Numbered.
	eventScope eventKind = 'g'
	// eventHurry: a person waits for what the holder of the lease fills with
	// low priority.
	eventHurry eventKind = 'h'
)

func (k eventKind) known() bool {
	return k.numbered() || k == eventStored || k == eventReleased || k == eventHurry
}

func (k eventKind) numbered() bool {
	return k == eventPurged || k == eventReplaced || k == eventScope
}

// event is what processes publish to each other:
//
//	kind number time key
//
// separated by spaces, the key last because it may hold spaces.
type event struct {
	kind     eventKind
	number   uint64 // of the purge, 0 if the kind is not numbered
	storedAt int64  // of the entry, unix nanoseconds, 0 if there is none
	key      string
}

// tail is the message without kind and number, which a script prepends.
func (e event) tail() string { return strconv.FormatInt(e.storedAt, 10) + " " + e.key }

func (e event) String() string { return fmt.Sprintf("%c %d %s", e.kind, e.number, e.tail()) }

// parseEvent reports false for a message that it does not understand: another
// release may have more kinds.
func parseEvent(s string) (event, bool) {
	kind, rest, _ := strings.Cut(s, " ")
	number, rest, _ := strings.Cut(rest, " ")
	at, key, ok := strings.Cut(rest, " ")
	if !ok || len(kind) != 1 {
		return event{}, false
	}
	e := event{kind: eventKind(kind[0]), key: key}
	var err1, err2 error
	e.number, err1 = strconv.ParseUint(number, 10, 64)
	e.storedAt, err2 = strconv.ParseInt(at, 10, 64)
	return e, err1 == nil && err2 == nil && e.kind.known()
}

// listen keeps the process's one subscription alive until ctx ends.
func (c *Cache) listen(ctx context.Context) {
	pauses := pause.NewGrowing(minResubscribe, maxResubscribe)
	for ctx.Err() == nil {
		start := time.Now()
		err := c.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		c.log.Debug().Err(err).Msg("cache subscription lost")
		if time.Since(start) > maxResubscribe {
			pauses.Reset()
		}
		_ = pauses.Wait(ctx)
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
		c.wake(e.key)
	case eventHurry:
		c.hurry(e.key)
	}
}

// forget removes the key from memory and sees to it that no flight under way
// puts it back:
//
//	flight: reads or obtains an answer
//	purge:  removes the key in Redis and, here, in memory
//	flight: would put the answer into memory, where it would stay
//
// Nor does a caller who comes after the purge join such a flight.
func (c *Cache) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.flightsOf(key) {
		f.purged = true
		f.wake()
		delete(c.flights, f.flightID)
	}
	c.memory.drop(key)
}

// doubt makes the next look at key in memory a look into Redis, unless memory
// has the entry that was stored at storedAt. Flights that may have read the
// one before are told.
func (c *Cache) doubt(key string, storedAt int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.flightsOf(key) {
		f.superseded = storedAt
		f.wake()
	}
	if it := c.memory.peek(key); it != nil && it.StoredAt.UnixNano() != storedAt {
		it.doubt()
	}
}

// wake makes the flights of key look again.
func (c *Cache) wake(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.flightsOf(key) {
		f.wake()
	}
}

// hurry moves the flight that callers of key wait for to the lane of people.
func (c *Cache) hurry(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.flights[flightID{key: key}]; ok {
		f.raise()
	}
}
