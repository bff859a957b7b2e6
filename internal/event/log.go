package event

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/internal/hub"
	"geogate/internal/lua"
	"geogate/internal/pause"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

var (
	publishScript = lua.Load(scriptFiles, "clock", "position", "publish")
	trimScript    = lua.Load(scriptFiles, "position", "trim")
)

const (
	// opTimeout bounds one call to Redis.
	opTimeout = 1500 * time.Millisecond
	// keyLife is how long an idempotency key of a publisher is remembered.
	keyLife = 24 * time.Hour
)

// retryPauses are those after failures of Redis in a row.
func retryPauses() *pause.Growing { return pause.NewGrowing(100*time.Millisecond, 3*time.Second) }

// Config adjusts a Log. Zero values mean the defaults given.
type Config struct {
	// MaxLen is how many events are kept for listeners that come back; 10,000,
	// about 7 MB. Events that a group has not read yet are kept beyond it.
	MaxLen int
	// MaxUnread is how many events are kept in all, read or not; 100,000.
	MaxUnread int
	// MaxAge is how long an event is kept at most, read or not; 24 h.
	MaxAge time.Duration
	// Log receives what Run has to say; the zero value discards it.
	Log zerolog.Logger
}

// Log is the log of events. Its methods may be called concurrently. Without Run,
// listeners are not woken and nothing is trimmed; the rest works.
type Log struct {
	rdb  redis.UniversalClient
	cfg  Config
	name string // names this process in leases

	hub hub.Hub // of listeners; all of them want every event

	mu     sync.Mutex
	recent recent
}

// New returns the log on rdb. It starts nothing and does not call Redis.
func New(rdb redis.UniversalClient, cfg Config) *Log {
	if cfg.MaxLen == 0 {
		cfg.MaxLen = 10_000
	}
	if cfg.MaxUnread == 0 {
		cfg.MaxUnread = 100_000
	}
	cfg.MaxUnread = max(cfg.MaxUnread, cfg.MaxLen)
	if cfg.MaxAge == 0 {
		cfg.MaxAge = 24 * time.Hour
	}
	return &Log{rdb: rdb, cfg: cfg, name: strings.ToLower(rand.Text())}
}

// Publication is an event that is to enter the log.
type Publication struct {
	Type    string
	At      time.Time // when it happened; zero: now, by the clock of Redis
	Subject string
	Data    json.RawMessage // JSON of at most MaxData bytes

	// Source and Position make publishing idempotent for whoever reads events from
	// elsewhere in order: a position ("ms-seq") that is not beyond the last one of
	// the source is here already.
	Source, Position string
	// Key makes publishing idempotent for clients: the same key and content within
	// 24 h is the same event, other content ErrKeyReused.
	Key string
}

// Publish appends an event and returns its id, which is empty for an event of a
// source that was here long ago. replayed means that it was here before. Errors:
// ErrInvalid, ErrKeyReused, ErrUnavailable.
func (l *Log) Publish(ctx context.Context, p Publication) (id string, replayed bool, err error) {
	var data bytes.Buffer // on one line, as streams of events need it
	if len(p.Data) > MaxData || json.Compact(&data, p.Data) != nil {
		return "", false, fmt.Errorf("publish event: %w", invalid("data is JSON of at most %d bytes", MaxData))
	}
	if len(p.Type) > maxType || !typeForm.MatchString(p.Type) {
		return "", false, fmt.Errorf("publish event: %w", invalid("type %q", p.Type))
	}
	if p.Source != "" {
		if _, err := parsePosition(p.Position); err != nil {
			return "", false, fmt.Errorf("publish event: %w", invalid("position %q", p.Position))
		}
	}
	at, digest, fingerprint := "", "", ""
	if !p.At.IsZero() {
		at = strconv.FormatInt(p.At.UnixMilli(), 10)
	}
	if p.Key != "" {
		digest, fingerprint = hash(p.Key), hash(p.Type+"\n"+data.String())
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	answer, err := publishScript.Run(ctx, l.rdb, []string{Prefix}, p.Type, at, p.Subject, data.String(),
		p.Source, p.Position, digest, fingerprint, keyLife.Milliseconds()).StringSlice()
	if err != nil {
		return "", false, fmt.Errorf("publish event: %w: %w", ErrUnavailable, err)
	}
	switch {
	case answer[0] == "key_reused":
		return "", false, ErrKeyReused
	case answer[1] == "":
		return "", true, nil
	}
	return idPrefix + answer[1], answer[0] == "replayed", nil
}

// Read returns events after the one with the given id, oldest first and at most
// limit; the empty id stands for the beginning. Errors: ErrInvalid, ErrUnavailable.
func (l *Log) Read(ctx context.Context, after string, limit int) ([]Event, error) {
	pos, err := position(after)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	if events, ok := l.recall(after, limit); ok {
		return events, nil
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	entries, err := l.rdb.XRangeN(ctx, StreamKey, "("+pos, "+", int64(limit)).Result()
	if err != nil {
		return nil, fmt.Errorf("read events: %w: %w", ErrUnavailable, err)
	}
	return newEvents(entries), nil
}

// Bounds returns the ids of the oldest and the newest event, empty when there are
// none.
func (l *Log) Bounds(ctx context.Context) (oldest, newest string, err error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	var first, last *redis.XMessageSliceCmd
	_, err = l.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		first = pipe.XRangeN(ctx, StreamKey, "-", "+", 1)
		last = pipe.XRevRangeN(ctx, StreamKey, "+", "-", 1)
		return nil
	})
	if err != nil {
		return "", "", fmt.Errorf("read events: %w: %w", ErrUnavailable, err)
	}
	if len(first.Val()) == 0 || len(last.Val()) == 0 {
		return "", "", nil
	}
	return idPrefix + first.Val()[0].ID, idPrefix + last.Val()[0].ID, nil
}

// Before reports whether one id lies before another in the log. The empty id lies
// before every other.
func Before(a, b string) bool { return placeOf(b).after(placeOf(a)) }

func newEvents(entries []redis.XMessage) []Event {
	events := make([]Event, len(entries))
	for i, entry := range entries {
		events[i] = newEvent(entry.ID, entry.Values)
	}
	return events
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
