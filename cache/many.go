package cache

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/pause"
)

// FillMany obtains the answers for some of the keys it was passed with, which it
// is given by their index, and returns them in that order. Otherwise it is a
// [Fill] for people. After an error nothing is stored.
type FillMany func(ctx context.Context, missing []int) ([]Entry, error)

const (
	// manyRound is how many keys go to Redis in one round trip.
	manyRound = 500
	// manyTries is how often a caller of GetMany begins anew for keys that they
	// waited for in vain.
	manyTries = 3
)

// GetMany is Get for many small answers that are obtained together, such as the
// cells of a matrix. It returns one result for each key, all of them fresh. The
// keys that no layer has go to fill in one call, without those that another
// caller of this process, or of another one, is obtaining already: these are
// waited for. A key may come twice.
//
// Nothing is refreshed ahead of its time or served past it. The counts of Stats
// tell of single answers; those of a provider count these, too.
//
// The error is ctx's own when the caller gave up, otherwise what fill returned
// or ErrFillPanicked.
func (c *Cache) GetMany(ctx context.Context, keys []string, fill FillMany) ([]Result, error) {
	results := make([]Result, len(keys))
	wanted := make(map[string][]int, len(keys)) // indexes of keys without a result
	g, now := c.gens.Load(), c.now()
	for i, key := range keys {
		if it, v := c.held(key, g, now); v == valid && it.fresh(now) {
			results[i] = it.found(now, LayerMemory)
			continue
		}
		wanted[key] = append(wanted[key], i)
	}
	for try := 1; len(wanted) > 0; try++ {
		flights, began := c.flightsFor(ctx, keys, wanted, fill)
		for _, f := range flights {
			select {
			case <-f.done:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			joined := !began[f]
			if joined && try < manyTries && (f.err != nil || !g.covers(f.result.item.generation, f.result.Entry)) {
				continue // it was another caller's failure, or is from before a purge
			}
			if f.err != nil {
				return nil, f.err
			}
			for _, i := range wanted[f.key] {
				results[i] = f.result
				results[i].Collapsed = results[i].Collapsed || joined && !f.result.cached()
			}
			delete(wanted, f.key)
		}
	}
	for i := range results {
		if r := &results[i]; r.cached() {
			r.item.hits.Add(1)
			r.item.provider.hits.Add(1)
		}
	}
	return results, nil
}

// A seat is a flight of a group, which one call of fill serves.
type seat struct {
	*flight
	index int // of its key
	lease lease
}

// flightsFor returns the flights of the keys that are wanted, and which of them
// it began: these are one group.
func (c *Cache) flightsFor(ctx context.Context, keys []string, wanted map[string][]int, fill FillMany) (all []*flight, began map[*flight]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, began = make([]*flight, 0, len(wanted)), make(map[*flight]bool, len(wanted))
	var group []*seat
	for i, key := range keys {
		if at := wanted[key]; len(at) == 0 || at[0] != i {
			continue // there is a result, or it comes twice
		}
		f, underWay := c.flights[flightID{key: key}]
		if underWay {
			f.raise()
		} else {
			f = newFlight(flightID{key: key}, People)
			f.err = ErrFillPanicked // what holds if the fill ends its goroutine
			c.flights[f.flightID] = f
			began[f] = true
			group = append(group, &seat{flight: f, index: i})
		}
		all = append(all, f)
	}
	if len(group) > 0 {
		ctx = context.WithoutCancel(ctx)
		c.detach(func() { c.resolveMany(ctx, group, fill) })
	}
	return all, began
}

// resolveMany does the work of a group. Flights whose lease another process
// holds wait until the rest of the group has landed: no process waits while it
// keeps others waiting.
func (c *Cache) resolveMany(ctx context.Context, group []*seat, fill FillMany) {
	defer func() {
		for _, s := range group {
			c.land(s.flight)
		}
	}()
	a := &allowance{c.cfg.RedisBudget}
	g := c.current(ctx, a)
	group = c.landFound(ctx, a, group, g)
	end := time.Now().Add(c.cfg.FillTimeout)
	pauses := pause.NewGrowing(firstLook, lastLook)
	for waited := false; len(group) > 0; waited = true {
		if waited {
			_ = pause.For(ctx, pauses.Next()) // ctx does not end
			a, g = &allowance{c.cfg.RedisBudget}, c.gens.Load()
		}
		c.contendMany(ctx, a, group, g)
		var ours, others []*seat
		for _, s := range group {
			switch {
			case s.lease.stored != nil:
				s.result, s.err = c.takeOver(ctx, s.flight, s.lease, waited), nil
				c.land(s.flight)
			case s.lease.holder == "" || time.Now().After(end):
				ours = append(ours, s)
			default:
				others = append(others, s)
			}
		}
		group = others
		if len(ours) > 0 {
			c.fillMany(ctx, ours, fill)
		}
	}
}

// landFound lands the flights whose answer a layer has, and returns the rest.
func (c *Cache) landFound(ctx context.Context, a *allowance, group []*seat, g *generations) (rest []*seat) {
	for round := range slices.Chunk(group, manyRound) {
		// Memory, too: another flight may have ended between the caller's look and
		// the beginning of this one.
		var missing []*seat
		for _, s := range round {
			if it, v := c.held(s.key, g, c.now()); v == valid && it.fresh(c.now()) {
				s.result, s.err = it.found(c.now(), LayerMemory), nil
				c.land(s.flight)
				continue
			}
			missing = append(missing, s)
		}
		records := make([]*Record, len(missing))
		if g.known {
			c.redis.readMany(ctx, a, missing, records)
		}
		for i, s := range missing {
			if !c.usable(records[i], g) || !records[i].fresh(c.now()) {
				rest = append(rest, s)
				continue
			}
			it := c.newItem(*records[i], g)
			c.adopt(s.flight, it)
			s.result, s.err = it.found(c.now(), LayerRedis), nil
			c.land(s.flight)
		}
	}
	return rest
}

// contendMany tries for the leases of a group. A flight for which Redis cannot
// be asked has an empty one, and fills.
func (c *Cache) contendMany(ctx context.Context, a *allowance, group []*seat, g *generations) {
	token := newToken(People)
	for round := range slices.Chunk(group, manyRound) {
		for _, s := range round {
			s.lease = lease{}
		}
		if g.known {
			c.redis.acquireMany(ctx, a, round, token, c.cfg.LeaseTTL)
		}
		for _, s := range round {
			if !c.usable(s.lease.stored, g) || !s.lease.stored.fresh(c.now()) {
				s.lease.stored = nil
			}
		}
	}
}

// fillMany obtains and stores the answers of a group, and lands it. Its leases
// are not renewed: a fill that outlasts them may be made twice.
func (c *Cache) fillMany(ctx context.Context, group []*seat, fill FillMany) {
	g := c.gens.Load()
	unstored := group // their leases are still to be given back
	defer func() {
		c.redis.releaseMany(ctx, &allowance{c.cfg.RedisBudget}, unstored)
		for _, s := range group {
			c.land(s.flight)
		}
	}()
	missing := make([]int, len(group))
	for i, s := range group {
		missing[i] = s.index
	}
	var entries []Entry
	_, err := c.call(ctx, func(ctx context.Context, _ *Priority) (e Entry, err error) {
		entries, err = fill(ctx, missing)
		if err == nil && len(entries) != len(missing) {
			err = errMiscounted
		}
		return e, err
	}, newPriority(People))
	now := c.now()
	var keep []*seat
	for i, s := range group {
		if s.err = err; err != nil {
			continue
		}
		e := entries[i]
		e.complete(now)
		it := c.newItem(Record{Key: s.key, Entry: e, generation: g.seq()}, g)
		it.provider.fills.Add(1)
		s.result = it.filled(Bypass, now)
		if e.storable() && e.legible() {
			s.result.Class = Miss
			keep = append(keep, s)
		}
	}
	if len(keep) == 0 {
		return
	}
	unstored = nil
	a := &allowance{c.cfg.RedisBudget}
	for round := range slices.Chunk(keep, manyRound) {
		kept := make([]bool, len(round)) // in Redis, or not refused by it
		for i := range kept {
			kept[i] = true
		}
		if g.known {
			c.redis.storeMany(ctx, a, round, now, kept)
		}
		c.mu.Lock()
		for i, s := range round {
			if kept[i] && !s.purged {
				s.result.Stored = c.memory.offer(s.result.item, g)
			}
		}
		c.mu.Unlock()
	}
}

// errMiscounted is a fault of the fill.
var errMiscounted = errors.New("the fill made another number of answers than was asked for")

// The commands for many keys are those for one, in one round trip. They report
// no errors: what Redis does not answer is as if it held nothing.

// readMany is read for the keys of a group.
func (r *redisLayer) readMany(ctx context.Context, a *allowance, group []*seat, records []*Record) {
	values := make([]*redis.StringCmd, len(group))
	_ = r.pipeline(ctx, a, "get", group, func(ctx context.Context, pipe redis.Pipeliner, i int, n names) {
		values[i] = pipe.Get(ctx, n.entry)
	})
	for i, v := range values {
		if v != nil && v.Err() == nil {
			records[i] = r.open(group[i].key, []byte(v.Val()))
		}
	}
}

// acquireMany is acquire of the leases for callers.
func (r *redisLayer) acquireMany(ctx context.Context, a *allowance, group []*seat, token string, life time.Duration) {
	type answers struct {
		taken               *redis.StatusCmd
		holder, value, mark *redis.StringCmd
	}
	all := make([]answers, len(group))
	if r.pipeline(ctx, a, "lease", group, func(ctx context.Context, pipe redis.Pipeliner, i int, n names) {
		all[i] = answers{
			pipe.SetArgs(ctx, n.lease, token, redis.SetArgs{Mode: "NX", TTL: life}),
			pipe.Get(ctx, n.lease), pipe.Get(ctx, n.entry), pipe.Get(ctx, n.mark),
		}
	}) != nil {
		return
	}
	for i, s := range group {
		got := all[i]
		if !answered(got.holder.Err()) || !answered(got.value.Err()) || !answered(got.mark.Err()) {
			continue
		}
		s.lease = lease{name: r.names(s.key).lease, holder: got.holder.Val(), mark: got.mark.Val()}
		if s.lease.holder == token {
			s.lease.token, s.lease.holder = token, ""
		}
		if got.value.Err() == nil {
			s.lease.stored = r.open(s.key, []byte(got.value.Val()))
		}
	}
}

// storeMany is store for what the flights of a group have obtained. kept becomes
// false for those that Redis refuses because they were purged. Nobody is told:
// who waits in another process looks again.
func (r *redisLayer) storeMany(ctx context.Context, a *allowance, group []*seat, now time.Time, kept []bool) {
	replies := make([]*redis.Cmd, len(group))
	store := func() error {
		return r.pipeline(ctx, a, "store", group, func(ctx context.Context, pipe redis.Pipeliner, i int, n names) {
			rec := &group[i].result.item.Record
			value := rec.encode()
			if r.may != nil && !r.may(len(value)) {
				r.stats.redisRefused.Add(1)
				return
			}
			left := max(rec.life()-rec.age(now), time.Millisecond)
			replies[i] = storeScript.EvalSha(ctx, pipe, []string{n.entry, n.lease, n.mark},
				group[i].lease.token, value, left.Milliseconds(), group[i].lease.mark, "", "")
		})
	}
	if err := store(); redis.HasErrorPrefix(err, "NOSCRIPT") {
		_ = r.do(ctx, a, "load", "", func(ctx context.Context) error { return storeScript.Load(ctx, r.rdb).Err() })
		_ = store() // what fails is not kept
	}
	for i, reply := range replies {
		if reply == nil {
			continue
		}
		got, err := reply.Slice()
		if err != nil || len(got) != 2 {
			continue
		}
		if problem, _ := got[1].(string); problem != "" {
			r.refused(problem)
			continue
		}
		kept[i] = got[0] == int64(1)
	}
}

// releaseMany gives back the leases that a group holds.
func (r *redisLayer) releaseMany(ctx context.Context, a *allowance, group []*seat) {
	held := slices.DeleteFunc(slices.Clone(group), func(s *seat) bool { return s.lease.token == "" })
	for round := range slices.Chunk(held, manyRound) {
		_ = r.pipeline(ctx, a, "release", round, func(ctx context.Context, pipe redis.Pipeliner, i int, n names) {
			releaseScript.Eval(ctx, pipe, []string{n.lease}, round[i].lease.token, n.channel, event{kind: eventReleased, key: round[i].key}.String())
		})
	}
}

// pipeline makes one round trip with what add has for each key of a group.
func (r *redisLayer) pipeline(ctx context.Context, a *allowance, op string, group []*seat, add func(ctx context.Context, pipe redis.Pipeliner, i int, n names)) error {
	if len(group) == 0 {
		return nil
	}
	return r.do(ctx, a, op, r.names(group[0].key).entry, func(ctx context.Context) error {
		pipe := r.rdb.Pipeline()
		for i, s := range group {
			add(ctx, pipe, i, r.names(s.key))
		}
		_, err := pipe.Exec(ctx)
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err //nolint:wrapcheck // judged by the caller
	})
}
