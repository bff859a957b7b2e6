package cache

import (
	"bytes"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gzipMinimum is the body size from which gzip is worth its header and the
// client's time: smaller ones travel in one packet anyway.
const gzipMinimum = 512

// Gzipped is an answer's body in gzip, shared by all who send it: read only.
type Gzipped struct {
	Body []byte
	// ETag differs from that of the plain body, because a strong validator
	// stands for the bytes on the wire.
	ETag string

	header [2]string
}

// ETagHeader and ContentLengthHeader are as those of Result.
func (z *Gzipped) ETagHeader() []string { return z.header[0:1:1] }

// ContentLengthHeader is the length of the gzipped body.
func (z *Gzipped) ContentLengthHeader() []string { return z.header[1:2:2] }

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func (it *item) gzip() *Gzipped {
	if len(it.Body) < gzipMinimum {
		return nil
	}
	it.gzOnce.Do(func() {
		if z := gzipped(&it.Entry); z != nil {
			it.gzipped.Store(z)
			it.memory.reweigh(it.key, it)
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
		return nil // a bytes.Buffer does not fail; what gains nothing is not kept
	}
	etag := strings.TrimSuffix(e.ETag, `"`) + `-gzip"`
	return &Gzipped{Body: bytes.Clone(b.Bytes()), ETag: etag, header: [2]string{etag, strconv.Itoa(b.Len())}}
}
