// Package fleet holds what all processes of a geogate agree on: the [Mode].
//
// It is one value with a generation. The higher generation wins everywhere;
// between equal ones, the later name. Redis keeps it, and every process looks
// there twice a second, so a change reaches all of them within a second. While
// Redis is down each process stays with what it knows, and nothing can be set;
// a Redis that was emptied gets the value back from whoever knows it.
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
	// opTimeout bounds one call to Redis.
	opTimeout = 1500 * time.Millisecond
)

// MaxReason is the most bytes of a reason, and of the name of who sets a mode.
const MaxReason = 256

// ErrUnavailable is returned when Redis does not answer.
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

// ListensOn tells the others where this process answers. Call it before Run.
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
	var noted time.Time
	known := ^uint64(0)
	for {
		err := f.Look(ctx)
		if now, g := time.Now(), f.Value().Generation; err == nil && (g != known || now.Sub(noted) >= noteEvery) {
			if err = f.note(ctx, g); err == nil {
				noted, known = now, g
			}
		}
		if err != nil && ctx.Err() == nil {
			f.log.Debug().Err(err).Msg("mode not looked up")
		}
		if pause.For(ctx, pause.Around(lookEvery, 0.2)) != nil {
			return f.leave(context.WithoutCancel(ctx))
		}
	}
}

// Look takes the value from Redis if it is newer, and gives it this process's if
// that is.
func (f *Fleet) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
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
			f.log.Info().Str("mode", string(v.Mode)).Uint64("generation", v.Generation).Str("reason", v.Reason).Str("set_by", v.SetBy).Msg("mode changed")
			return
		}
	}
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

// Change is what to set.
type Change struct {
	Mode   Mode
	Reason string
	By     string
	// IfGeneration, if it is not nil, is the generation that the caller has seen:
	// the change is made if it still counts.
	IfGeneration *uint64
}

// Set makes a change and returns the new value. The error is a *ConflictError,
// or ErrUnavailable.
func (f *Fleet) Set(ctx context.Context, c Change) (Value, error) {
	if f.rdb == nil {
		return Value{}, ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	seen := ""
	if c.IfGeneration != nil {
		seen = strconv.FormatUint(*c.IfGeneration, 10)
	}
	v := Value{Mode: c.Mode, Reason: c.Reason, SetBy: c.By, SetAt: time.Now().UTC().Truncate(time.Millisecond)}
	answer, err := setScript.Run(ctx, f.rdb, []string{modeKey},
		string(v.Mode), f.Value().Generation, v.Reason, v.SetBy, v.SetAt.UnixMilli(), seen).Slice()
	if err != nil || len(answer) != 2 {
		return Value{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if done, _ := answer[0].(int64); done == 0 {
		if err := f.Look(ctx); err != nil {
			return Value{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return Value{}, &ConflictError{f.Value()}
	}
	generation, _ := answer[1].(string)
	if v.Generation, err = strconv.ParseUint(generation, 10, 64); err != nil {
		return Value{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	f.take(v)
	return v, nil
}
