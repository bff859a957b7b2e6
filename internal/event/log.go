package event

import (
	"bytes"
	"cmp"
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
	"geogate/internal/trace"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

var (
	publishScript  = lua.Load(scriptFiles, "clock", "publish")
	handOverScript = lua.Load(scriptFiles, "clock", "position", "handover")
	trimScript     = lua.Load(scriptFiles, "clock", "position", "trim")
)

const (
	// opTimeout bounds one call to Redis.
	opTimeout = 1500 * time.Millisecond
	// keyLife is how long an idempotency key of a publisher is remembered.
	keyLife = 24 * time.Hour
	// repeatLife is how long an event without a key is remembered, so that a client
	// library whose reply was lost can send it again. It gives up within opTimeout.
	repeatLife = 10 * time.Second
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
	// GroupLife is how long a group may be without a reader until Trim removes it,
	// and what is kept for it; 1 h.
	GroupLife time.Duration
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

	mu       sync.Mutex
	recent   recent
	deserted map[string]bool // groups that had no reader when Trim last looked
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
	if cfg.GroupLife == 0 {
		cfg.GroupLife = time.Hour
	}
	return &Log{rdb: rdb, cfg: cfg, name: strings.ToLower(rand.Text()), deserted: map[string]bool{}}
}

// Publication is an event that is to enter the log.
type Publication struct {
	Type    string
	At      time.Time // when it happened; zero: now, by the clock of Redis
	Subject string
	Data    json.RawMessage // JSON of at most MaxData bytes
	Trace   string          // traceparent of what led to it; empty: that of the context

	// Source and Position make publishing idempotent for whoever reads events from
	// elsewhere in order: see PublishAll.
	Source, Position string
	// Key makes publishing idempotent for clients: the same key and content within
	// 24 h is the same event, other content ErrKeyReused.
	Key string
}

// Publish appends an event and returns its id, which is empty for an event of a
// source that was here long ago. replayed means that it was here before. Errors:
// ErrInvalid, ErrKeyReused, ErrUnavailable.
func (l *Log) Publish(ctx context.Context, p Publication) (id string, replayed bool, err error) {
	if p.Source != "" {
		return l.handOver(ctx, p)
	}
	args, err := p.encode()
	if err != nil {
		return "", false, fmt.Errorf("publish event: %w", err)
	}
	digest, fingerprint, life := "once:"+rand.Text(), "", repeatLife
	if p.Key != "" {
		digest, fingerprint, life = hash(p.Key), hash(fmt.Sprintf("%s\n%s", args...)), keyLife
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	answer, err := publishScript.Run(ctx, l.rdb, []string{Prefix}, append(args, p.at(), p.Subject,
		digest, fingerprint, life.Milliseconds(), cmp.Or(p.Trace, trace.Header(ctx)))...).StringSlice()
	if err != nil {
		return "", false, fmt.Errorf("publish event: %w: %w", ErrUnavailable, err)
	}
	if answer[0] == "key_reused" {
		return "", false, ErrKeyReused
	}
	return idPrefix + answer[1], answer[0] == "replayed" && p.Key != "", nil
}

// encode checks an event and returns its type and data, which is on one line, as
// streams of events need it.
func (p Publication) encode() ([]any, error) {
	var data bytes.Buffer
	if len(p.Data) > MaxData || json.Compact(&data, p.Data) != nil {
		return nil, invalid("data is JSON of at most %d bytes", MaxData)
	}
	if len(p.Type) > maxType || !typeForm.MatchString(p.Type) {
		return nil, invalid("type %q", p.Type)
	}
	return []any{p.Type, data.String()}, nil
}

// at is the time as scripts take it.
func (p Publication) at() string {
	if p.At.IsZero() {
		return ""
	}
	return strconv.FormatInt(p.At.UnixMilli(), 10)
}

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
