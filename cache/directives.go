package cache

import (
	"errors"
	"time"
)

// ErrNotCached is returned to a request that only wants a cached answer when
// there is none that it accepts.
var ErrNotCached = errors.New("not cached")

// Directives are the wishes of one request: its lane, and otherwise those of a
// Cache-Control request header (RFC 9111, section 5.2.1). They decide whether
// the upstream is asked. When that fails, any live answer beats an error,
// whatever the directives.
type Directives struct {
	// NoCache wants an answer obtained for this request.
	NoCache bool
	// NoStore keeps the request out of the cache altogether: neither looked
	// up, nor stored, nor shared with other calls.
	NoStore bool
	// OnlyIfCached never asks the upstream, not even for a refresh.
	OnlyIfCached bool
	// Local keeps the answer in the memory of this process, for what is cheaper
	// to make than to fetch from Redis, which is neither asked nor told.
	Local bool
	// Spent is the time for Redis that the request has used up in [Cache.Reach], in vain.
	Spent time.Duration
	// Lane is People or Bulk: for whom a fill runs that this request begins.
	// People who come to wait for a fill of another lane move it to theirs.
	Lane Lane
	// Lesser says that the fill may do less than those of other callers. They
	// join it, but if it leaves nothing in the cache they begin one of their
	// own; and it refreshes nothing.
	Lesser bool
	// LastResort picks the answers that are served past their freshness only
	// when no new one can be had; nil: there are none. It must be quick, and the
	// same for all callers.
	LastResort func(*Entry) bool
	// MaxAge is the greatest age accepted; nil: any.
	MaxAge *time.Duration
	// MaxStale is how far past its freshness an answer is accepted; nil: as
	// far as its own Stale allows, or not at all when MaxAge is set.
	MaxStale *time.Duration
}

// good reports whether an answer may be served before another one was asked for.
func (d *Directives) good(e *Entry, now time.Time) bool {
	return e.fresh(now) || d.LastResort == nil || !d.LastResort(e)
}

// accept reports whether the request takes an entry of this age.
// The entry's own limits are checked elsewhere.
func (d *Directives) accept(age, fresh time.Duration) bool {
	if d.NoCache {
		return false
	}
	if d.MaxAge == nil && d.MaxStale == nil {
		return true
	}
	over := age - fresh
	isStale := age >= fresh
	if d.MaxAge != nil && *d.MaxAge < fresh {
		over = age - *d.MaxAge
		isStale = over > 0
	}
	switch {
	case !isStale:
		return true
	case d.MaxStale != nil:
		return over <= *d.MaxStale
	default:
		return false
	}
}
