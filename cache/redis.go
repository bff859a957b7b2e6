package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/sony/gobreaker/v2"

	"geogate/internal/batch"
	"geogate/internal/trace"
	"geogate/internal/turns"
)

// errRedisSkipped means that Redis was not asked, because it has not been
// answering or because the request has used up its time for Redis.
var errRedisSkipped = errors.New("redis skipped")

// errNoRoom means that Redis has no room left for answers.
var errNoRoom = errors.New("no room for answers in redis")

const (
	// breakerFailures in a row make a Redis node count as down.
	breakerFailures = 3
	// breakerPause is how long it is left alone before one call tries it.
	breakerPause = time.Second

	// readsAlone is how many reads may be under way before the next ones go together.
	readsAlone = 3
	// readsTogether is how many go in one round trip.
	readsTogether = 64
	// shortRead is how much of each comes with the others, in bytes, so that nobody waits
	// for an answer of megabytes: what is longer is read again, alone.
	shortRead = 16 << 10
	// readsWaiting is how many may wait for the batch ahead, readsWaitingEach of one caller.
	readsWaiting     = 4096
	readsWaitingEach = 1024
)

// redisLayer is the cache's only way to Redis. Every command goes through do,
// which keeps the time limits and leaves a dead node alone. A failure here
// never makes a Get fail.
type redisLayer struct {
	rdb     redis.UniversalClient
	prefix  string
	log     zerolog.Logger
	observe func(op string, d time.Duration, err error)
	stats   *counters
	may     func(bytes int) bool // nil: always

	budget   time.Duration         // of one batch of reads
	together *batch.Line[*oneRead] // nil: on a cluster, where a batch would wait for the slowest node
	reading  atomic.Int64          // reads under way, alone or together
	forecast forecast
	refusing atomic.Bool // the last store was refused
	breakers sync.Map    // address of the node (empty outside a cluster) → *gobreaker.CircuitBreaker[struct{}]
}

// redisSpan is the name of the span of a round trip: there is none where the memory of
// the process has the answer.
const redisSpan = "cache in redis"

// allowance is what is left of the time that one request may spend on Redis.
// It belongs to one goroutine.
type allowance struct{ left time.Duration }

// do makes one round trip about key within what is left of a. It returns
// errRedisSkipped if it did not try.
func (r *redisLayer) do(ctx context.Context, a *allowance, op, key string, f func(ctx context.Context) error) error {
	if a.left <= 0 {
		return errRedisSkipped
	}
	ctx, cancel := context.WithTimeout(ctx, a.left)
	defer cancel()
	return guarded(r.breaker(r.node(ctx, key)), func() error { return r.spend(ctx, a, op, f) })
}

// spend takes the time that f needs off a. ctx ends when a is used up.
func (r *redisLayer) spend(ctx context.Context, a *allowance, op string, f func(ctx context.Context) error) error {
	_, span := trace.Start(ctx, trace.Client, redisSpan)
	span.Set("db.operation.name", op)
	defer span.End()
	start := time.Now()
	err := f(ctx)
	took := time.Since(start)
	a.left -= took
	if errors.Is(err, errRedisSkipped) {
		return err
	}
	r.stats.redisCalls.Add(1)
	r.stats.redisNanos.Add(int64(took))
	if !answered(err) {
		r.stats.redisErrors.Add(1)
	}
	if r.observe != nil {
		r.observe(op, took, err)
	}
	return err
}

// guarded calls f unless the breaker leaves its node alone.
func guarded(breaker *gobreaker.CircuitBreaker[struct{}], f func() error) error {
	_, err := breaker.Execute(func() (struct{}, error) { return struct{}{}, f() })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return errRedisSkipped
	}
	return err
}

// oneRead is one of the reads that go together.
type oneRead struct {
	name  string // of a key in Redis
	value string // its first bytes, shortRead at most
	err   error
}

// gather lets reads go together, where that is of use.
func (r *redisLayer) gather() {
	if _, ok := r.rdb.(*redis.ClusterClient); ok {
		return
	}
	r.together = batch.New(batch.Bounds{Batch: readsTogether, Waiting: readsWaiting, Each: readsWaitingEach},
		func(*oneRead) int { return 1 }, r.readBatch)
}

// get reads a key in Redis. While a few reads are under way, the next ones wait for each
// other and go together in one round trip, as soon as the batch ahead of them is back.
// Whoever comes alone waits for nobody.
func (r *redisLayer) get(ctx context.Context, a *allowance, name string) ([]byte, error) {
	defer r.reading.Add(-1)
	// Whoever has more time than a batch may take, reads alone.
	if r.reading.Add(1) > readsAlone && r.together != nil && 0 < a.left && a.left <= r.budget {
		read := &oneRead{name: name}
		inTime, cancel := context.WithTimeout(ctx, a.left)
		err := r.spend(inTime, a, "get", func(ctx context.Context) error { return r.readTogether(ctx, read) })
		cancel()
		if err != nil {
			return nil, err // it may still belong to the batch
		}
		if len(read.value) < shortRead {
			return []byte(read.value), nil
		}
	}
	var value []byte
	err := r.do(ctx, a, "get", name, func(ctx context.Context) (err error) {
		value, err = r.rdb.Get(ctx, name).Bytes()
		return err
	})
	return value, err
}

// readTogether waits for the batch of a read, or until ctx ends. Then the read belongs to
// the batch, which may still be under way.
func (r *redisLayer) readTogether(ctx context.Context, read *oneRead) error {
	caller, _ := ctx.Value(turns.CallerKey{}).(string)
	err := r.together.Do(ctx, caller, []*oneRead{read})
	switch {
	case errors.Is(err, batch.ErrFull):
		return turns.ErrBusy
	case err != nil:
		return err
	case read.err == nil && read.value == "":
		return redis.Nil
	}
	return read.err
}

// readBatch is one round trip for all, and counts as one for the breaker: a connection that
// dies takes many reads with it and says no more about Redis than if it were one.
func (r *redisLayer) readBatch(reads []*oneRead) {
	ctx, cancel := context.WithTimeout(context.Background(), r.budget)
	defer cancel()
	values := make([]*redis.StringCmd, len(reads))
	err := guarded(r.breaker(""), func() error {
		pipe := r.rdb.Pipeline()
		for i, read := range reads {
			values[i] = pipe.GetRange(ctx, read.name, 0, shortRead-1)
		}
		_, err := pipe.Exec(ctx)
		return err //nolint:wrapcheck // judged by the breaker
	})
	for i, read := range reads {
		if read.err = err; values[i] != nil {
			read.value, read.err = values[i].Result()
		}
	}
}

// node names the cluster node that serves key. Each node has its own breaker,
// because one dead node must not cut the cache off from the others.
func (r *redisLayer) node(ctx context.Context, key string) string {
	cluster, ok := r.rdb.(*redis.ClusterClient)
	if !ok {
		return ""
	}
	node, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return ""
	}
	return node.Options().Addr
}

func (r *redisLayer) breaker(node string) *gobreaker.CircuitBreaker[struct{}] {
	if b, ok := r.breakers.Load(node); ok {
		return b.(*gobreaker.CircuitBreaker[struct{}])
	}
	b, _ := r.breakers.LoadOrStore(node, gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         node,
		Timeout:      breakerPause,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: answered,
		IsExcluded:   saysNothing,
		OnStateChange: func(node string, from, to gobreaker.State) {
			switch {
			case to == gobreaker.StateOpen && from == gobreaker.StateClosed:
				r.log.Warn().Str("node", node).Msg("redis does not answer, cache continues without it")
			case to == gobreaker.StateClosed:
				r.log.Info().Str("node", node).Msg("redis answers again")
			}
		},
	}))
	return b.(*gobreaker.CircuitBreaker[struct{}])
}

// saysNothing reports whether an error is the caller's own: they have left, or have too
// much under way.
func saysNothing(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, turns.ErrBusy)
}

// answered reports whether Redis works. An error reply about one command, such
// as out-of-memory or read-only, comes from a server that does; a reply that
// the server serves nobody counts as no answer.
func answered(err error) bool {
	if err == nil || errors.Is(err, redis.Nil) {
		return true
	}
	if _, ok := errors.AsType[redis.Error](err); !ok {
		return false
	}
	return !redis.IsLoadingError(err) && !redis.IsClusterDownError(err) && !redis.IsMasterDownError(err) &&
		!redis.IsMaxClientsError(err) && !redis.IsAuthError(err)
}

// Hash is the short name of a key: 128 bits of its SHA-256 in hexadecimal. It
// names the key's place in Redis, and stands for the key in logs, where nobody's
// address may appear. Two keys with the same hash displace each other but are
// never mistaken for each other, because an entry carries its full key.
func Hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// names are the Redis keys that belong to one cache key. They share a hash tag
// and so a slot of a cluster, so one script may use them all.
type names struct {
	entry   string // the encoded entry
	lease   string // token of the process that fills for its callers
	renewal string // token of the process that fills whatever there is: refreshes
	mark    string // left by a purge for the fills that began before it
	channel string // where stores, releases and purges are announced
}

func (r *redisLayer) names(key string) names { return r.namesOf(Hash(key)) }

// namesOf is names for the key with that Hash.
func (r *redisLayer) namesOf(hash string) names {
	tag := "{" + hash + "}"
	return names{
		entry:   r.prefix + "entry:" + tag,
		lease:   r.prefix + "lease:" + tag,
		renewal: r.prefix + "renewal:" + tag,
		mark:    r.prefix + "purged:" + tag,
		channel: r.prefix + "event:" + tag,
	}
}

// record is the key of the fleet's record of purges.
func (r *redisLayer) record() string { return r.prefix + "generation" }

// entryPattern and eventPattern match the entries and the channels of all keys.
func (r *redisLayer) entryPattern() string { return globQuoted(r.prefix) + "entry:*" }
func (r *redisLayer) eventPattern() string { return globQuoted(r.prefix) + "event:*" }

// globQuoted escapes special characters, so that a namespace matches itself.
func globQuoted(s string) string {
	var b []byte
	for i := range len(s) {
		switch s[i] {
		case '*', '?', '[', ']', '\\', '^', '-':
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return string(b)
}
