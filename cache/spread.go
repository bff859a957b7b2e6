package cache

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"maps"
	"time"
)

// Purges travel a second way, for the time when Redis is down: Config.Spread takes a
// change to MergePurges of the others, and whoever comes later gets all of Purges.
// Merging takes the greater number, so neither order nor repetition matters.
//
// A purge of a scope is its number in the record, which reaches Redis with the next
// sync. A purge of a single key is a debt: memory forgets the key at once, and what
// Redis holds from before counts for nothing until somebody has removed it there.

// maxDebts is the most keys whose purge waits for Redis, or is remembered after it.
const maxDebts = 1024

// purges is what travels.
type purges struct {
	// Known: whoever sends it has read the record in Redis, or heard of somebody who has.
	Known  bool              `json:"known,omitempty"`
	Record map[string]uint64 `json:"record,omitempty"`
	// Keys are those that Redis may still hold, by Hash.
	Keys map[string]uint64 `json:"keys,omitempty"`
}

// debt is the purge of a key that Redis was not there for.
type debt struct {
	number uint64 // an entry whose fill began before it is purged
	paid   bool   // Redis has been told; kept so that it is not told again
}

// Purges is all that another process needs to know of purges.
func (c *Cache) Purges() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gens.Load()
	p := purges{Known: g.known, Record: g.scopes, Keys: map[string]uint64{}}
	for hash, d := range c.owed {
		if !d.paid {
			p.Keys[hash] = d.number
		}
	}
	return p.encode()
}

func (p purges) encode() []byte {
	text, err := json.Marshal(p)
	if err != nil {
		return nil // numbers and strings always become JSON
	}
	return text
}

func (c *Cache) spread(p purges) { c.cfg.Spread(p.encode()) }

// MergePurges takes in what another process has spread, or its Purges, and returns what
// of it was news: nil if nothing was.
func (c *Cache) MergePurges(text []byte) []byte {
	var p purges
	if err := json.Unmarshal(text, &p); err != nil {
		c.log.Debug().Err(err).Msg("purges of another process cannot be read")
		return nil
	}
	news := c.mergePurges(p)
	if len(news.Keys) > 0 {
		c.forgetAll(news.Keys)
		c.resyncSoon() // which settles them if Redis is there
	}
	if len(news.Keys) == 0 && len(news.Record) == 0 {
		return nil
	}
	return news.encode()
}

func (c *Cache) mergePurges(p purges) purges {
	news := purges{Record: map[string]uint64{}, Keys: map[string]uint64{}}
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gens.Load()
	for scope, number := range p.Record {
		if g.scopes[scope] < number {
			news.Record[scope] = number
		}
	}
	if len(news.Record) > 0 || p.Known && !g.known {
		n := g.merged(news.Record)
		if p.Known && !n.known {
			n.known, n.heard = true, n.seq()
		}
		c.gens.Store(n)
	}
	for hash, number := range p.Keys {
		if c.owed[hash].number < number && c.makeRoom(hash) {
			c.setDebt(hash, debt{number: number})
			news.Keys[hash] = number
		}
	}
	return news
}

// next is a number for a purge that Redis does not count. It is above all that this
// process has heard of, and above those of most other processes. The caller holds c.mu.
func (c *Cache) next() uint64 {
	return max(c.gens.Load().seq()+1, uint64(time.Now().UnixMicro()))
}

// purgeHere counts a purge of a scope without Redis.
func (c *Cache) purgeHere(scope string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	number := c.next()
	c.gens.Store(c.gens.Load().merged(map[string]uint64{scopeSeq: number, scope: number}))
}

// owe notes that Redis has to be told of a purged key, and tells the others. It reports
// false if there are too many such keys.
func (c *Cache) owe(hash string) bool {
	c.mu.Lock()
	if !c.makeRoom(hash) {
		c.mu.Unlock()
		return false
	}
	number := c.next()
	c.gens.Store(c.gens.Load().merged(map[string]uint64{scopeSeq: number}))
	c.setDebt(hash, debt{number: number})
	c.mu.Unlock()
	c.spread(purges{Record: map[string]uint64{scopeSeq: number}, Keys: map[string]uint64{hash: number}})
	return true
}

// makeRoom makes sure that hash may be put into owed, and drops debts that are paid for
// it. The caller holds c.mu.
func (c *Cache) makeRoom(hash string) bool {
	if _, known := c.owed[hash]; known || len(c.owed) < maxDebts {
		return true
	}
	maps.DeleteFunc(c.owed, func(_ string, d debt) bool { return d.paid })
	return len(c.owed) < maxDebts
}

// setDebt is called by those who hold c.mu.
func (c *Cache) setDebt(hash string, d debt) {
	if old, known := c.owed[hash]; known && !old.paid {
		c.owing.Add(-1)
	}
	if !d.paid {
		c.owing.Add(1)
	}
	c.owed[hash] = d
}

// owes reports whether the record is from before a purge that Redis has not heard of.
func (c *Cache) owes(rec *Record) bool {
	if c.owing.Load() == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d, known := c.owed[Hash(rec.Key)]
	return known && !d.paid && rec.generation < d.number
}

// settle tells Redis of the keys that were purged while it was away.
func (c *Cache) settle(ctx context.Context) {
	if c.owing.Load() == 0 {
		return
	}
	c.mu.Lock()
	owed := maps.Clone(c.owed)
	c.mu.Unlock()
	for hash, d := range owed {
		if d.paid {
			continue
		}
		if _, err := c.redis.purge(ctx, &allowance{c.cfg.RedisBudget}, hash, rand.Text(), c.markLife()); err != nil {
			return // the next look goes on
		}
		c.mu.Lock()
		if c.owed[hash] == d {
			d.paid = true
			c.setDebt(hash, d)
		}
		c.mu.Unlock()
	}
}

// forgetAll forgets the keys with these Hashes. Flights come first: one that lands
// meanwhile is found in memory.
func (c *Cache) forgetAll(hashes map[string]uint64) {
	var keys []string
	note := func(key string) {
		if _, purged := hashes[Hash(key)]; purged {
			keys = append(keys, key)
		}
	}
	c.mu.Lock()
	for id := range c.flights {
		note(id.key)
	}
	c.mu.Unlock()
	for _, key := range keys {
		c.forget(key)
	}
	keys = keys[:0]
	for key := range c.memory.all() {
		note(key)
	}
	for _, key := range keys {
		c.forget(key)
	}
}
