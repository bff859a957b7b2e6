package cache

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// Class says where an answer came from. The values go on the wire as X-Cache.
type Class string

const (
	// Hit: fresh, from a layer of the cache.
	Hit Class = "HIT"
	// Miss: obtained by a fill, by this call or by one it waited for.
	Miss Class = "MISS"
	// Stale: from a layer of the cache and past its freshness, served while a
	// new one is fetched or because none could be had.
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

// Result is an answer and where it came from. The Entry is shared: read only.
type Result struct {
	*Entry
	Class Class
	// Layer is where a Hit or Stale answer was found, else empty.
	Layer string
	// Collapsed: the fill was begun by another call, in this process or in
	// another one.
	Collapsed bool
	// Stored: at least one layer holds the answer now.
	Stored bool
	// Age is how long ago the answer was obtained.
	Age time.Duration
	// Cause is the error of the fill instead of which a Stale answer is served,
	// or a second-best one as Bypass; nil when nothing failed.
	Cause error

	item *item
}

func (r *Result) cached() bool { return r.Class == Hit || r.Class == Stale }

// FreshLeft is how long the answer stays fresh; negative for a stale one.
func (r *Result) FreshLeft() time.Duration { return r.Fresh - r.Age }

// Left is how long the answer may still be served.
func (r *Result) Left() time.Duration { return r.life() - r.Age }

// Hits is how often this process served the answer since it has it in memory.
func (r *Result) Hits() uint64 { return r.item.hits.Load() }

// AppendHeader appends Content-Length, Content-Type and ETag to b as they go on the wire,
// each line with its end.
func (r *Result) AppendHeader(b []byte) []byte {
	return appendHeader(b, len(r.Body), r.ContentType, r.ETag)
}

// Reading returns what read makes of the body, and keeps it in memory with the
// answer, so that callers who always want the same of it parse it once. An
// answer has one reading: every caller must pass an equivalent read, which may
// run more than once. The reading is shared, read only, and should be small.
func (r *Result) Reading(read func(body []byte) any) any {
	if kept := r.item.reading.Load(); kept != nil {
		return *kept
	}
	made := read(r.Body)
	r.item.reading.Store(&made)
	r.item.provider.memory.reweigh(r.item)
	return made
}

// Gzip returns the answer in gzip, or nil if that would save little. It is
// made when first asked for and kept in memory with the answer.
func (r *Result) Gzip() *Gzipped { return r.item.gzip() }

// gzipMinimum is the body size, in bytes, from which gzip is worth its header
// and the client's time. Smaller bodies travel in one packet anyway.
const gzipMinimum = 512

// Gzipped is an answer's body in gzip. It is shared: read only.
type Gzipped struct {
	Body []byte
	// ETag differs from that of the plain body, because a strong validator
	// identifies the bytes on the wire.
	ETag string

	plain *Entry
}

// AppendHeader appends Content-Encoding and what Result.AppendHeader does.
func (z *Gzipped) AppendHeader(b []byte) []byte {
	return appendHeader(append(b, "Content-Encoding: gzip\r\n"...), len(z.Body), z.plain.ContentType, z.ETag)
}

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func (it *item) gzip() *Gzipped {
	if len(it.Body) < gzipMinimum {
		return nil
	}
	it.gzOnce.Do(func() {
		if z := gzipped(&it.Entry); z != nil {
			it.gzipped.Store(z)
			it.provider.memory.reweigh(it)
		}
	})
	return it.gzipped.Load()
}

func gzipped(e *Entry) *Gzipped {
	var b bytes.Buffer
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(&b)
	_, err := w.Write(e.Body)
	if err == nil {
		err = w.Close()
	}
	if err != nil || b.Len() > len(e.Body)*9/10 {
		return nil // a bytes.Buffer does not fail; what saves little is not kept
	}
	return &Gzipped{Body: bytes.Clone(b.Bytes()), ETag: strings.TrimSuffix(e.ETag, `"`) + `-gzip"`, plain: e}
}

// appendHeader appends what an answer always says about its body, in the order in which
// net/http writes it. Neither text can end a line: see Entry.legible.
func appendHeader(b []byte, length int, contentType, etag string) []byte {
	b = strconv.AppendInt(append(b, "Content-Length: "...), int64(length), 10)
	b = append(append(b, "\r\nContent-Type: "...), contentType...)
	return append(append(append(b, "\r\nEtag: "...), etag...), "\r\n"...)
}
