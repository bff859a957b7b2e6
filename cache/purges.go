package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"
)

// One counter in Redis numbers the purges of the whole fleet. Every answer
// remembers the greatest number that its process knew when the fill began. A
// purge of everything, of a provider or of an outcome leaves its number as the
// generation of that scope, and an answer from before it is dead wherever it is
// kept, so nothing has to be searched for and deleted.
//
// The numbers arrive without gaps. That shows a process when it has missed the
// announcement that a single key was purged.

// Names of the scopes in Redis. The name of the provider or outcome follows
// those that end in a colon.
const (
	scopeSeq      = "seq" // not a scope: the number of the last purge
	scopeAll      = "all"
	scopeProvider = "provider:"
	scopeOutcome  = "outcome:"
)

// generations is what a process knows of the fleet's purges. It is immutable:
// whoever learns more replaces it.
type generations struct {
	// known is false until the record in Redis has been read once. Before
	// that the process cannot tell what Redis holds that was purged.
	known bool
	// scopes as in Redis, scopeSeq included.
	scopes map[string]uint64
	// heard: the announcements of all purges up to this number have arrived.
	heard uint64
	// trusted: an announcement up to this number was missed, so what was
	// checked before has to be looked up in Redis again.
	trusted uint64
}

// merged returns g with the record taken in: the greater number of each scope.
func (g *generations) merged(scopes map[string]uint64) *generations {
	n := *g
	n.scopes = maps.Clone(g.scopes)
	if n.scopes == nil {
		n.scopes = map[string]uint64{}
	}
	for scope, number := range scopes {
		n.scopes[scope] = max(n.scopes[scope], number)
	}
	return &n
}

func (g *generations) seq() uint64 { return g.scopes[scopeSeq] }

// covers reports whether no purge by scope has hit an answer whose fill began
// when generation was the number of the last purge.
func (g *generations) covers(generation uint64, e *Entry) bool {
	if generation < g.scopes[scopeAll] {
		return false
	}
	if generation >= g.seq() {
		return true
	}
	return generation >= g.scopes[scopeProvider+e.Provider] && generation >= g.scopes[scopeOutcome+e.Outcome]
}

// exceeds reports whether a says more than b in some scope.
func exceeds(a, b map[string]uint64) bool {
	for scope, number := range a {
		if b[scope] < number {
			return true
		}
	}
	return false
}

// pairs renders the scopes as arguments of the script.
func (g *generations) pairs() []any {
	args := make([]any, 0, 2*len(g.scopes))
	for scope, number := range g.scopes {
		args = append(args, scope, number)
	}
	return args
}

// parseScopes reads the record. Fields that are not numbers are not ours.
func parseScopes(record map[string]string) map[string]uint64 {
	scopes := make(map[string]uint64, len(record))
	for scope, text := range record {
		if number, err := strconv.ParseUint(text, 10, 64); err == nil {
			scopes[scope] = number
		}
	}
	return scopes
}

// ErrUnavailable is returned when Redis, which an administrative call needs,
// does not answer.
var ErrUnavailable = errors.New("redis unavailable")

const (
	// adminBudget is the time that one administrative call may spend on Redis, and
	// spreadBudget the same where Config.Spread can do instead.
	adminBudget  = 2 * time.Second
	spreadBudget = 500 * time.Millisecond
)

func (c *Cache) adminAllowance() *allowance {
	if c.cfg.Spread != nil {
		return &allowance{spreadBudget}
	}
	return &allowance{adminBudget}
}

// Purge removes the answer for key from every layer of every process within a
// second, and keeps fills that are under way from storing theirs. It reports
// whether Redis held one.
//
// While Redis is down, Config.Spread takes the purge to the others, and whoever reaches
// Redis first removes what it holds. Without Spread, or when very many such purges wait
// for Redis, the error is ErrUnavailable and the key is gone from this process only:
// purge again.
func (c *Cache) Purge(ctx context.Context, key string) (bool, error) {
	c.forget(key)
	removed, err := c.purgeByRedis(ctx, key)
	if err != nil && c.cfg.Spread != nil && c.owe(Hash(key)) {
		return false, nil
	}
	return removed, err
}

func (c *Cache) purgeByRedis(ctx context.Context, key string) (bool, error) {
	a := c.adminAllowance()
	if err := c.sync(ctx, a); err != nil {
		return false, c.unavailable("purge key", err)
	}
	removed, err := c.redis.purge(ctx, a, Hash(key), rand.Text(), c.markLife())
	if err != nil {
		return false, c.unavailable("purge key", err)
	}
	// A flight of this process may have read the entry just before it went.
	c.forget(key)
	return removed, c.announce(ctx, a, "purge key", &purge{event: event{kind: eventPurged, key: key}})
}

// markLife outlasts every fill that may have begun before a purge.
func (c *Cache) markLife() time.Duration { return 2*c.cfg.FillTimeout + time.Minute }

// PurgeAll makes every stored answer unusable, in every process within a
// second. Redis gets its memory back as they expire. While Redis is down,
// Config.Spread takes the purge to the others; the error is ErrUnavailable without it.
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
	a := c.adminAllowance()
	err := c.sync(ctx, a)
	if err != nil {
		err = c.unavailable("purge "+scope, err)
	} else {
		err = c.announce(ctx, a, "purge "+scope, &purge{scope: scope, event: event{kind: eventScope}})
	}
	if c.cfg.Spread == nil {
		return err
	}
	if err != nil {
		c.purgeHere(scope)
	}
	scopes := c.gens.Load().scopes
	c.spread(purges{Record: map[string]uint64{scopeSeq: scopes[scopeSeq], scope: scopes[scope]}})
	return nil
}

// purge is one to be counted and announced.
type purge struct {
	scope string // empty: of the event's key
	event event
}

// announce counts a purge and tells every process.
func (c *Cache) announce(ctx context.Context, a *allowance, what string, p *purge) error {
	record, err := c.redis.mergeRecord(ctx, a, c.gens.Load(), p)
	if err != nil {
		return c.unavailable(what, err)
	}
	c.learn(record)
	return nil
}

// announceReplaced tells every process that a forced fill has replaced an
// answer that they may hold as fresh. If that fails they keep theirs until it
// expires. A lesser answer is not announced: theirs may be better.
func (c *Cache) announceReplaced(ctx context.Context, r *Result) {
	if !r.Stored || r.Rank > 0 {
		return
	}
	it := r.item
	e := event{kind: eventReplaced, storedAt: it.StoredAt.UnixNano(), key: it.Key}
	err := c.announce(ctx, &allowance{c.cfg.RedisBudget}, "replace key", &purge{event: e})
	if err != nil {
		c.log.Debug().Err(err).Str("hash", Hash(it.Key)).Msg("replaced cache entry not announced")
	}
}

func (c *Cache) unavailable(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
}

// sync brings what the process knows of purges up to date with Redis, and
// Redis up to date with the process if it has lost something.
func (c *Cache) sync(ctx context.Context, a *allowance) error {
	record, err := c.redis.readRecord(ctx, a)
	if err != nil {
		return err
	}
	g := c.gens.Load()
	switch {
	case g.known:
	case len(record) > 0:
		// What this process has heard from others counts beside the record.
		told := *g
		told.known = true
		g = &told
	default:
		// Nobody knows which purges there were. To be safe everything that
		// Redis may hold counts as purged, by a number above any before.
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

// learn takes in the record.
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
// asked, until ctx ends. It makes up for what the subscription missed: a purge
// by scope at once, one of a single key at the second look, because at the
// first its announcement may still be on its way.
func (c *Cache) watch(ctx context.Context) {
	tick := time.NewTicker(c.cfg.PollInterval)
	defer tick.Stop()
	var before uint64 // the last number at the previous tick
	for {
		if err := c.sync(ctx, &allowance{c.cfg.RedisBudget}); err == nil {
			c.settle(ctx)
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

// distrust is told that every announcement up to number should have arrived. If
// one has not, the purge of some key was missed.
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

// count notes that an announcement has arrived. watch deals with the gap that
// one ahead of its turn leaves.
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

// resyncSoon makes watch look at the record now.
func (c *Cache) resyncSoon() {
	select {
	case c.resync <- struct{}{}:
	default: // one is due already
	}
}
