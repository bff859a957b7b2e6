package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// refreshRetry is the shortest pause before a key is tried again after its
	// refresh failed or was left to another flight; jitter at most doubles it.
	refreshRetry = 5 * time.Second
	// mostRefreshRetry is the longest. The pause doubles with each failure, so
	// that a key that cannot be renewed costs nine calls in ten minutes at most.
	mostRefreshRetry = 2 * time.Minute
	// maxRefreshing bounds the keys that are queued, refreshed or pausing.
	maxRefreshing = 4096
)

// errRefreshedElsewhere leaves a refresh to the one who is already filling.
var errRefreshedElsewhere = errors.New("being filled elsewhere")

// refreshJob is a refresh that waits for a worker.
type refreshJob struct {
	key string
	run func(stop context.Context) error
}

// refreshPause is what is known of a key whose refresh is queued or has failed.
type refreshPause struct {
	until    time.Time // earliest next refresh; zero: queued or under way
	failures int       // in a row
}

// refreshSoon queues a refresh of the item, unless one is queued or under way or
// was tried a moment ago. When the queue is full it does nothing, and a later
// hit tries again.
func (c *Cache) refreshSoon(ctx context.Context, it *item, fill Fill) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, ok := c.refreshing[it.Key]
	if ok && (before.until.IsZero() || c.now().Before(before.until)) {
		return
	}
	job := refreshJob{it.Key, func(stop context.Context) error {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer context.AfterFunc(stop, cancel)()
		return c.refresh(ctx, it, fill)
	}}
	if ok || len(c.refreshing) < maxRefreshing {
		select {
		case c.refreshQueue <- job:
			c.refreshing[it.Key] = refreshPause{failures: before.failures}
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

// errFillEnded is the error of a fill that ended its goroutine.
var errFillEnded = errors.New("fill ended its goroutine")

func (c *Cache) refreshed(key string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		delete(c.refreshing, key)
		return
	}
	p := c.refreshing[key]
	wait := min(refreshRetry<<min(p.failures, 16), mostRefreshRetry)
	p.until = c.now().Add(wait + rand.N(wait))
	defer func() { c.refreshing[key] = p }()
	if !errors.Is(err, errRefreshedElsewhere) {
		p.failures++
		c.stats.refreshErrors.Add(1)
		c.log.Debug().Err(err).Str("hash", Hash(key)).Msg("cache refresh failed")
	}
}

// refresh renews the item if nobody else has or is about to.
func (c *Cache) refresh(ctx context.Context, it *item, fill Fill) error {
	f := newFlight(flightID{key: it.Key, forced: true}, Refresh)
	f.priority.renews = &it.Entry
	c.mu.Lock()
	_, busy := c.flights[f.flightID]
	if !busy {
		c.flights[f.flightID] = f
	}
	c.mu.Unlock()
	if busy {
		return errRefreshedElsewhere
	}
	defer c.land(f)
	f.err = ErrFillPanicked // unless renew returns
	f.result, f.err = c.renew(ctx, f, it, fill)
	return f.err
}

func (c *Cache) renew(ctx context.Context, f *flight, it *item, fill Fill) (Result, error) {
	a := &allowance{c.cfg.RedisBudget}
	l := c.tryLease(ctx, a, f.key, Refresh, c.current(ctx, a))
	switch {
	case l.stored != nil && l.stored.StoredAt.After(it.StoredAt) && l.stored.Rank <= it.Rank:
		return c.takeOver(ctx, f, l, false), nil
	case l.holder != "":
		return Result{}, errRefreshedElsewhere
	}
	c.stats.refreshes.Add(1)
	r, err := c.fillAndStore(ctx, a, f, l, fill)
	switch {
	case err == nil && f.priority.Lane() == People:
		c.announceReplaced(ctx, &r) // a person wanted a new answer, and has it
	case err != nil && r.Entry != nil:
		it.outdated.Store(true)
	}
	return r, err
}

// tidyRefreshing forgets the keys that have not been refreshed again for long
// after their pause was over; when there are many, as soon as it is over.
func (c *Cache) tidyRefreshing() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if len(c.refreshing) < maxRefreshing/2 {
		now = now.Add(-2 * mostRefreshRetry)
	}
	for key, p := range c.refreshing {
		if !p.until.IsZero() && now.After(p.until) {
			delete(c.refreshing, key)
		}
	}
}
