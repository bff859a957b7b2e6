package bulk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/lua"
)

// What may be kept of jobs, unless a Config says otherwise. The bytes are those of
// the store, compressed, with what a job and its rows are charged on top.
const (
	// DefaultMaxJobs and DefaultMaxClientJobs are numbers of jobs, ended ones
	// included.
	DefaultMaxJobs       = 1000
	DefaultMaxClientJobs = 100
	// DefaultMaxTotalBytes is what all jobs may take in Redis or in the directory,
	// DefaultMaxClientBytes what those of one client may.
	DefaultMaxTotalBytes  = 512 << 20
	DefaultMaxClientBytes = 256 << 20
)

const (
	// jobCharge is what a job is charged for its keys, without its names.
	jobCharge = 2 << 10
	// rowCharge is what a row is charged for its answer, which comes later: a place
	// and its share of the keys, compressed.
	rowCharge = 96
	// blobCharge is what a blob is charged for its name.
	blobCharge = 64
	// lapsedAtOnce is how many lapsed charges are looked at in one go.
	lapsedAtOnce = 100
)

// Errors of an upload for which there is no room.
var (
	// ErrFull: as many jobs are kept, or as many bytes, as may be.
	ErrFull = errors.New("no room for another job")
	// ErrClientFull: the same for the jobs of this client.
	ErrClientFull = errors.New("no room for another job of this client")
)

// account counts what is kept of jobs, in one slot of Redis for all processes.
// Each job is charged on its own and the totals are sums of the charges, so that
// nothing is counted twice or forgotten: charging and settling may be repeated.
type account struct {
	rdb    redis.UniversalClient
	ledger *ledger
	cfg    *Config
}

var (
	chargeScript = lua.Load(scriptFiles, "clock", "account", "charge")
	settleScript = lua.Load(scriptFiles, "clock", "account", "settle")
	lapsedScript = lua.Load(scriptFiles, "clock", "lapsed")
)

func (a *account) keys() []string {
	prefix := a.ledger.namespace + ":jobs:{kept}:"
	return []string{prefix + "ends", prefix + "charges", prefix + "totals"}
}

// charge charges a job with bytes instead of what it was charged with before. It
// returns ErrFull, ErrClientFull, or a *LimitError when this job alone is too
// large. The charge lapses after uploadLife; if there is a job by then, settle
// renews it for as long as the job lives.
func (a *account) charge(ctx context.Context, id, client string, bytes int64) error {
	verdict, err := chargeScript.Run(ctx, a.rdb, a.keys(), id, digest(client), bytes, uploadLife.Milliseconds(),
		a.cfg.MaxJobs, a.cfg.MaxClientJobs, a.cfg.MaxTotalBytes, a.cfg.MaxClientBytes).Text()
	if err != nil {
		return redisError("charge job", err)
	}
	if most := min(a.cfg.MaxTotalBytes, a.cfg.MaxClientBytes); verdict != "charged" && bytes > most {
		return &LimitError{"bytes when stored", most}
	}
	switch verdict {
	case "charged":
		return nil
	case "client jobs", "client bytes":
		return fmt.Errorf("%w: %s", ErrClientFull, verdict)
	}
	return fmt.Errorf("%w: %s", ErrFull, verdict)
}

// digest stands for a client in Redis, where no address of a person is to be read.
func digest(client string) string {
	sum := sha256.Sum256([]byte(client))
	return hex.EncodeToString(sum[:8])
}

// release ends the charge of a job that is no longer kept.
func (a *account) release(ctx context.Context, id string) error {
	return redisError("settle job", settleScript.Run(ctx, a.rdb, a.keys(), id, 0).Err())
}

// settle ends the charges of jobs that have expired. Workers make jobs live longer
// without telling; the job itself says how long it has.
func (a *account) settle(ctx context.Context) error {
	for {
		ids, err := lapsedScript.Run(ctx, a.rdb, a.keys()[:1], lapsedAtOnce).StringSlice()
		if err != nil || len(ids) == 0 {
			return redisError("settle jobs", err)
		}
		lives := make([]*redis.DurationCmd, len(ids))
		_, err = a.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, id := range ids {
				lives[i] = p.PTTL(ctx, a.ledger.job(id))
			}
			return nil
		})
		if err != nil {
			return redisError("settle jobs", err)
		}
		pairs := make([]any, 0, 2*len(ids))
		for i, id := range ids {
			pairs = append(pairs, id, max(0, lives[i].Val().Milliseconds()))
		}
		if err := settleScript.Run(ctx, a.rdb, a.keys(), pairs...).Err(); err != nil {
			return redisError("settle jobs", err)
		}
	}
}

// Kept is what is kept of jobs, all clients and processes together.
type Kept struct{ Jobs, Bytes int64 }

// Kept returns what is charged at present.
func (m *Master) Kept(ctx context.Context) (Kept, error) {
	var k Kept
	values, err := m.account.rdb.HMGet(ctx, m.account.keys()[2], "jobs", "bytes").Result()
	if err != nil {
		return k, redisError("read totals", err)
	}
	for i, number := range []*int64{&k.Jobs, &k.Bytes} {
		if text, isText := values[i].(string); isText {
			if _, err := fmt.Sscan(text, number); err != nil {
				return k, fmt.Errorf("read totals: %w", err)
			}
		}
	}
	return k, nil
}

// Stats are figures about jobs, all clients and processes together.
type Stats struct {
	Kept

	Queued, Running int64
	// OldestQueued is for how long the oldest job that no worker has had yet has
	// waited; 0: there is none.
	OldestQueued time.Duration

	// Ended is how many jobs ever reached each final state, and Rows how many rows
	// each outcome. Every one is there, if only with 0.
	Ended map[State]int64
	Rows  map[Outcome]int64
}

// Stats asks Redis, at a cost that does not grow with the number of jobs. Error:
// ErrUnavailable.
func (m *Master) Stats(ctx context.Context) (Stats, error) {
	var (
		queued, running *redis.IntCmd
		oldest          *redis.ZSliceCmd
		tally           *redis.MapStringStringCmd
	)
	_, err := m.account.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		queued = p.ZCount(ctx, m.ledger.active(), "-inf", "0")
		running = p.ZCount(ctx, m.ledger.active(), "(0", "+inf")
		oldest = p.ZRangeWithScores(ctx, m.ledger.active(), 0, 0)
		tally = p.HGetAll(ctx, m.ledger.tally())
		return nil
	})
	if err != nil {
		return Stats{}, redisError("read figures", err)
	}
	s := Stats{Queued: queued.Val(), Running: running.Val(), Ended: map[State]int64{}, Rows: map[Outcome]int64{}}
	if first := oldest.Val(); len(first) > 0 && first[0].Score < 0 {
		s.OldestQueued = max(0, time.Since(time.UnixMicro(int64(first[0].Score+unserved))))
	}
	number := func(name string) int64 { n, _ := strconv.ParseInt(tally.Val()[name], 10, 64); return n }
	for _, state := range []State{Finished, Failed, Cancelled} {
		s.Ended[state] = number(string(state))
	}
	for _, outcome := range []Outcome{OutcomeFound, OutcomeEmpty, OutcomeInvalid, OutcomeFailed} {
		s.Rows[outcome] = number(rowsOf(outcome))
	}
	s.Kept, err = m.Kept(ctx)
	return s, err
}
