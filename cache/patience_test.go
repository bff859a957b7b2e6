package cache

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// patient returns a cache that gives Redis, and the processes of a fleet one another,
// all the time that a busy machine may need.
func patient(rdb redis.UniversalClient, cfg Config) *Cache {
	cfg.RedisBudget = cmp.Or(cfg.RedisBudget, 20*time.Second)
	cfg.LeaseTTL = cmp.Or(cfg.LeaseTTL, time.Hour)
	cfg.Handover = cmp.Or(cfg.Handover, time.Minute)
	return New(rdb, cfg)
}

// impatient is the time for Redis of a cache that has to do without it.
const impatient = 150 * time.Millisecond

// clock stands still until a test sets it, but for a nanosecond that makes each reading
// later than the one before.
type clock struct{ passed atomic.Int64 }

var clockBegan = time.Now()

func (c *clock) now() time.Time          { return clockBegan.Add(time.Duration(c.passed.Add(1))) }
func (c *clock) advance(d time.Duration) { c.passed.Add(int64(d)) }

// held is counted, but no call ends before until is closed.
func held(calls *atomic.Int64, until <-chan struct{}) Fill {
	return func(ctx context.Context, _ *Priority) (Entry, error) {
		n := calls.Add(1)
		select {
		case <-until:
			return answer(fmt.Sprintf("call %d", n)), nil
		case <-ctx.Done():
			return Entry{}, ctx.Err()
		}
	}
}

// arrival is the context of a caller who tells when they begin to wait for a flight: Get
// does not ask for Done before.
type arrival struct {
	context.Context //nolint:containedctx // it is one
	arrived         func()
}

func arriving(ctx context.Context, arrived func()) arrival {
	return arrival{ctx, sync.OnceFunc(arrived)}
}

func (a arrival) Done() <-chan struct{} {
	a.arrived()
	return a.Context.Done()
}
