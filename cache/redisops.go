package cache

import (
	"context"
	"embed"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

func script(name string) *redis.Script {
	text, err := scriptFiles.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err) // embedded at build time
	}
	return redis.NewScript(string(text))
}

var (
	storeScript      = script("store")
	releaseScript    = script("release")
	renewScript      = script("renew")
	purgeScript      = script("purge")
	generationScript = script("generation")
)

// read returns the envelope of key, nil if there is none that can be used,
// and an error only if Redis could not be asked.
func (r *redisLayer) read(ctx context.Context, a *allowance, key string) (*envelope, error) {
	n := r.names(key)
	var value []byte
	err := r.do(ctx, a, "get", n.entry, func(ctx context.Context) (err error) {
		value, err = r.rdb.Get(ctx, n.entry).Bytes()
		return err
	})
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return r.open(key, value), nil
}

// open decodes the value found in the place of key, nil if it is of no use.
func (r *redisLayer) open(key string, value []byte) *envelope {
	env, err := decode(value)
	switch {
	case errors.Is(err, errCorrupt):
		r.stats.corrupt.Add(1)
		r.log.Warn().Str("hash", Hash(key)).Msg("corrupt cache entry ignored")
		return nil
	case err != nil, env.key != key:
		return nil
	}
	return &env
}

// claim is the answer to an attempt to take a lease.
type claim struct {
	token    string    // of the lease, empty if another process has it
	envelope *envelope // what is stored now, nil if nothing
	mark     string    // of the last purge, for store
}

// acquire tries to take the lease for token and, in this order, reads the
// entry: another process may have stored it and given the lease back since
// the caller looked.
func (r *redisLayer) acquire(ctx context.Context, a *allowance, key, lease, token string, life time.Duration) (claim, error) {
	n := r.names(key)
	var taken *redis.StatusCmd
	var value, mark *redis.StringCmd
	err := r.do(ctx, a, "lease", n.entry, func(ctx context.Context) error {
		pipe := r.rdb.Pipeline()
		taken = pipe.SetArgs(ctx, lease, token, redis.SetArgs{Mode: "NX", TTL: life})
		value = pipe.Get(ctx, n.entry)
		mark = pipe.Get(ctx, n.mark)
		_, err := pipe.Exec(ctx)
		if redis.IsOOMError(taken.Err()) && answered(value.Err()) {
			return nil // filled without a lease
		}
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return claim{}, err
	}
	got := claim{mark: mark.Val()}
	if !errors.Is(taken.Err(), redis.Nil) {
		got.token = token
	}
	if value.Err() == nil {
		got.envelope = r.open(key, []byte(value.Val()))
	}
	return got, nil
}

// store writes the envelope for what is left of its life, gives the lease of
// the claim back and announces it. It reports false if the key was purged
// since the claim.
func (r *redisLayer) store(ctx context.Context, a *allowance, env *envelope, lease string, held claim, now time.Time) (bool, error) {
	n := r.names(env.key)
	value := env.encode()
	left := max(env.entry.life()-env.entry.age(now), time.Millisecond)
	stored := event{kind: eventStored, storedAt: env.entry.StoredAt.UnixNano(), key: env.key}
	var reply []any
	err := r.do(ctx, a, "store", n.entry, func(ctx context.Context) (err error) {
		reply, err = storeScript.Run(ctx, r.rdb, []string{n.entry, lease, n.mark},
			held.token, value, left.Milliseconds(), held.mark, n.channel, stored.String()).Slice()
		return err
	})
	if err != nil {
		return false, err
	}
	if problem, _ := reply[1].(string); problem != "" {
		r.refused(problem)
		return false, errors.New(problem)
	}
	r.accepted()
	return reply[0] == int64(1), nil
}

// refused and accepted log the first of a series of refused writes and its end.
func (r *redisLayer) refused(problem string) {
	r.stats.redisRefused.Add(1)
	if r.refusing.CompareAndSwap(false, true) {
		r.log.Warn().Str("reply", problem).Msg("redis refuses to store cache entries")
	}
}

func (r *redisLayer) accepted() {
	if r.refusing.CompareAndSwap(true, false) {
		r.log.Info().Msg("redis stores cache entries again")
	}
}

func (r *redisLayer) release(ctx context.Context, a *allowance, key, lease, token string) error {
	n := r.names(key)
	released := event{kind: eventReleased, key: key}
	return r.do(ctx, a, "release", n.entry, func(ctx context.Context) error {
		return releaseScript.Run(ctx, r.rdb, []string{lease}, token, n.channel, released.String()).Err()
	})
}

func (r *redisLayer) renew(ctx context.Context, a *allowance, key, lease, token string, life time.Duration) error {
	n := r.names(key)
	return r.do(ctx, a, "renew", n.entry, func(ctx context.Context) error {
		return renewScript.Run(ctx, r.rdb, []string{lease}, token, life.Milliseconds()).Err()
	})
}

// purge removes the entry of key and keeps fills that began before from
// storing theirs for as long as life. It reports whether there was one.
func (r *redisLayer) purge(ctx context.Context, a *allowance, key, mark string, life time.Duration) (bool, error) {
	n := r.names(key)
	var removed int
	err := r.do(ctx, a, "purge", n.entry, func(ctx context.Context) (err error) {
		removed, err = purgeScript.Run(ctx, r.rdb, []string{n.entry, n.lease, n.mark}, mark, life.Milliseconds()).Int()
		return err
	})
	return removed > 0, err
}

// readRecord returns the fleet's record of purges, empty if there is none.
func (r *redisLayer) readRecord(ctx context.Context, a *allowance) (map[string]uint64, error) {
	var record map[string]string
	err := r.do(ctx, a, "generation", r.record(), func(ctx context.Context) (err error) {
		record, err = r.rdb.HGetAll(ctx, r.record()).Result()
		return err
	})
	return parseScopes(record), err
}

// purgeNote is one purge to be counted: of a scope, or of the key of the
// event if the scope is empty.
type purgeNote struct {
	scope string
	event event
}

// mergeRecord brings the record up to g (or begins it, if g is not known to be
// true), counts and announces the purge if
// there is one, and returns the record.
func (r *redisLayer) mergeRecord(ctx context.Context, a *allowance, g *generations, p *purgeNote) (map[string]uint64, error) {
	args := []any{"", "", "", "", ""}
	if p != nil {
		args = []any{r.prefix + "event:generation", p.scope, string(rune(p.event.kind)), p.event.tail(), ""}
	}
	if !g.known {
		args[4] = "1"
	}
	args = append(args, g.pairs()...)
	var reply []string
	err := r.do(ctx, a, "generation", r.record(), func(ctx context.Context) (err error) {
		reply, err = generationScript.Run(ctx, r.rdb, []string{r.record()}, args...).StringSlice()
		return err
	})
	if err != nil {
		return nil, err
	}
	record := make(map[string]string, len(reply)/2)
	for i := 0; i+1 < len(reply); i += 2 {
		record[reply[i]] = reply[i+1]
	}
	return parseScopes(record), nil
}
