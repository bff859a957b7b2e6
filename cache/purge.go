package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// ErrUnavailable: Redis, which an administrative call cannot do without, did
// not answer.
var ErrUnavailable = errors.New("redis unavailable")

// adminBudget is the time that one administrative call may spend on Redis.
const adminBudget = 2 * time.Second

// Purge removes the answer for key from every layer of every process within a
// second, and keeps fills that are under way from storing theirs. It reports
// whether Redis held one.
//
// With ErrUnavailable the key is gone from this process only: purge again.
func (c *Cache) Purge(ctx context.Context, key string) (bool, error) {
	c.forget(key)
	a := &allowance{adminBudget}
	if err := c.sync(ctx, a); err != nil {
		return false, c.unavailable("purge key", err)
	}
	removed, err := c.redis.purge(ctx, a, key, rand.Text(), c.markLife())
	if err != nil {
		return false, c.unavailable("purge key", err)
	}
	// A flight of this process may have read the entry just before it went.
	c.forget(key)
	return removed, c.announce(ctx, a, "purge key", &purgeNote{event: event{kind: eventPurged, key: key}})
}

// markLife outlasts every fill that can have begun before a purge.
func (c *Cache) markLife() time.Duration { return 2*c.cfg.FillTimeout + time.Minute }

// PurgeAll makes every stored answer unusable, in every process within a
// second. The memory that they take in Redis comes free as they expire.
func (c *Cache) PurgeAll(ctx context.Context) error { return c.purgeScope(ctx, scopeAll) }

// PurgeProvider is PurgeAll for the answers of one provider.
func (c *Cache) PurgeProvider(ctx context.Context, name string) error {
	return c.purgeScope(ctx, scopeProvider+name)
}

// PurgeOutcome is PurgeAll for the answers with one outcome.
func (c *Cache) PurgeOutcome(ctx context.Context, outcome string) error {
	return c.purgeScope(ctx, scopeOutcome+outcome)
}

func (c *Cache) purgeScope(ctx context.Context, scope string) error {
	a := &allowance{adminBudget}
	if err := c.sync(ctx, a); err != nil {
		return c.unavailable("purge "+scope, err)
	}
	return c.announce(ctx, a, "purge "+scope, &purgeNote{scope: scope, event: event{kind: eventScope}})
}

// announce counts a purge and tells every process.
func (c *Cache) announce(ctx context.Context, a *allowance, what string, p *purgeNote) error {
	record, err := c.redis.mergeRecord(ctx, a, c.gens.Load(), p)
	if err != nil {
		return c.unavailable(what, err)
	}
	c.learn(record)
	return nil
}

// announceReplaced tells every process that a forced fill has replaced an
// answer that they may hold as fresh. If that fails they keep theirs until it
// expires.
func (c *Cache) announceReplaced(ctx context.Context, it *item) {
	e := event{kind: eventReplaced, storedAt: it.StoredAt.UnixNano(), key: it.key}
	err := c.announce(ctx, &allowance{c.cfg.RedisBudget}, "replace key", &purgeNote{event: e})
	if err != nil {
		c.log.Debug().Err(err).Str("hash", Hash(it.key)).Msg("replaced cache entry not announced")
	}
}

func (c *Cache) unavailable(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
}
