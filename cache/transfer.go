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

// Record is an entry with its key, as it is exported and imported.
type Record struct {
	Key   string
	Entry Entry
}

// Export ranges over the answers in Redis that may still be served, in no
// order. What changes meanwhile may be missing, and an answer may come twice.
// It ends with an error if Redis fails. Whether an answer may leave the house
// is for the caller to judge.
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
			for env, err := range c.redis.scan(ctx, node) {
				if err != nil {
					yield(Record{}, c.unavailable("export cache", err))
					return
				}
				if c.usable(env, c.gens.Load()) && !yield(Record{env.key, env.entry}, nil) {
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
func (r *redisLayer) scan(ctx context.Context, node redis.Cmdable) iter.Seq2[*envelope, error] {
	return func(yield func(*envelope, error) bool) {
		for cursor := uint64(0); ; {
			var envelopes []*envelope
			var err error
			envelopes, cursor, err = r.scanBatch(ctx, node, cursor)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, env := range envelopes {
				if !yield(env, nil) {
					return
				}
			}
			if cursor == 0 {
				return
			}
		}
	}
}

func (r *redisLayer) scanBatch(ctx context.Context, node redis.Cmdable, cursor uint64) ([]*envelope, uint64, error) {
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
	envelopes := make([]*envelope, 0, len(keys))
	for i, value := range values {
		// One that has expired since, or is no entry, or was put in the place
		// of another key, is left out as a Get would leave it out.
		env, err := decode([]byte(value.Val()))
		if value.Err() == nil && err == nil && r.names(env.key).entry == keys[i] {
			envelopes = append(envelopes, &env)
		}
	}
	return envelopes, cursor, nil
}

// ErrNotStorable is returned for a record that must not be kept: without a key
// or a life, with its life over, or marked NoStore.
var ErrNotStorable = errors.New("not to be stored, or its life is over")

// Import stores an answer that was exported or made elsewhere. Its StoredAt
// stays, so it ages on; zero means now. It is not stored if the cache has one
// that is as new, which is reported by false. The key must be the canonical
// one: nothing checks that the answer belongs to it.
func (c *Cache) Import(ctx context.Context, r Record) (bool, error) {
	e := r.Entry
	e.complete(c.now())
	if r.Key == "" || !e.storable() || !e.alive(c.now()) {
		return false, fmt.Errorf("import entry: %w", ErrNotStorable)
	}
	a := &allowance{adminBudget}
	if err := c.sync(ctx, a); err != nil {
		return false, c.unavailable("import entry", err)
	}
	g := c.gens.Load()
	l := c.tryLease(ctx, a, r.Key, g)
	if !l.asked {
		return false, c.unavailable("import entry", errRedisSkipped)
	}
	if env := l.claim.envelope; c.usable(env, g) && !env.entry.StoredAt.Before(e.StoredAt) {
		c.giveBack(ctx, r.Key, l)
		return false, nil
	}
	env := &envelope{key: r.Key, generation: g.seq(), entry: e}
	stored, err := c.redis.store(ctx, a, env, l.name, l.claim, c.now())
	if err != nil {
		return false, c.unavailable("import entry", err)
	}
	return stored, nil
}
