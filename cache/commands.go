package cache

import (
	"context"
	"embed"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/lua"
)

//go:embed scripts/*.lua
var scripts embed.FS

var (
	lookScript       = lua.Load(scripts, "look")
	storeScript      = lua.Load(scripts, "store")
	releaseScript    = lua.Load(scripts, "release")
	replaceScript    = lua.Load(scripts, "replace")
	purgeScript      = lua.Load(scripts, "purge")
	generationScript = lua.Load(scripts, "generation")
)

// read returns the record of key, nil if there is none that can be read. An
// error means that Redis could not be asked.
func (r *redisLayer) read(ctx context.Context, a *allowance, key string) (*Record, error) {
	value, err := r.get(ctx, a, r.names(key).entry)
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return r.open(key, value), nil
}

// open decodes the value found in the place of key, nil if it is of no use.
func (r *redisLayer) open(key string, value []byte) *Record {
	rec, err := decode(value)
	switch {
	case errors.Is(err, errCorrupt):
		r.stats.corrupt.Add(1)
		r.log.Warn().Str("hash", Hash(key)).Msg("corrupt cache entry ignored")
		return nil
	case err != nil, rec.Key != key:
		return nil
	}
	return &rec
}

// look is read which, in the same step, tries to take the lease of callers for token if
// there is no entry. Where there is one, the lease is empty and not taken. After an
// error the lease may have been taken.
func (r *redisLayer) look(ctx context.Context, a *allowance, key, token string, life time.Duration) (*Record, lease, error) {
	n := r.names(key)
	var reply any
	err := r.do(ctx, a, "look", n.entry, func(ctx context.Context) (err error) {
		reply, err = lookScript.Run(ctx, r.rdb, []string{n.entry, n.lease, n.mark}, token, life.Milliseconds()).Result()
		return err
	})
	if err != nil {
		return nil, lease{}, err
	}
	if value, ok := reply.(string); ok {
		return r.open(key, []byte(value)), lease{}, nil
	}
	fields, _ := reply.([]any)
	if len(fields) != 2 {
		return nil, lease{}, errLook
	}
	l := lease{name: n.lease, rank: -1}
	l.holder, _ = fields[0].(string)
	l.mark, _ = fields[1].(string)
	l.settle(token)
	return nil, l, nil
}

// errLook is a fault of the script.
var errLook = errors.New("look script gave neither an entry nor a lease")

// acquire tries to take the lease of that name for token and then, in this
// order, reads the entry: another process may have stored it and given the
// lease back since the caller looked. The lease's stored is what Redis holds,
// whether or not it may be served.
func (r *redisLayer) acquire(ctx context.Context, a *allowance, key, name, token string, life time.Duration) (lease, error) {
	n := r.names(key)
	var taken *redis.StatusCmd
	var holder, value, mark *redis.StringCmd
	err := r.do(ctx, a, "lease", n.entry, func(ctx context.Context) error {
		pipe := r.rdb.Pipeline()
		taken = pipe.SetArgs(ctx, name, token, redis.SetArgs{Mode: "NX", TTL: life})
		holder = pipe.Get(ctx, name)
		value = pipe.Get(ctx, n.entry)
		mark = pipe.Get(ctx, n.mark)
		_, err := pipe.Exec(ctx)
		if redis.IsOOMError(taken.Err()) && answered(value.Err()) {
			return nil // filled without a lease
		}
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return lease{}, err
	}
	l := lease{name: name, holder: holder.Val(), mark: mark.Val()}
	l.settle(token)
	if value.Err() == nil {
		l.head = head(value.Val())
		l.stored = r.open(key, []byte(value.Val()))
	}
	return l, nil
}

// store writes the record for what is left of its life, gives the lease back
// and announces it. It reports false if the key was purged since the lease was
// acquired, or if Redis holds something better.
// Where there is no room left for answers, it only gives the lease
// back, and returns errNoRoom.
func (r *redisLayer) store(ctx context.Context, a *allowance, rec *Record, l lease, now time.Time) (bool, error) {
	n := r.names(rec.Key)
	value := rec.encode()
	if r.may != nil && !r.may(len(value)) {
		r.stats.redisRefused.Add(1)
		return false, errors.Join(errNoRoom, r.release(ctx, a, rec.Key, l.name, l.token))
	}
	left := max(rec.life()-rec.age(now), time.Millisecond)
	stored := event{kind: eventStored, storedAt: rec.StoredAt.UnixNano(), key: rec.Key}
	if rec.Rank > 0 {
		// Processes that hold a better one keep it: only those that wait look.
		stored = event{kind: eventReleased, key: rec.Key}
	}
	args := []any{l.token, value, left.Milliseconds(), l.mark, n.channel, stored.String()}
	if rec.Rank > 0 {
		args = append(args, l.replaceable(rec.Rank))
	}
	var reply []any
	err := r.do(ctx, a, "store", n.entry, func(ctx context.Context) (err error) {
		reply, err = storeScript.Run(ctx, r.rdb, []string{n.entry, l.name, n.mark}, args...).Slice()
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

// release gives a lease back if token still holds it.
func (r *redisLayer) release(ctx context.Context, a *allowance, key, name, token string) error {
	n := r.names(key)
	released := event{kind: eventReleased, key: key}
	return r.do(ctx, a, "release", n.entry, func(ctx context.Context) error {
		return releaseScript.Run(ctx, r.rdb, []string{name}, token, n.channel, released.String()).Err()
	})
}

// replace puts the lease that token from holds under token to, which may be the
// same, and extends it. It reports false if from does not hold it any more.
func (r *redisLayer) replace(ctx context.Context, a *allowance, key, name, from, to string, life time.Duration) (bool, error) {
	var replaced bool
	err := r.do(ctx, a, "renew", r.names(key).entry, func(ctx context.Context) (err error) {
		replaced, err = replaceScript.Run(ctx, r.rdb, []string{name}, from, to, life.Milliseconds()).Bool()
		return err
	})
	return replaced, err
}

// hurry tells the process that fills key with low priority that a person waits.
func (r *redisLayer) hurry(ctx context.Context, a *allowance, key string) error {
	n := r.names(key)
	return r.do(ctx, a, "hurry", n.entry, func(ctx context.Context) error {
		return r.rdb.Publish(ctx, n.channel, event{kind: eventHurry, key: key}.String()).Err()
	})
}

// purge removes the entry of the key with that Hash and, for as long as life, keeps
// fills that began before from storing theirs. It reports whether there was an entry.
func (r *redisLayer) purge(ctx context.Context, a *allowance, hash, mark string, life time.Duration) (bool, error) {
	n := r.namesOf(hash)
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

// mergeRecord brings the record up to g, or begins it with g if g is not known
// to be true. It counts and announces the purge if there is one, and returns
// the record.
func (r *redisLayer) mergeRecord(ctx context.Context, a *allowance, g *generations, p *purge) (map[string]uint64, error) {
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
