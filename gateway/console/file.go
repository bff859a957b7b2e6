package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"geogate/gateway/exchange"
	"geogate/internal/gazetteer"
)

//go:embed page
var embedded embed.FS

var types = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".mjs":  "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

// file is one file of the page, in both forms that clients take. Each is made from the
// other when somebody first asks for it.
type file struct {
	contentType, etag string
	plain, compressed func() []byte
}

// readFiles finds all files of the page. What is big comes compressed.
func readFiles() map[string]*file {
	files := map[string]*file{"outlines.json": newFile("outlines.json", gazetteer.Outlines, true)}
	err := fs.WalkDir(embedded, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := embedded.ReadFile(name)
		if err != nil {
			return err //nolint:wrapcheck // it names the file
		}
		below, compressed := strings.CutSuffix(strings.TrimPrefix(name, "page/"), ".gz")
		files[below] = newFile(below, content, compressed)
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("console: read the page: %v", err)) // it is in the binary
	}
	return files
}

func newFile(name string, content []byte, compressed bool) *file {
	sum := sha256.Sum256(content)
	f := &file{contentType: types[path.Ext(name)], etag: hex.EncodeToString(sum[:8])}
	as := func() []byte { return content }
	if compressed {
		f.compressed, f.plain = as, sync.OnceValue(func() []byte { return inflate(content) })
	} else {
		f.plain, f.compressed = as, sync.OnceValue(func() []byte { return deflate(content) })
	}
	return f
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "no-cache") // ask whether it has changed
	h.Add("Vary", "Accept-Encoding")
	etag, form := `"`+f.etag+`"`, f.plain
	if takesGzip(r) {
		etag, form = `"`+f.etag+`-gzip"`, f.compressed
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	if exchange.NotModified(r, etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	exchange.Write(w, http.StatusOK, f.contentType, form())
}

// takesGzip reports whether a client takes gzip, as every browser says it does. One that
// refuses it by a quality of 0 does not say so without the others.
func takesGzip(r *http.Request) bool {
	for _, line := range r.Header["Accept-Encoding"] {
		for form := range strings.SplitSeq(line, ",") {
			if name, quality, _ := strings.Cut(strings.TrimSpace(form), ";"); strings.TrimSpace(name) == "gzip" {
				return strings.ReplaceAll(quality, " ", "") != "q=0"
			}
		}
	}
	return false
}

func deflate(plain []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // a level that there is
	_, _ = w.Write(plain)                                   // into memory
	_ = w.Close()
	return out.Bytes()
}

func inflate(compressed []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		panic(fmt.Sprintf("console: %v", err)) // a test has read them all
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		panic(fmt.Sprintf("console: %v", err))
	}
	return plain
}
