package cache

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"geogate/internal/redistest"
)

func TestGzip(t *testing.T) {
	c := patient(redistest.Start(t).Client(t), Config{Memory: 1 << 20})
	noise := make([]byte, 4096)
	_, _ = rand.Read(noise)
	for name, tt := range map[string]struct {
		body string
		want bool
	}{
		"long":           {strings.Repeat(`{"lat":"47.14","lon":"9.52"},`, 50), true},
		"short":          {"[]", false},
		"incompressible": {string(noise), false},
	} {
		t.Run(name, func(t *testing.T) {
			before := c.Stats().MemoryBytes
			r := get(t, c, name, Directives{}, func(context.Context, *Priority) (Entry, error) { return answer(tt.body), nil })
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { r.Gzip() })
			}
			wg.Wait()
			z := r.Gzip()
			if (z != nil) != tt.want {
				t.Fatalf("Gzip() = %v, want one: %v", z, tt.want)
			}
			weight := uint64(indexWeight + itemWeight + allocated(len(name)+len(r.ETag)) + allocated(cap(r.Body)))
			if z != nil {
				weight += uint64(gzipWeight + allocated(len(z.ETag)) + allocated(cap(z.Body)))
				plain, err := gzip.NewReader(bytes.NewReader(z.Body))
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(plain); err != nil || string(got) != tt.body {
					t.Errorf("unpacked %q, %v", got, err)
				}
				if z.ETag == r.ETag || !strings.HasSuffix(z.ETag, `-gzip"`) {
					t.Errorf("ETag %s, plain %s", z.ETag, r.ETag)
				}
				block := fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\nContent-Type: %s\r\nEtag: %s\r\n", len(z.Body), r.ContentType, z.ETag)
				if got := string(z.AppendHeader(nil)); got != block {
					t.Errorf("AppendHeader() = %q, want %q", got, block)
				}
			}
			c.memory.tidy()
			if got := c.Stats().MemoryBytes - before; got != weight {
				t.Errorf("weighs %d, want %d", got, weight)
			}
		})
	}
}

func TestReadingIsKeptWithTheAnswer(t *testing.T) {
	c := patient(redistest.Start(t).Client(t), Config{Memory: 1 << 20})
	fill := func(context.Context, *Priority) (Entry, error) { return answer("body"), nil }
	get(t, c, "k", Directives{}, fill)
	c.memory.tidy()
	before := c.Stats().MemoryBytes
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r := get(t, c, "k", Directives{}, fill)
			if got := r.Reading(func(body []byte) any { return len(body) }); got != 4 {
				t.Errorf("reading = %v, want 4", got)
			}
		})
	}
	wg.Wait()
	r := get(t, c, "k", Directives{}, fill)
	r.Reading(func([]byte) any {
		t.Error("read again")
		return nil
	})
	c.memory.tidy()
	if got := c.Stats().MemoryBytes - before; got != readingWeight+4 {
		t.Errorf("the reading weighs %d, want %d", got, readingWeight+4)
	}

	// An answer that memory does not keep can be read all the same.
	off := patient(redistest.Start(t).Client(t), Config{})
	unkept := get(t, off, "k", Directives{}, fill)
	if got := unkept.Reading(func(body []byte) any { return string(body) }); got != "body" {
		t.Errorf("reading = %v, want body", got)
	}
}

func TestAppendHeader(t *testing.T) {
	e := Entry{ContentType: "application/json", ETag: `"e"`, Body: []byte("[]")}
	plain, zipped := Result{Entry: &e}, Gzipped{Body: make([]byte, 42), ETag: `"e-gzip"`, plain: &e}
	for _, tt := range []struct {
		append func([]byte) []byte
		want   string
	}{
		{plain.AppendHeader, "Age: 0\r\nContent-Length: 2\r\nContent-Type: application/json\r\nEtag: \"e\"\r\n"},
		{zipped.AppendHeader, "Age: 0\r\nContent-Encoding: gzip\r\nContent-Length: 42\r\nContent-Type: application/json\r\nEtag: \"e-gzip\"\r\n"},
	} {
		if got := string(tt.append([]byte("Age: 0\r\n"))); got != tt.want {
			t.Errorf("AppendHeader() = %q, want %q", got, tt.want)
		}
	}
}
