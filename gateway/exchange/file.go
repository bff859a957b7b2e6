package exchange

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"path"
	"sync"

	"github.com/klauspost/compress/gzip"
)

var fileTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".mjs":  "text/javascript; charset=utf-8",
	".png":  "image/png",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
	".yaml": "application/yaml",
}

// A File is part of the program that clients may download. It is served as it is
// and in gzip; the form that it does not come in is made once, when somebody first
// asks for it. Safe for concurrent use.
type File struct {
	contentType, etag string
	plain, compressed func() []byte
}

// NewFile returns the file of that name, which tells its type.
func NewFile(name string, content []byte) *File {
	f := newFile(name, content)
	f.plain = func() []byte { return content }
	f.compressed = sync.OnceValue(func() []byte { return deflate(content) })
	return f
}

// NewGzippedFile is NewFile for content that is in gzip. name is without ".gz".
func NewGzippedFile(name string, content []byte) *File {
	f := newFile(name, content)
	f.plain = sync.OnceValue(func() []byte { return inflate(name, content) })
	f.compressed = func() []byte { return content }
	return f
}

func newFile(name string, content []byte) *File {
	contentType, known := fileTypes[path.Ext(name)]
	if !known {
		panic("exchange: nobody knows the type of " + name) // it is in the binary
	}
	sum := sha256.Sum256(content)
	return &File{contentType: contentType, etag: hex.EncodeToString(sum[:8])}
}

// Serve answers with the file. Clients may keep it and ask whether it has changed.
func (f *File) Serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Add("Vary", "Accept-Encoding")
	etag, body, gzipped := `"`+f.etag+`"`, f.plain, AcceptsGzip(r.Header["Accept-Encoding"])
	if gzipped {
		etag, body = `"`+f.etag+`-gzip"`, f.compressed
	}
	h.Set("ETag", etag)
	if NotModified(r, etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if gzipped {
		h["Content-Encoding"] = GzipEncoding
	}
	Write(w, http.StatusOK, f.contentType, body())
	return nil
}

func deflate(plain []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // there is this level
	_, _ = w.Write(plain)                                   // and room in memory
	_ = w.Close()
	return out.Bytes()
}

func inflate(name string, compressed []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	var plain []byte
	if err == nil {
		plain, err = io.ReadAll(r)
	}
	if err != nil {
		panic(fmt.Sprintf("exchange: %s: %v", name, err)) // it is in the binary
	}
	return plain
}
