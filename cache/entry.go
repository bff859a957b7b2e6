package cache

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// Entry is one answer. A [Fill] makes it and hands it over: from then on
// neither side may change it, Body included, because the same Entry is given
// to every caller.
type Entry struct {
	Status      int
	ContentType string
	Body        []byte
	Provider    string // who answered; the scope of [Cache.PurgeProvider]
	Outcome     string // what kind of answer; the scope of [Cache.PurgeOutcome]

	// StoredAt is when the answer was obtained, in UTC. A fill may leave it
	// zero; the cache then sets it.
	StoredAt time.Time
	// Fresh is how long after StoredAt the answer counts as new. Without any
	// the Entry is not stored.
	Fresh time.Duration
	// Stale is how long after Fresh the answer may still be served while a
	// new one is fetched or cannot be had. The cache keeps nothing longer than
	// Fresh+Stale; whoever makes the Entry keeps that within the provider's
	// terms.
	Stale time.Duration
	// ETag is a strong validator, quotes included. It is made from the
	// content, so it is the same in every process; a fill leaves it empty.
	ETag string
	// Rank is 0 for an answer that counts in full. Another one is from a source
	// that a number of better ones come before, and was obtained because those
	// failed: it never takes the place of a live answer of a lower rank.
	Rank uint8
	// NoStore forbids keeping the answer in any layer.
	NoStore bool
}

// maxLife bounds Fresh and Stale each, so that "forever" does not overflow.
const maxLife = 100 * 365 * 24 * time.Hour

// life is how long after StoredAt the entry may be served at all.
func (e *Entry) life() time.Duration { return e.Fresh + e.Stale }

// age is how old the entry is. Clocks of two processes differ: an entry from
// the future is new.
func (e *Entry) age(now time.Time) time.Duration { return max(now.Sub(e.StoredAt), 0) }

func (e *Entry) fresh(now time.Time) bool { return e.age(now) < e.Fresh }
func (e *Entry) alive(now time.Time) bool { return e.age(now) < e.life() }

// storable reports whether any layer may keep the entry.
func (e *Entry) storable() bool { return !e.NoStore && e.Fresh > 0 }

// complete fills in what a fill leaves to the cache.
func (e *Entry) complete(now time.Time) {
	if e.StoredAt.IsZero() {
		e.StoredAt = now
	}
	e.Fresh, e.Stale = min(e.Fresh, maxLife), min(max(e.Stale, 0), maxLife)
	// Only wall time survives Redis; keeping the monotonic part would make
	// the same entry age differently in two processes.
	e.StoredAt = e.StoredAt.Round(0).UTC()
	e.Body = tight(e.Body) // it may be kept for long
	if e.ETag == "" {
		e.ETag = strongETag(e)
	}
}

// strongETag hashes everything by which a client can tell two answers apart.
func strongETag(e *Entry) string {
	h := sha256.New()
	h.Write(strconv.AppendInt(nil, int64(e.Status), 10))
	h.Write([]byte{0})
	h.Write([]byte(e.ContentType))
	h.Write([]byte{0})
	h.Write(e.Body)
	var sum [sha256.Size]byte
	return `"` + base64.RawURLEncoding.EncodeToString(h.Sum(sum[:0])[:16]) + `"`
}

// maxText bounds each text of an entry that goes into a header or a label.
const maxText = 256

// legible reports whether everything in the entry that goes out apart from the body
// can go there as it is. Whoever can write to Redis, or import, could otherwise put
// lines of their own into the header of an answer.
func (e *Entry) legible() bool {
	if e.Status != 0 && (e.Status < 200 || e.Status > 599) { // 0: not an answer of HTTP
		return false
	}
	for _, text := range [...]string{e.ContentType, e.Provider, e.Outcome, e.ETag} {
		if len(text) > maxText || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return false
		}
	}
	return true
}
