package exchange

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestFileIsServedInBothForms(t *testing.T) {
	const text = "let x = 'x'; // and more of it, and more of it, and more of it\n"
	plain := NewFile("a.js", []byte(text))
	packed := NewGzippedFile("a.js", deflate([]byte(text)))
	ask := func(f *File, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/a.js", nil)
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		if err := f.Serve(w, r); err != nil {
			t.Fatal(err)
		}
		return w
	}
	for name, f := range map[string]*File{"plain": plain, "packed": packed} {
		got := ask(f)
		if got.Code != http.StatusOK || got.Body.String() != text || got.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("%s: %d %v %q", name, got.Code, got.Header(), got.Body)
		}
		zipped := ask(f, "Accept-Encoding: gzip")
		if zipped.Header().Get("Content-Encoding") != "gzip" || string(inflate(name, zipped.Body.Bytes())) != text {
			t.Errorf("%s in gzip: %v, %d bytes", name, zipped.Header(), zipped.Body.Len())
		}
		if got.Header().Get("ETag") == zipped.Header().Get("ETag") {
			t.Errorf("%s: both forms have the ETag %s", name, got.Header().Get("ETag"))
		}
		again := ask(f, "Accept-Encoding: gzip", "If-None-Match: "+zipped.Header().Get("ETag"))
		if again.Code != http.StatusNotModified || again.Body.Len() > 0 || again.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s again: %d %v", name, again.Code, again.Header())
		}
	}
}
