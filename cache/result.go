package cache

import "time"

// Class says how an answer was come by; the values go on the wire as X-Cache.
type Class string

const (
	// Hit: fresh, from a layer of the cache.
	Hit Class = "HIT"
	// Miss: obtained by a fill, by this call or by one it waited for.
	Miss Class = "MISS"
	// Stale: past its freshness, served while a new one is fetched or because
	// none could be had.
	Stale Class = "STALE"
	// Bypass: obtained by a fill and not stored, because the request or the
	// answer forbids it.
	Bypass Class = "BYPASS"
)

// The layers an answer can come from.
const (
	LayerMemory = "memory"
	LayerRedis  = "redis"
)

// Result is an answer and how it was come by. The Entry is shared: read only.
type Result struct {
	*Entry
	Class Class
	// Layer is where a Hit or Stale answer was found, else empty.
	Layer string
	// Collapsed: the answer is that of a fill which another call, in this
	// process or in another one, had begun.
	Collapsed bool
	// Stored: at least one layer holds the answer now.
	Stored bool
	// Age is how long ago the answer was obtained.
	Age time.Duration
	// Cause is the error of the fill in whose stead a Stale answer is
	// served; nil when nothing failed.
	Cause error

	item *item
}

// ContentTypeHeader is the content type as a ready-made value for an
// http.Header, so that writing a hit costs no allocation. It is shared: read
// only.
func (r *Result) ContentTypeHeader() []string { return r.item.header[0:1:1] }

// ETagHeader is the ETag in the form of ContentTypeHeader.
func (r *Result) ETagHeader() []string { return r.item.header[1:2:2] }

// ContentLengthHeader is the length of the body in the form of
// ContentTypeHeader.
func (r *Result) ContentLengthHeader() []string { return r.item.header[2:3:3] }

// readingWeight is what a reading counts for in the memory layer, in bytes.
const readingWeight = 256

// Reading returns what read makes of the body, and keeps it in memory with the
// answer, so that those who want the same of an answer again and again parse it
// once. There is one reading of an answer: all who ask want the same. It is
// shared, read only, and should be small. read may run more than once.
func (r *Result) Reading(read func(body []byte) any) any {
	if kept := r.item.reading.Load(); kept != nil {
		return *kept
	}
	made := read(r.Body)
	r.item.reading.Store(&made)
	r.item.memory.reweigh(r.item.key, r.item)
	return made
}

// Gzip returns the answer in gzip, or nil if that would gain little. It is
// made when first asked for and kept in memory with the answer.
func (r *Result) Gzip() *Gzipped { return r.item.gzip() }
