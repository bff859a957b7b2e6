package cache

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// exportBatch is how many keys are read in one round trip of an export.
	exportBatch = 100
	// exportTimeout bounds one round trip of an export.
	exportTimeout = 5 * time.Second
)

// Export ranges over the answers in Redis that may still be served, in no
// order, but for those with a rank, which live for minutes. What changes meanwhile may be missing, and an answer may come twice.
// It ends with an error if Redis fails. The caller decides which answers the
// providers' terms let out.
func (c *Cache) Export(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if err := c.sync(ctx, &allowance{adminBudget}); err != nil {
			yield(Record{}, c.unavailable("export cache", err))
			return
		}
		nodes, err := c.redis.masters(ctx)
		if err != nil {
			yield(Record{}, c.unavailable("export cache", err))
			return
		}
		for _, node := range nodes {
			for rec, err := range c.redis.scan(ctx, node) {
				if err != nil {
					yield(Record{}, c.unavailable("export cache", err))
					return
				}
				if c.usable(rec, c.gens.Load()) && rec.Rank == 0 && !yield(*rec, nil) {
					return
				}
			}
		}
	}
}

// masters returns a client for each server that holds keys of its own.
func (r *redisLayer) masters(ctx context.Context) ([]redis.Cmdable, error) {
	cluster, ok := r.rdb.(*redis.ClusterClient)
	if !ok {
		return []redis.Cmdable{r.rdb}, nil
	}
	var mu sync.Mutex // ForEachMaster calls for all nodes at once
	var nodes []redis.Cmdable
	err := cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		nodes = append(nodes, node)
		return nil
	})
	return nodes, err
}

// scan ranges over the entries that one server holds.
func (r *redisLayer) scan(ctx context.Context, node redis.Cmdable) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		for cursor := uint64(0); ; {
			var records []*Record
			var err error
			records, cursor, err = r.scanBatch(ctx, node, cursor)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, rec := range records {
				if !yield(rec, nil) {
					return
				}
			}
			if cursor == 0 {
				return
			}
		}
	}
}

func (r *redisLayer) scanBatch(ctx context.Context, node redis.Cmdable, cursor uint64) ([]*Record, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	keys, cursor, err := node.Scan(ctx, cursor, r.entryPattern(), exportBatch).Result()
	if err != nil || len(keys) == 0 {
		return nil, cursor, err
	}
	pipe := node.Pipeline()
	values := make([]*redis.StringCmd, len(keys))
	for i, key := range keys {
		values[i] = pipe.Get(ctx, key)
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, 0, err
	}
	records := make([]*Record, 0, len(keys))
	for i, value := range values {
		// Whatever has expired since, is not an entry or is in the place of another
		// key is left out, as a Get would leave it out.
		rec, err := decode([]byte(value.Val()))
		if value.Err() == nil && err == nil && r.names(rec.Key).entry == keys[i] {
			records = append(records, &rec)
		}
	}
	return records, cursor, nil
}

// ErrNotStorable is returned for a record that must not be kept: it has no key
// or no life, its life is over, it is marked NoStore, or it has texts that no header
// can hold.
var ErrNotStorable = errors.New("not to be stored, or expired")

// Import stores an answer that was exported or made elsewhere. Its age counts
// from its StoredAt; zero means now. It reports false, and stores nothing, if
// the cache has an answer that is as new. The key must be the canonical one:
// nothing checks that the answer belongs to it.
func (c *Cache) Import(ctx context.Context, r Record) (bool, error) {
	r.complete(c.now())
	if r.Key == "" || !r.storable() || !r.alive(c.now()) || !r.legible() {
		return false, fmt.Errorf("import entry: %w", ErrNotStorable)
	}
	a := &allowance{adminBudget}
	if err := c.sync(ctx, a); err != nil {
		return false, c.unavailable("import entry", err)
	}
	g := c.gens.Load()
	l := c.tryLease(ctx, a, r.Key, Bulk, g)
	if l.name == "" {
		return false, c.unavailable("import entry", errRedisSkipped)
	}
	if l.stored != nil && !l.stored.StoredAt.Before(r.StoredAt) {
		c.giveBack(ctx, r.Key, l)
		return false, nil
	}
	r.generation = g.seq()
	stored, err := c.redis.store(ctx, a, &r, l, c.now())
	if err != nil {
		return false, c.unavailable("import entry", err)
	}
	return stored, nil
}
