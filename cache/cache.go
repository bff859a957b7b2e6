// Package cache is a read-through cache for answers that are slow or costly to
// get: an in-process layer in front of Redis, in front of a function that
// obtains the answer.
//
// It promises that
//
//   - one key is filled once at a time in a process, however many callers
//     want it; a caller that goes away takes nothing from the others, and a
//     fill that panics is an error for all of them;
//   - an answer is never served for another key than its own, nor beyond the
//     life its maker gave it;
//   - Redis is never needed: when it is down, slow, full, emptied or holds
//     rubbish, calls take at most Config.RedisBudget longer and are answered
//     from memory or by a fill.
//
// All methods of Cache may be called from any number of goroutines.
package cache

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

// Config adjusts a Cache; the zero value of each field means what its comment
// says.
type Config struct {
	// Memory is the size of the in-process layer in bytes of keys and bodies;
	// 0: no such layer.
	Memory int64
	// Namespace begins every Redis key; empty: "geogate".
	Namespace string
	// FillTimeout bounds one fill; 0: 30 s.
	FillTimeout time.Duration
	// RedisBudget is the time one Get may spend on Redis; 0: 150 ms.
	RedisBudget time.Duration
	// Now is the clock that answers age by; nil: time.Now.
	Now func() time.Time
	// Log takes what no caller is told; zero: nothing is logged. Keys are
	// logged by their Hash only.
	Log zerolog.Logger
	// ObserveRedis is called after each round trip to Redis; nil: nobody is
	// told. It must be quick and safe for concurrent use.
	ObserveRedis func(op string, d time.Duration, err error)
}

// Cache is described in the package comment. Make one with New and run its
// Run for as long as it is used.
type Cache struct {
	cfg    Config
	now    func() time.Time
	log    zerolog.Logger
	stats  counters
	memory *memoryLayer
	redis  *redisLayer

	mu         sync.Mutex
	flights    map[flightKey]*flight
	stopping   bool           // Run is ending: background takes no more
	background sync.WaitGroup // flights
}

// New returns a cache over rdb and starts nothing. For the time limits to
// hold, rdb must have ContextTimeoutEnabled set.
func New(rdb redis.UniversalClient, cfg Config) *Cache {
	cfg.Namespace = cmp.Or(cfg.Namespace, "geogate")
	cfg.FillTimeout = cmp.Or(cfg.FillTimeout, 30*time.Second)
	cfg.RedisBudget = cmp.Or(cfg.RedisBudget, 150*time.Millisecond)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Cache{
		cfg:     cfg,
		now:     cfg.Now,
		log:     cfg.Log,
		memory:  newMemoryLayer(cfg.Memory, cfg.Now),
		flights: map[flightKey]*flight{},
	}
	c.redis = &redisLayer{
		rdb:     rdb,
		prefix:  cfg.Namespace + ":cache:",
		log:     cfg.Log,
		observe: cfg.ObserveRedis,
		stats:   &c.stats,
	}
	return c
}

// Run keeps the cache tidy until ctx ends, then waits for the fills under way
// (each ends by its FillTimeout) and returns nil. Fills that begin after that
// are waited for by nobody.
func (c *Cache) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.memory.tidy()
		case <-ctx.Done():
			c.mu.Lock()
			c.stopping = true
			c.mu.Unlock()
			c.background.Wait()
			return nil
		}
	}
}

// Get returns the answer for key: from a layer of the cache if there is one
// that d accepts, else from fill.
//
// An error is ctx's own when the caller gave up, ErrNotCached when d forbids
// a fill, and otherwise what fill returned, or ErrFillPanicked.
func (c *Cache) Get(ctx context.Context, key string, d Directives, fill Fill) (Result, error) {
	r, err := c.get(ctx, key, d, fill)
	switch {
	case err == nil:
		c.stats.count(&r)
	case errors.Is(err, ErrNotCached):
		c.stats.notCached.Add(1)
	default:
		c.stats.errors.Add(1)
	}
	return r, err
}

func (c *Cache) get(ctx context.Context, key string, d Directives, fill Fill) (Result, error) {
	if d.NoStore {
		return c.bypass(ctx, d, fill)
	}
	now := c.now()
	held := c.memory.get(key, now)
	if held != nil && held.fresh(now) && d.accept(held.age(now), held.Fresh) {
		return held.result(now, LayerMemory), nil
	}
	if d.OnlyIfCached {
		return c.onlyCached(ctx, key, d)
	}
	if held == nil && !d.NoCache {
		r, err := c.join(ctx, key, shared, nil, fill)
		if err != nil || r.Class != Stale && (r.Class != Hit || d.accept(r.Age, r.Fresh)) {
			return r, err
		}
	}
	return c.join(ctx, key, forced, held, fill)
}

// bypass serves a request that must leave no trace in the cache.
func (c *Cache) bypass(ctx context.Context, d Directives, fill Fill) (Result, error) {
	if d.OnlyIfCached {
		return Result{}, ErrNotCached
	}
	e, err := c.call(ctx, fill, Foreground)
	if err != nil {
		return Result{}, err
	}
	return newItem(e).filled(Bypass, c.now()), nil
}

func (c *Cache) onlyCached(ctx context.Context, key string, d Directives) (Result, error) {
	r, ok := c.lookup(ctx, &allowance{c.cfg.RedisBudget}, key)
	if !ok || !d.accept(r.Age, r.Fresh) {
		return Result{}, ErrNotCached
	}
	return r, nil
}
