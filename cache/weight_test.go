package cache

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"geogate/internal/asynctest"
)

// liveHeap returns the bytes of live objects.
func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// text returns n bytes that compress about as well as an answer does.
func text(n int) []byte {
	words := make([]string, 0, n/6+1)
	for size := 0; size < n; size += 6 {
		words = append(words, fmt.Sprintf("%05x", rand.Uint32N(1<<20)))
	}
	return []byte(strings.Join(words, " "))[:n]
}

// received is an entry such as a fill makes of an upstream's response: there is room
// behind the body, and the content type is a part of the response's header.
func received(body string) Entry {
	e := answer("")
	e.Body = append(make([]byte, 0, len(body)*5/4), body...)
	const contentType = "application/json; charset=utf-8"
	header := "Content-Type: " + contentType + "\r\nServer: " + strings.Repeat("x", 1<<10)
	e.ContentType = header[len("Content-Type: "):][:len(contentType)]
	return e
}

// Whatever the size of its answers, and whatever is kept with them, the layer
// takes no more memory than it was given and at most three tenths besides.
func TestMemoryIsWhatItWasGiven(t *testing.T) {
	const limit = 4 << 20
	plain := func(*Result) {}
	tests := []struct {
		name string
		body int
		use  func(*Result)
	}{
		{"tiny", 10, plain},
		{"tiny with a reading", 10, func(r *Result) { r.Reading(func(b []byte) any { return string(b) }) }},
		{"small", 300, plain},
		{"usual", 1500, plain},
		{"usual and in gzip", 1500, func(r *Result) { r.Gzip() }},
		{"usual with a reading", 1500, func(r *Result) { r.Reading(func(b []byte) any { return string(b) }) }},
		{"large", 30_000, plain},
		{"large and in gzip", 30_000, func(r *Result) { r.Gzip() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := liveHeap()
			c := New(noRedis(t), Config{Memory: limit})
			g := c.gens.Load()
			body := string(text(tt.body))
			weight := uint32(0)
			for i := 0; weight < 5*limit/4; i++ { // more than it has room for
				e := received(body)
				e.complete(c.now())
				key := fmt.Sprintf("nominatim-a1b2c3|search?format=jsonv2&q=zollstrasse+%d", i)
				it := c.newItem(Record{Key: key, Entry: e}, g)
				c.memory.put(it)
				r := it.found(c.now(), LayerMemory)
				tt.use(&r)
				weight += weigh(key, it)
			}
			asynctest.Eventually(t, "the layer is down to its size", func() bool {
				c.memory.tidy()
				return c.Stats().MemoryBytes <= limit
			})
			s, with := c.Stats(), liveHeap()
			runtime.KeepAlive(c)
			after := liveHeap()               // without the layer, which nothing needs any more
			took := with - min(before, after) // what other tests left may have gone meanwhile
			share := float64(took) / limit
			t.Logf("%d entries take %.1f MiB, weighed as %.1f: %.2f of the budget, %d bytes an entry besides its body", s.MemoryEntries,
				float64(took)/(1<<20), float64(s.MemoryBytes)/(1<<20), share, int(took)/s.MemoryEntries-tt.body)
			if share > 1.3 {
				t.Errorf("the layer takes %.2f of its budget, want 1.3 at most", share)
			}
			if share < 0.6 {
				t.Errorf("the layer takes %.2f of its budget, it should use it", share)
			}
		})
	}
}
