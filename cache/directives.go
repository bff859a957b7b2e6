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
	// Lane is People or Bulk: for whom a fill runs that this request begins.
	// People who come to wait for a fill of another lane move it to theirs.
	Lane Lane
	// MaxAge is the greatest age accepted; nil: any.
	MaxAge *time.Duration
	// MaxStale is how far past its freshness an answer is accepted; nil: as
	// far as its own Stale allows, or not at all when MaxAge is set.
	MaxStale *time.Duration
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
