package budget

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/lua"
)

// Redis is the client that budgets are counted with.
type Redis = redis.UniversalClient

const (
	// DefaultRedisPatience bounds one question to Redis. It is part of the wait
	// of somebody who wants an address.
	DefaultRedisPatience = 250 * time.Millisecond
	// redisRest is how long Redis is not asked again after it failed, so that a
	// slow Redis costs one caller a second, and not each of them.
	redisRest = time.Second
)

//go:embed scripts/*.lua
var scripts embed.FS

var (
	acquireScript = lua.Load(scripts, "acquire")
	pauseScript   = lua.Load(scripts, "pause")
)

// errResting: Redis failed a moment ago.
var errResting = errors.New("redis failed a moment ago")

// fleetGate counts the calls of all processes in Redis, by the clock of Redis.
type fleetGate struct {
	limits Limits
	redis  Redis
	state  string // key of a hash, see acquire.lua
	leases string // key of a sorted set: a token for each running call, by when it lapses
	// local takes over while Redis is down; nil: nothing is sent then.
	local    *localGate
	patience time.Duration

	restUntil atomic.Int64 // Unix nanoseconds; until then Redis is not asked
	rested    atomic.Int64 // Unix nanoseconds; when the budget will have rested
}

// newFleetGate returns the gate of [NewFleet]. Where closed is set, nobody gets
// through while Redis is down: somebody else's server must not pay for our
// trouble.
func newFleetGate(rdb Redis, name string, l Limits, patience time.Duration, closed bool) *fleetGate {
	// The name is the hash tag: both keys live on one node of a cluster.
	tag := "geogate:budget:{" + strings.NewReplacer("{", "", "}", "").Replace(name) + "}"
	g := &fleetGate{limits: l, redis: rdb, state: tag, leases: tag + ":leases", patience: patience}
	if g.patience == 0 {
		g.patience = DefaultRedisPatience
	}
	if !closed {
		g.local = newLocalGate(l)
	}
	return g
}

// try asks Redis. An error means that the calls cannot be counted, and that the
// provider must not be asked then.
func (g *fleetGate) try(ctx context.Context, lane Lane) (verdict, error) {
	v, err := g.tryRedis(ctx, lane)
	if err != nil && g.local != nil {
		return g.local.try(ctx, lane)
	}
	return v, err
}

func (g *fleetGate) tryRedis(ctx context.Context, lane Lane) (verdict, error) {
	if g.resting() {
		return verdict{}, errResting
	}
	// A caller who leaves now may leave a lease behind, which would block a
	// provider that takes one call at a time until it lapses. So the script runs
	// to its end, and whoever left gives the lease back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.patience)
	defer cancel()
	token := rand.Text()
	l := g.limits
	reply, err := acquireScript.Run(ctx, g.redis, []string{g.state, g.leases},
		int(lane), token, l.Interval.Microseconds(), l.Burst, l.Concurrency,
		l.BulkInterval.Microseconds(), g.lease().Microseconds(),
		concurrencyPoll.Microseconds(), demandGrace.Microseconds(), peopleInARow).Int64Slice()
	if err == nil && len(reply) != 3 {
		err = fmt.Errorf("acquire script gave %d numbers", len(reply))
	}
	if err != nil {
		g.rest()
		// The script may have run all the same: the lease then lapses.
		return verdict{}, err
	}
	wait := time.Duration(reply[1]) * time.Microsecond
	g.rested.Store(time.Now().Add(time.Duration(reply[2]) * time.Microsecond).UnixNano())
	switch reply[0] {
	case 0:
		return verdict{granted: true, token: token}, nil
	case 2:
		return verdict{wait: wait, paused: true}, nil
	default:
		return verdict{wait: wait}, nil
	}
}

// lease is how long Redis keeps the token of a call. Where calls under way are not
// counted, it only has to know a question again that the client repeats because the
// answer was lost: the token lapses, and nobody gives it back.
func (g *fleetGate) lease() time.Duration {
	if g.limits.Concurrency == 0 {
		return min(2*g.patience, g.limits.Lease)
	}
	return g.limits.Lease
}

// release gives a lease back. When Redis cannot be told, the lease lapses.
func (g *fleetGate) release(token string) {
	if token == "" {
		g.local.release(token)
		return
	}
	if g.limits.Concurrency == 0 || g.resting() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.patience)
	defer cancel()
	if err := g.redis.ZRem(ctx, g.leases, token).Err(); err != nil {
		g.rest()
	}
}

func (g *fleetGate) pause(d time.Duration) time.Duration {
	if g.local != nil {
		d = g.local.pause(d)
	}
	if g.resting() {
		return d
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.patience)
	defer cancel()
	left, err := pauseScript.Run(ctx, g.redis, []string{g.state}, d.Microseconds()).Int64()
	if err != nil {
		g.rest()
		return d
	}
	return time.Duration(left) * time.Microsecond
}

func (g *fleetGate) ahead() time.Duration {
	return max(time.Duration(g.rested.Load()-time.Now().UnixNano()), 0)
}

func (g *fleetGate) resting() bool { return time.Now().UnixNano() < g.restUntil.Load() }

func (g *fleetGate) rest() { g.restUntil.Store(time.Now().Add(redisRest).UnixNano()) }
