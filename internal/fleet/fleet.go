// Package fleet holds what all processes of a geogate agree on: the [Mode].
//
// It is one value with a generation. The higher generation wins everywhere;
// between equal ones, the later name. Redis keeps it, and every process looks
// there twice a second, so a change reaches all of them within a second. A Redis
// that was emptied gets the value back from whoever knows it.
//
// Processes that reach one another may gossip as well. Then the value is set and
// spreads while Redis is down, too. Without gossip each process stays with what it
// knows meanwhile, and nothing can be set.
package fleet

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"geogate/internal/gossip"
	"geogate/internal/lua"
	"geogate/internal/pause"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

var (
	offerScript   = lua.Load(scriptFiles, "offer")
	setScript     = lua.Load(scriptFiles, "set")
	noteScript    = lua.Load(scriptFiles, "note")
	membersScript = lua.Load(scriptFiles, "members")
)

const (
	modeKey    = "geogate:{fleet}:mode"
	membersKey = "geogate:{fleet}:members"

	// lookEvery is how often a process looks for a change.
	lookEvery = 500 * time.Millisecond
	// sleptAfter is how long without a look makes a process one that was stopped: it
	// is not current until it has asked again.
	sleptAfter = 10 * time.Second
	// opTimeout bounds one call to Redis.
	opTimeout = 1500 * time.Millisecond
	// gossipPatience bounds it where gossip can do instead, and somebody waits. A
	// change that Redis makes afterwards all the same is the one that gossip spreads.
	gossipPatience = 250 * time.Millisecond
)

// MaxReason is the most bytes of a reason, and of the name of who sets a mode.
const MaxReason = 256

// ErrUnavailable is returned when Redis does not answer and there is no gossip.
var ErrUnavailable = errors.New("the fleet meets in Redis, which does not answer")

// ConflictError says that another generation is there than the caller has seen.
type ConflictError struct{ Present Value }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("the mode is at generation %d", e.Present.Generation)
}

// Fleet is one process's part. It is safe for concurrent use.
type Fleet struct {
	rdb   redis.UniversalClient
	self  Member // but for Generation
	log   zerolog.Logger
	value atomic.Pointer[Value]
	mesh  *gossip.Mesh // nil: there is no gossip
	away  atomic.Bool  // Redis did not answer the last look
	// looked is when the last look ended, whatever it brought.
	looked atomic.Pointer[time.Time]
}

// New returns the part of this process, which runs that version of geogate. It does
// not call Redis. Without one (nil) the mode stays normal.
func New(rdb redis.UniversalClient, version string, log zerolog.Logger) *Fleet {
	f := &Fleet{rdb: rdb, log: log, self: Member{
		Name: memberName(), Version: version, StartedAt: time.Now().UTC().Truncate(time.Millisecond), Status: Alive,
	}}
	f.value.Store(&Value{Mode: Normal})
	return f
}

// asking bounds a call to Redis for which somebody waits. Where gossip can do instead,
// it fails at once while Redis is away.
func (f *Fleet) asking(ctx context.Context) (context.Context, context.CancelFunc, error) {
	limit := opTimeout
	if f.mesh != nil {
		if f.away.Load() {
			return nil, nil, ErrUnavailable
		}
		limit = gossipPatience
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	return ctx, cancel, nil
}

// ListensOn tells the others where this process answers. Call it before Open and Run.
func (f *Fleet) ListensOn(address string) { f.self.Address = address }

// memberName is the machine's name and something of this process's own.
func memberName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "geogate"
	}
	return host + "-" + strings.ToLower(rand.Text()[:6])
}

// Name is what this process is called among the members.
func (f *Fleet) Name() string { return f.self.Name }

// Value is the value as this process knows it.
func (f *Fleet) Value() Value { return *f.value.Load() }

// Mode is the mode as this process knows it.
func (f *Fleet) Mode() Mode { return f.value.Load().Mode }

// Run follows the value until ctx ends; then it returns nil.
func (f *Fleet) Run(ctx context.Context) error {
	var running errgroup.Group
	if f.mesh != nil {
		running.Go(func() error { return f.mesh.Run(ctx) })
	}
	f.follow(ctx)
	return running.Wait() //nolint:wrapcheck // says what it did
}

// follow looks into Redis again and again, until ctx ends.
func (f *Fleet) follow(ctx context.Context) {
	var noted time.Time
	known := ^uint64(0)
	for {
		f.catchUp(ctx)
		err := f.Look(ctx)
		now := time.Now()
		f.looked.Store(&now)
		if g := f.Value().Generation; err == nil && (g != known || now.Sub(noted) >= noteEvery) {
			if err = f.note(ctx, g); err == nil {
				noted, known = now, g
			}
		}
		if err != nil && ctx.Err() == nil {
			f.log.Debug().Err(err).Msg("mode not looked up")
		}
		if pause.For(ctx, pause.Around(lookEvery, 0.2)) != nil {
			f.leave(context.WithoutCancel(ctx))
			return
		}
	}
}

// Current is false for a process that was stopped for a while, until it has caught up
// with the others as far as they can be reached.
func (f *Fleet) Current() bool {
	looked := f.looked.Load()
	return looked == nil || time.Since(*looked) < sleptAfter
}

// Look takes the value from Redis if it is newer, and gives it this process's if
// that is.
func (f *Fleet) Look(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	err := f.look(within)
	if ctx.Err() == nil {
		f.away.Store(err != nil)
	}
	return err
}

func (f *Fleet) look(ctx context.Context) error {
	mine := f.Value()
	fields, err := f.rdb.HMGet(ctx, modeKey, "mode", "generation", "reason", "set_by", "set_at").Result()
	if err != nil {
		return fmt.Errorf("look up mode: %w", err)
	}
	there := parse(fields)
	if mine.beats(there) {
		fields, err = offerScript.Run(ctx, f.rdb, []string{modeKey}, append(mine.fields(), texts(fields)...)...).Slice()
		if err != nil {
			return fmt.Errorf("offer mode: %w", err)
		}
		there = parse(fields)
	}
	f.take(there)
	return nil
}

// take makes v the value of this process, if it counts.
func (f *Fleet) take(v Value) {
	for {
		have := f.value.Load()
		if !v.beats(*have) {
			return
		}
		if f.value.CompareAndSwap(have, &v) {
			f.taken(v)
			return
		}
	}
}

// taken tells that v is the value of this process now.
func (f *Fleet) taken(v Value) {
	f.log.Info().Str("mode", string(v.Mode)).Uint64("generation", v.Generation).Str("reason", v.Reason).Str("set_by", v.SetBy).Msg("mode changed")
	f.spread(v)
}

// fields are those of the hash in Redis.
func (v Value) fields() []any {
	return []any{string(v.Mode), v.Generation, v.Reason, v.SetBy, v.SetAt.UnixMilli()}
}

// texts are fields as Redis returned them; what is not there is empty.
func texts(fields []any) []any {
	list := make([]any, 5)
	for i := range list {
		list[i] = ""
		if i < len(fields) && fields[i] != nil {
			list[i] = fields[i]
		}
	}
	return list
}

// parse reads the fields of a value. What is none is the zero Value.
func parse(fields []any) Value {
	var text [5]string
	for i, field := range texts(fields) {
		text[i], _ = field.(string)
	}
	mode, ok := ParseMode(text[0])
	generation, err := strconv.ParseUint(text[1], 10, 64)
	at, err2 := strconv.ParseInt(text[4], 10, 64)
	if !ok || err != nil || err2 != nil {
		return Value{}
	}
	return Value{Mode: mode, Generation: generation, Reason: text[2], SetBy: text[3], SetAt: time.UnixMilli(at).UTC()}
}
