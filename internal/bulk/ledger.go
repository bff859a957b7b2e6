package bulk

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/lua"
)

// ledger is who does what: the state of each job and of each of its chunks, in
// Redis. Every change of a chunk is one script. DESIGN.md names the keys.
type ledger struct {
	rdb       redis.UniversalClient
	namespace string
	life      time.Duration // of a job that nobody touches
}

//go:embed scripts/*.lua
var scriptFiles embed.FS

var (
	claimScript = lua.Load(scriptFiles, "clock", "lease", "claim")
	failScript  = lua.Load(scriptFiles, "clock", "fail")
	holdScript  = lua.Load(scriptFiles, "hold")
	putScript   = lua.Load(scriptFiles, "put")
	saveScript  = lua.Load(scriptFiles, "clock", "lease", "save")
)

func namespaceOr(namespace string) string {
	if namespace == "" {
		return "geogate"
	}
	return namespace
}

func newLedger(rdb redis.UniversalClient, namespace string, life time.Duration) *ledger {
	if life == 0 {
		life = DefaultRetention
	}
	return &ledger{rdb: rdb, namespace: namespaceOr(namespace), life: life}
}

func (l *ledger) job(id string) string { return l.namespace + ":job:{" + id + "}" }

// keys are those that scripts work on; KEYS[1] is the job itself.
func (l *ledger) keys(id string) []string {
	job := l.job(id)
	return []string{job, job + ":leases", job + ":owners", job + ":chunks", job + ":answers"}
}

// active orders the jobs that have work by when they last got some.
func (l *ledger) active() string { return l.namespace + ":jobs:active" }

// tally counts rows by their outcome and jobs by the state in which they ended.
func (l *ledger) tally() string { return l.namespace + ":jobs:tally" }

// rowsOf is the field of the tally for rows with this outcome.
func rowsOf(o Outcome) string { return "rows " + string(o) }

// redisError is ErrUnavailable with its cause.
func redisError(verb string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled): // the caller left: this says nothing about Redis
		return fmt.Errorf("%s: %w", verb, err)
	}
	return fmt.Errorf("%s: %w: %w", verb, ErrUnavailable, err)
}

// open makes a job that is wholly stored visible to workers.
func (l *ledger) open(ctx context.Context, id, owner string, s *spec, now time.Time) error {
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, l.job(id), "spec", s.encode(), "state", string(Queued), "rows", s.Rows, "chunks", s.Chunks,
			"next", 0, "finished", 0, "version", 1, "created_at", now.UnixMilli(), "owner", owner)
		p.PExpire(ctx, l.job(id), l.life)
		return nil
	})
	if err != nil {
		return redisError("open job", err)
	}
	return redisError("open job", l.rdb.ZAdd(ctx, l.active(), redis.Z{Score: float64(now.UnixMicro()) - unserved, Member: id}).Err())
}

// unserved is taken from the score of a job that no worker has had yet, so that it
// comes before all that one has had, the oldest first. It is the year 2112, in µs: what
// is left is negative, and a double holds it exactly. Earlier releases gave such jobs 0.
const unserved = 1 << 52

// stateFields are what a Job is made of.
var stateFields = []string{
	"state", "error", "rows", "version", "done", "found", "empty", "invalid", "failed", "hits",
	"created_at", "started_at", "ended_at", "owner",
}

// state returns a job as it stands. Its spec, 64 KiB of names at worst, stays in
// Redis.
func (l *ledger) state(ctx context.Context, id string) (Job, error) {
	job, _, err := l.fields(ctx, id, stateFields)
	return job, err
}

// read returns a job with its spec.
func (l *ledger) read(ctx context.Context, id string) (Job, *spec, error) {
	job, text, err := l.fields(ctx, id, append(slices.Clone(stateFields), "spec"))
	if err != nil {
		return Job{}, nil, err
	}
	s, err := decodeSpec(text)
	return job, s, err
}

// fields reads names of a job, which begin with stateFields, and returns the last
// of them as it is.
func (l *ledger) fields(ctx context.Context, id string, names []string) (job Job, last string, err error) {
	if !validID(id) {
		return Job{}, "", ErrNotFound
	}
	values, err := l.rdb.HMGet(ctx, l.job(id), names...).Result()
	if err != nil {
		return Job{}, "", redisError("read job", err)
	}
	fields := make(map[string]string, len(names))
	for i, value := range values {
		last, _ = value.(string)
		fields[names[i]] = last
	}
	if fields["state"] == "" || !sees(ctx, fields["owner"]) {
		return Job{}, "", ErrNotFound
	}
	number := func(name string) int { v, _ := strconv.Atoi(fields[name]); return v }
	moment := func(name string) time.Time {
		v, err := strconv.ParseInt(fields[name], 10, 64)
		if err != nil {
			return time.Time{}
		}
		return time.UnixMilli(v)
	}
	return Job{
		ID: id, State: State(fields["state"]), Error: fields["error"],
		Rows: number("rows"), Version: int64(number("version")),
		Counts: Counts{
			Done: number("done"), Found: number("found"), Empty: number("empty"),
			Invalid: number("invalid"), Failed: number("failed"), CacheHits: number("hits"),
		},
		CreatedAt: moment("created_at"), StartedAt: moment("started_at"), EndedAt: moment("ended_at"),
	}, last, nil
}

// claim is a chunk that a worker holds.
type claim struct {
	job    string
	chunk  int
	token  string
	stored chunkRecord
}

// claimNext leases a chunk of the job that has waited longest for one; nil
// when there is nothing to do.
func (l *ledger) claimNext(ctx context.Context, token string, lease time.Duration) (*claim, error) {
	ids, err := l.rdb.ZRange(ctx, l.active(), 0, -1).Result()
	if err != nil {
		return nil, redisError("list jobs", err)
	}
	for _, id := range ids {
		c, err := l.claim(ctx, id, token, lease)
		if c != nil || err != nil {
			return c, err
		}
	}
	return nil, nil //nolint:nilnil // nothing to do is no error
}

// others reports whether other jobs than id have work.
func (l *ledger) others(ctx context.Context, id string) bool {
	ids, err := l.rdb.ZRange(ctx, l.active(), 0, 1).Result()
	return err == nil && (len(ids) > 1 || len(ids) == 1 && ids[0] != id)
}

func (l *ledger) claim(ctx context.Context, id, token string, lease time.Duration) (*claim, error) {
	answer, err := claimScript.Run(ctx, l.rdb, l.keys(id), token, lease.Milliseconds(), l.life.Milliseconds()).Slice()
	if err != nil {
		return nil, redisError("claim chunk", err)
	}
	switch verdict := answer[0]; verdict {
	case "gone", "over":
		return nil, redisError("claim chunk", l.rdb.ZRem(ctx, l.active(), id).Err())
	case "none":
		return nil, nil //nolint:nilnil // all chunks are in hand
	}
	micros, _ := answer[1].(int64)
	chunk, _ := answer[2].(string)
	stored, _ := answer[3].(string)
	n, err := strconv.Atoi(chunk)
	if err != nil {
		return nil, fmt.Errorf("claim chunk: %w", err)
	}
	record, err := parseRecord(stored)
	if err != nil {
		return nil, err
	}
	// To the back of the queue; XX, because the job may just have ended.
	err = l.rdb.ZAddXX(ctx, l.active(), redis.Z{Score: float64(micros), Member: id}).Err()
	return &claim{job: id, chunk: n, token: token, stored: record}, redisError("claim chunk", err)
}

// The ways to save a chunk.
const (
	renew   = "renew"
	finish  = "finish"
	release = "release"
)

// Verdicts that end the work on a chunk.
var (
	errLost = errors.New("another worker has the chunk")
	errGone = errors.New("the job was deleted or has ended")
)

// save notes record (nil: unchanged) for the chunk and renews, finishes or
// releases it. It returns the state that the job is in then.
func (l *ledger) save(ctx context.Context, c *claim, act string, record *chunkRecord, lease time.Duration) (State, error) {
	text := ""
	if record != nil {
		text = record.String()
	}
	verdict, err := saveScript.Run(ctx, l.rdb, l.keys(c.job), c.chunk, c.token,
		lease.Milliseconds(), l.life.Milliseconds(), act, text).Text()
	if err != nil {
		return "", redisError("save chunk", err)
	}
	switch verdict {
	case "gone", "over":
		return "", errGone
	case "lost":
		return "", errLost
	}
	state := State(verdict)
	if state.Ended() {
		err = l.rdb.ZRem(ctx, l.active(), c.job).Err()
	}
	return state, redisError("save chunk", err)
}

// fail ends a job that cannot go on.
func (l *ledger) fail(ctx context.Context, id, why string) error {
	if err := failScript.Run(ctx, l.rdb, []string{l.job(id)}, why).Err(); err != nil {
		return redisError("fail job", err)
	}
	return redisError("fail job", l.rdb.ZRem(ctx, l.active(), id).Err())
}

// count adds to what has become of jobs and rows, all processes together. It is told
// once, after the fact: a process that dies in between leaves it uncounted.
func (l *ledger) count(ctx context.Context, grown map[string]int) error {
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for name, n := range grown {
			if n != 0 {
				p.HIncrBy(ctx, l.tally(), name, int64(n))
			}
		}
		return nil
	})
	return redisError("count", err)
}

// erase removes all that the ledger knows of a job; false when it knew nothing.
func (l *ledger) erase(ctx context.Context, id string) (bool, error) {
	removed, err := l.rdb.Del(ctx, l.keys(id)...).Result()
	if err != nil {
		return false, redisError("erase job", err)
	}
	return removed > 0, redisError("erase job", l.rdb.ZRem(ctx, l.active(), id).Err())
}

// records returns what is stored of each chunk; one that was never saved has
// the zero record.
func (l *ledger) records(ctx context.Context, id string, chunks int) ([]chunkRecord, error) {
	fields, err := l.rdb.HGetAll(ctx, l.keys(id)[3]).Result()
	if err != nil {
		return nil, redisError("read chunks", err)
	}
	records := make([]chunkRecord, chunks)
	for field, text := range fields {
		n, err := strconv.Atoi(field)
		if err != nil || n < 0 || n >= chunks {
			return nil, errCorrupt
		}
		if records[n], err = parseRecord(text); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// record returns what is stored of one chunk.
func (l *ledger) record(ctx context.Context, id string, n int) (chunkRecord, error) {
	text, err := l.rdb.HGet(ctx, l.keys(id)[3], strconv.Itoa(n)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return chunkRecord{}, redisError("read chunk", err)
	}
	return parseRecord(text)
}

// heldAnswers returns what the job has been told before about some questions,
// in their order; zero for what it was not told.
func (l *ledger) heldAnswers(ctx context.Context, id string, hashes []string) ([]done, error) {
	answers := make([]done, len(hashes))
	key := l.keys(id)[4]
	n, err := l.rdb.HLen(ctx, key).Result()
	if err != nil || n == 0 {
		return answers, redisError("read answers", err)
	}
	values, err := l.rdb.HMGet(ctx, key, hashes...).Result()
	if err != nil {
		return nil, redisError("read answers", err)
	}
	for i, value := range values {
		text, isText := value.(string)
		if !isText {
			continue
		}
		d := decoder{rest: text}
		if answers[i] = d.answer(); d.err != nil {
			return nil, d.err
		}
	}
	return answers, nil
}

// holdAnswers keeps answers that the cache will not hold for as long as a job
// may take. pairs are hashes and encoded answers by turns.
func (l *ledger) holdAnswers(ctx context.Context, id string, pairs []any) error {
	keys := l.keys(id)
	args := append([]any{l.life.Milliseconds()}, pairs...)
	return redisError("hold answers", holdScript.Run(ctx, l.rdb, []string{keys[0], keys[4]}, args...).Err())
}

// chunkRecord is what is stored of a chunk that was begun.
type chunkRecord struct {
	Counts
	blob  string // of the answers so far; empty: none yet
	sizes sizes  // once finished
}

// String is the form that save.lua reads.
func (r *chunkRecord) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d %d %d %d %d %s", r.Done, r.Found, r.Empty, r.Invalid, r.Failed, r.CacheHits, r.blob)
	for _, n := range r.sizes {
		fmt.Fprintf(&b, " %d", n)
	}
	return b.String()
}

func parseRecord(text string) (chunkRecord, error) {
	var r chunkRecord
	if text == "" {
		return r, nil
	}
	_, err := fmt.Sscanf(text, "%d %d %d %d %d %d %s %d %d %d %d %d",
		&r.Done, &r.Found, &r.Empty, &r.Invalid, &r.Failed, &r.CacheHits, &r.blob,
		&r.sizes[0], &r.sizes[1], &r.sizes[2], &r.sizes[3], &r.sizes[4])
	if err != nil {
		return r, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return r, nil
}
