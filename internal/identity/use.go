package identity

import (
	"context"
	"embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"crypto/rand"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/internal/lua"
	"geogate/internal/pause"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

var (
	createScript = lua.Load(scriptFiles, "create")
	revokeScript = lua.Load(scriptFiles, "revoke")
	useScript    = lua.Load(scriptFiles, "use")
	spendScript  = lua.Load(scriptFiles, "spend")
)

// Use is what was done with a key.
type Use struct {
	Requests      int64 // answered, refusals included
	CacheHits     int64 // of them, answered by the cache
	UpstreamCalls int64 // calls to upstreams that they caused
}

// useEvery is how often use is written, and so the most that a killed process
// forgets.
const useEvery = 3 * time.Second

// A counter is one field of Use. Its letter is how Redis keeps it.
type counter byte

const (
	requests      counter = 'r'
	cacheHits     counter = 'h'
	upstreamCalls counter = 'u'
)

func (c counter) add(u *Use, n int64) {
	switch c {
	case requests:
		u.Requests += n
	case cacheHits:
		u.CacheHits += n
	case upstreamCalls:
		u.UpstreamCalls += n
	}
}

// The use of a key is a hash: "<days since 1970>:<letter>" → count, and when it
// was last used in Unix milliseconds.
const lastUsedField = "last"

func useKey(id string) string { return "geogate:{keys}:use:" + id }

func dayOf(t time.Time) int64 { return t.Unix() / 86400 }

func parseUseField(name string) (day int64, c counter, ok bool) {
	text, letter, found := strings.Cut(name, ":")
	day, err := strconv.ParseInt(text, 10, 64)
	if !found || err != nil || len(letter) != 1 {
		return 0, 0, false
	}
	return day, counter(letter[0]), true
}

// Ledger adds up the use of keys in memory and writes it to Redis every few
// seconds. It is safe for concurrent use.
type Ledger struct {
	rdb     redis.UniversalClient
	log     zerolog.Logger
	now     func() time.Time
	process string // tells the writings of processes apart

	mu   sync.RWMutex
	keys map[string]*tally // by id of the key

	writing  sync.Mutex
	sequence int64
	unsent   *batch // written, but not acknowledged: written again under the same number
}

// tally is what happened since the last writing.
type tally struct {
	requests, cacheHits, upstreamCalls atomic.Int64
	last                               atomic.Int64 // Unix milliseconds
}

// NewLedger returns a ledger that is kept in rdb.
func NewLedger(rdb redis.UniversalClient, log zerolog.Logger) *Ledger {
	return &Ledger{rdb: rdb, log: log, now: time.Now, process: rand.Text(), keys: map[string]*tally{}}
}

func (l *Ledger) of(id string) *tally {
	l.mu.RLock()
	t := l.keys[id]
	l.mu.RUnlock()
	if t != nil {
		return t
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys[id] == nil {
		l.keys[id] = &tally{}
	}
	return l.keys[id]
}

// Request counts one answered request of a caller, and whether the cache
// answered it. Callers without a key are not counted.
func (l *Ledger) Request(c *Caller, hit bool) {
	if c == nil || c.Key == "" {
		return
	}
	t := l.of(c.Key)
	t.requests.Add(1)
	if hit {
		t.cacheHits.Add(1)
	}
	t.last.Store(l.now().UnixMilli())
}

// UpstreamCall counts one call to an upstream that a caller has caused.
func (l *Ledger) UpstreamCall(c *Caller) {
	if c != nil && c.Key != "" {
		l.of(c.Key).upstreamCalls.Add(1)
	}
}

// Run writes until ctx ends, and then once more. It returns nil.
func (l *Ledger) Run(ctx context.Context) error {
	for pause.For(ctx, useEvery) == nil {
		if err := l.Write(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn().Err(err).Msg("cannot write the use of keys; it is kept in memory meanwhile")
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*opTimeout)
	defer cancel()
	if err := l.Write(ctx); err != nil {
		l.log.Error().Err(err).Msg("the last use of keys is lost")
	}
	return nil
}

// batch is one writing. Its number makes repeating it harmless.
type batch struct {
	number int64
	args   []any
	ids    []string
}

// Write writes all that has been counted before.
func (l *Ledger) Write(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.RLock()
	batches := 2 + len(l.keys)/maxBatch // what an earlier writing has left, and all keys; no more, or new counts would keep it going
	l.mu.RUnlock()
	for range batches {
		if l.unsent == nil {
			l.unsent = l.collect()
		}
		if l.unsent == nil {
			return nil
		}
		if err := l.send(ctx); err != nil {
			return fmt.Errorf("write use of keys: %w", err)
		}
		l.unsent = nil
	}
	return nil
}

func (l *Ledger) send(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	keys := append([]string{"geogate:{keys}:written:" + l.process}, l.unsent.ids...)
	return useScript.Run(ctx, l.rdb, keys, l.unsent.args...).Err()
}

// maxBatch is how many keys one script writes: about 1 ms in Redis.
const maxBatch = 200

// collect takes what has been counted; nil: nothing.
func (l *Ledger) collect() *batch {
	l.sequence++
	b := &batch{number: l.sequence}
	day := dayOf(l.now())
	b.args = []any{b.number, strconv.FormatInt(day, 10), strconv.FormatInt(day-31, 10)}
	l.mu.RLock()
	defer l.mu.RUnlock()
	for id, t := range l.keys {
		if len(b.ids) == maxBatch {
			break
		}
		r, h, u := t.requests.Swap(0), t.cacheHits.Swap(0), t.upstreamCalls.Swap(0)
		if r == 0 && h == 0 && u == 0 {
			continue
		}
		b.ids = append(b.ids, useKey(id))
		b.args = append(b.args, r, h, u, t.last.Load())
	}
	if len(b.ids) == 0 {
		return nil
	}
	return b
}
