package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// refreshRetry is the least pause before a key is tried again whose
	// refresh failed or is being done by another process; jitter doubles it
	// at most.
	refreshRetry = 5 * time.Second
	// maxRefreshing bounds the keys that are queued, refreshed or pausing.
	maxRefreshing = 4096
)

// errRefreshedElsewhere: another process is at it.
var errRefreshedElsewhere = errors.New("refreshed by another process")

// refreshJob is a refresh that waits for a worker.
type refreshJob struct {
	key string
	run func(stop context.Context) error
}

// refreshSoon queues a refresh of the item, unless one is queued, under way
// or was tried a moment ago. When the queue is full the item is left as it
// is: a later hit tries again.
func (c *Cache) refreshSoon(ctx context.Context, it *item, fill Fill) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if notBefore, ok := c.refreshing[it.key]; ok && (notBefore.IsZero() || c.now().Before(notBefore)) {
		return
	}
	job := refreshJob{it.key, func(stop context.Context) error {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer context.AfterFunc(stop, cancel)()
		return c.refresh(ctx, it, fill)
	}}
	if len(c.refreshing) < maxRefreshing {
		select {
		case c.refreshQueue <- job:
			c.refreshing[it.key] = time.Time{}
			return
		default:
		}
	}
	c.stats.refreshesRefused.Add(1)
}

// work takes refreshes off the queue until ctx ends.
func (c *Cache) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case job := <-c.refreshQueue:
			err := errFillEnded
			done := make(chan struct{})
			// On a goroutine of its own, because a fill may end it.
			go func() {
				defer close(done)
				err = job.run(ctx)
			}()
			<-done
			c.refreshed(job.key, err)
		}
	}
}

// errFillEnded stands for a fill that ended its goroutine.
var errFillEnded = errors.New("fill ended its goroutine")

func (c *Cache) refreshed(key string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		delete(c.refreshing, key)
		return
	}
	c.refreshing[key] = c.now().Add(refreshRetry + rand.N(refreshRetry))
	if !errors.Is(err, errRefreshedElsewhere) {
		c.stats.refreshErrors.Add(1)
		c.log.Debug().Err(err).Str("hash", Hash(key)).Msg("cache refresh failed")
	}
}

// refresh renews the item if nobody else has or is about to.
func (c *Cache) refresh(ctx context.Context, it *item, fill Fill) error {
	f := newFlight(it.key, renewing)
	c.mu.Lock()
	c.flights[f.flightKey] = f
	c.mu.Unlock()
	defer c.land(f)

	a := &allowance{c.cfg.RedisBudget}
	g := c.current(ctx, a)
	l := c.tryLease(ctx, a, f.key, g)
	if env := l.claim.envelope; c.usable(env, g) && env.entry.StoredAt.After(it.StoredAt) {
		c.takeOver(f, env, g, false)
		c.giveBack(ctx, f.key, l)
		return nil
	}
	if l.asked && l.claim.token == "" {
		return errRefreshedElsewhere
	}
	c.stats.refreshes.Add(1)
	_, err := c.fillAndStore(ctx, a, f, l, fill, Refresh)
	return err
}

// tidyRefreshing forgets the pauses that are over.
func (c *Cache) tidyRefreshing() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for key, notBefore := range c.refreshing {
		if !notBefore.IsZero() && now.After(notBefore) {
			delete(c.refreshing, key)
		}
	}
}
