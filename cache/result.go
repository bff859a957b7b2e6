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

// ContentTypeHeader is the content type as a value for an http.Header, made in
// advance, so that writing a hit does not allocate. It is shared: read only.
func (r *Result) ContentTypeHeader() []string { return r.item.header.contentType() }

// ETagHeader is the ETag in the form of ContentTypeHeader.
func (r *Result) ETagHeader() []string { return r.item.header.etag() }

// ContentLengthHeader is the length of the body in the form of
// ContentTypeHeader.
func (r *Result) ContentLengthHeader() []string { return r.item.header.contentLength() }

// HeaderBlock is Content-Length, Content-Type and ETag as they go on the wire, each
// line with its end.
func (r *Result) HeaderBlock() string { return r.item.header.text }

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
	r.item.memory.reweigh(r.item)
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

	header headerBlock
}

// ETagHeader and ContentLengthHeader are as those of Result.
func (z *Gzipped) ETagHeader() []string { return z.header.etag() }

// ContentLengthHeader is the length of the gzipped body.
func (z *Gzipped) ContentLengthHeader() []string { return z.header.contentLength() }

// HeaderBlock is Content-Encoding and what Result.HeaderBlock has.
func (z *Gzipped) HeaderBlock() string { return z.header.text }

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func (it *item) gzip() *Gzipped {
	if len(it.Body) < gzipMinimum {
		return nil
	}
	it.gzOnce.Do(func() {
		if z := gzipped(&it.Entry); z != nil {
			it.gzipped.Store(z)
			it.memory.reweigh(it)
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
	etag := strings.TrimSuffix(e.ETag, `"`) + `-gzip"`
	return &Gzipped{Body: bytes.Clone(b.Bytes()), ETag: etag, header: newHeaderBlock("gzip", e.ContentType, etag, b.Len())}
}

// headerBlock is what an answer always says about its body, as it goes on the wire.
// It is rendered once for each answer, because most answers are hits. The values
// for an http.Header are parts of it, so that both ways out write the same.
type headerBlock struct {
	text   string
	values [3]string // content length, content type, ETag
}

// newHeaderBlock renders the fields in the order in which net/http writes them.
// encoding may be empty. Nothing in it can end a line: see Entry.legible.
func newHeaderBlock(encoding, contentType, etag string, length int) headerBlock {
	var b strings.Builder
	b.Grow(128)
	if encoding != "" {
		b.WriteString("Content-Encoding: " + encoding + "\r\n")
	}
	fields := [...]struct{ name, value string }{
		{"Content-Length: ", strconv.Itoa(length)}, {"Content-Type: ", contentType}, {"Etag: ", etag},
	}
	var ends [len(fields)]int
	for i, f := range fields {
		b.WriteString(f.name + f.value)
		ends[i] = b.Len()
		b.WriteString("\r\n")
	}
	block := headerBlock{text: b.String()}
	for i, f := range fields {
		block.values[i] = block.text[ends[i]-len(f.value) : ends[i]]
	}
	return block
}

func (b *headerBlock) contentLength() []string { return b.values[0:1:1] }
func (b *headerBlock) contentType() []string   { return b.values[1:2:2] }
func (b *headerBlock) etag() []string          { return b.values[2:3:3] }
