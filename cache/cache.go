// Package cache is a read-through cache for answers that are slow or costly to
// get: an in-process layer in front of Redis, in front of a function that
// obtains the answer. Any number of processes share the Redis layer.
//
// It promises that
//
//   - a key is filled once at a time, however many callers in however many
//     processes want it; a caller that leaves does not disturb the others, and
//     a fill that panics is an error for all of them;
//   - people do not wait behind batch work: a fill that one of them comes to
//     wait for goes on in their lane;
//   - an answer is served only for its own key and only as long as its maker
//     allows;
//   - a purge reaches every process within a second, or within about three if
//     its announcement is lost; whoever asks after the purge gets no answer
//     whose fill began before it;
//   - Redis is never needed: when it is down, slow, full, emptied or damaged,
//     calls take at most Config.RedisBudget longer and are answered from
//     memory or by a fill. Only then may a key be filled once in each process.
//
// DESIGN.md has the states, keys and interleavings. All methods of Cache may
// be called from any number of goroutines.
package cache

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

// Config adjusts a Cache. Each comment says what the zero value means.
type Config struct {
	// Memory is what the in-process layer may take, in bytes; 0: there is no
	// such layer. It is kept to within three tenths.
	Memory int64
	// Namespace begins every Redis key; empty: "geogate".
	Namespace string
	// FillTimeout bounds one fill; 0: 30 s.
	FillTimeout time.Duration
	// RedisBudget is the time one Get may spend on Redis, apart from waiting
	// for the fill of another process; 0: 150 ms.
	RedisBudget time.Duration
	// LeaseTTL is how long the others wait for a process that died in the
	// middle of a fill; 0: 3 s.
	LeaseTTL time.Duration
	// Handover is how long a person waits for another process to move its flight of
	// batch work to the lane of people; 0: 150 ms. It takes one message and one
	// command; a process that needs longer does not hear.
	Handover time.Duration
	// PollInterval is the pause between looks for purges whose announcement
	// was missed; 0: 1 s.
	PollInterval time.Duration
	// NoRefreshAhead leaves entries in use alone until they are stale.
	// Otherwise they are refreshed in the last fifth of their fresh life.
	NoRefreshAhead bool
	// RefreshWorkers is how many refreshes run at once; 0: 4.
	RefreshWorkers int
	// RefreshQueue is how many more may wait; 0: 256. Any more are refused,
	// and the next hit tries again.
	RefreshQueue int
	// MayStore is asked before an answer of so many bytes goes to Redis; false:
	// it stays in this process. nil: every answer goes. It must be quick and safe
	// for concurrent use.
	MayStore func(bytes int) bool
	// Spread hands a change to the MergePurges of the other processes by another way
	// than Redis, so that purges are made while Redis is down; nil: there is none. It
	// must not block.
	Spread func(change []byte)
	// Now is the clock that answers age by; nil: time.Now.
	Now func() time.Time
	// Log gets what no caller is told; zero: nothing is logged. It shows the
	// Hash of a key, never the key, and errors of refreshes as the fill made
	// them.
	Log zerolog.Logger
	// ObserveRedis is called after each round trip to Redis; nil: nobody is
	// told. It must be quick and safe for concurrent use.
	ObserveRedis func(op string, d time.Duration, err error)
}

// Cache is described in the package comment. Make one with New, and keep its
// Run running for as long as it is used.
type Cache struct {
	cfg       Config
	now       func() time.Time
	log       zerolog.Logger
	stats     counters
	providers sync.Map // name → *providerItems
	memory    *memoryLayer
	redis     *redisLayer

	gens         atomic.Pointer[generations] // replaced under mu
	listening    atomic.Bool                 // the subscription is confirmed
	owing        atomic.Int64                // debts to Redis in owed
	resync       chan struct{}               // makes watch look at the record now
	refreshQueue chan refreshJob

	mu         sync.Mutex
	flights    map[flightID]*flight
	refreshing map[string]refreshPause // by key
	owed       map[string]debt         // by Hash of the key
	stopping   bool                    // Run is ending and waits for no more flights
	background sync.WaitGroup          // flights
}

// New returns a cache over rdb and starts nothing. The time limits hold only if
// rdb has ContextTimeoutEnabled set.
func New(rdb redis.UniversalClient, cfg Config) *Cache {
	cfg.Namespace = cmp.Or(cfg.Namespace, "geogate")
	cfg.FillTimeout = cmp.Or(cfg.FillTimeout, 30*time.Second)
	cfg.RedisBudget = cmp.Or(cfg.RedisBudget, 150*time.Millisecond)
	cfg.LeaseTTL = cmp.Or(cfg.LeaseTTL, 3*time.Second)
	cfg.Handover = cmp.Or(cfg.Handover, 150*time.Millisecond)
	cfg.PollInterval = cmp.Or(cfg.PollInterval, time.Second)
	cfg.RefreshWorkers = cmp.Or(cfg.RefreshWorkers, 4)
	cfg.RefreshQueue = cmp.Or(cfg.RefreshQueue, 256)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Cache{
		cfg:          cfg,
		now:          cfg.Now,
		log:          cfg.Log,
		memory:       newMemoryLayer(cfg.Memory, cfg.Now),
		resync:       make(chan struct{}, 1),
		refreshQueue: make(chan refreshJob, cfg.RefreshQueue),
		flights:      map[flightID]*flight{},
		refreshing:   map[string]refreshPause{},
		owed:         map[string]debt{},
	}
	c.gens.Store(&generations{})
	c.redis = &redisLayer{
		rdb:     rdb,
		prefix:  cfg.Namespace + ":cache:",
		log:     cfg.Log,
		observe: cfg.ObserveRedis,
		stats:   &c.stats,
		may:     cfg.MayStore,
		budget:  cfg.RedisBudget,
	}
	c.redis.gather()
	return c
}

// Run listens to the other processes, refreshes answers and removes dead ones
// until ctx ends. Then it gives up the refreshes, waits for the fills under way,
// each of which ends by its FillTimeout, and returns nil. It does not wait for
// fills that begin after that.
func (c *Cache) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	parts.Go(func() { c.listen(ctx) })
	parts.Go(func() { c.watch(ctx) })
	parts.Go(func() { c.tidy(ctx) })
	for range c.cfg.RefreshWorkers {
		parts.Go(func() { c.work(ctx) })
	}
	parts.Wait()
	c.mu.Lock()
	c.stopping = true
	c.mu.Unlock()
	c.background.Wait()
	return nil
}

func (c *Cache) tidy(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.memory.tidy()
			c.tidyRefreshing()
		case <-ctx.Done():
			return
		}
	}
}

// Get returns the answer for key: from a layer of the cache if that has one
// that d accepts, else from fill. A stale answer is returned at once, and a
// later call of fill refreshes it in the background.
//
// The error is ctx's own when the caller gave up, ErrNotCached when d forbids
// a fill, otherwise what fill returned or ErrFillPanicked.
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

// Peek is Get for the case that memory holds the answer and nothing else needs
// to be done; false: call Get. take has the last word: an answer that it
// declines is not counted; nil takes every answer. Peek does not allocate.
func (c *Cache) Peek(key string, d Directives, take func(Result) bool) (Result, bool) {
	if d.NoStore {
		return Result{}, false
	}
	now := c.now()
	it, v := c.held(key, c.gens.Load(), now)
	if v != valid {
		return Result{}, false
	}
	r := it.found(now, LayerMemory)
	if !d.accept(r.Age, r.Fresh) || !d.OnlyIfCached && it.due(now) || !d.good(&it.Entry, now) || take != nil && !take(r) {
		return Result{}, false
	}
	c.stats.count(&r)
	return r, true
}

func (c *Cache) get(ctx context.Context, key string, d Directives, fill Fill) (Result, error) {
	if d.NoStore {
		return c.bypass(ctx, key, d, fill)
	}
	now := c.now()
	held, v := c.held(key, c.gens.Load(), now)
	good := held != nil && d.good(&held.Entry, now)
	if v == valid && good && !held.passed(now) {
		if r := held.found(now, LayerMemory); d.accept(r.Age, r.Fresh) {
			c.refreshIfDue(ctx, &r, d, fill, now)
			return r, nil
		}
	}
	if d.OnlyIfCached {
		return c.onlyCached(ctx, key, d)
	}
	if !d.NoCache && (!good || v == doubted) {
		var lastResort *item
		if v == valid {
			lastResort = held
		}
		r, err := c.join(ctx, flightID{key: key}, &d, lastResort, fill)
		if err != nil || !r.cached() || r.Cause != nil {
			return r, err
		}
		if d.accept(r.Age, r.Fresh) {
			c.refreshIfDue(ctx, &r, d, fill, c.now())
			return r, nil
		}
	}
	return c.join(ctx, flightID{key: key, forced: true}, &d, held, fill)
}

// refreshIfDue queues a refresh of what is about to be served, if it is time.
func (c *Cache) refreshIfDue(ctx context.Context, r *Result, d Directives, fill Fill, now time.Time) {
	if !d.OnlyIfCached && !d.Lesser && !d.Local && r.item.due(now) {
		c.refreshSoon(ctx, r.item, fill)
	}
}

// bypass serves a request that must leave no trace in the cache.
func (c *Cache) bypass(ctx context.Context, key string, d Directives, fill Fill) (Result, error) {
	if d.OnlyIfCached {
		return Result{}, ErrNotCached
	}
	e, err := c.call(ctx, fill, newPriority(d.Lane))
	if err != nil {
		if r := c.secondBest(key, err); r.Entry != nil {
			return r, nil
		}
		return Result{}, err
	}
	g := c.gens.Load()
	it := c.newItem(Record{Key: key, Entry: e, generation: g.seq()}, g)
	it.provider.fills.Add(1)
	return it.filled(Bypass, c.now()), nil
}

func (c *Cache) onlyCached(ctx context.Context, key string, d Directives) (Result, error) {
	a := &allowance{c.cfg.RedisBudget - d.Spent}
	read := func() (*Record, error) { return c.redis.read(ctx, a, key) }
	r, ok := c.lookupKey(key, c.current(ctx, a), d.good, read, func(*item) {})
	if !ok || !d.accept(r.Age, r.Fresh) {
		return Result{}, ErrNotCached
	}
	return r, nil
}

// current returns what is known of purges, and asks Redis if nothing is.
func (c *Cache) current(ctx context.Context, a *allowance) *generations {
	if g := c.gens.Load(); g.known {
		return g
	}
	// Whatever the error, the cache goes on without what Redis holds.
	_ = c.sync(ctx, a)
	return c.gens.Load()
}
