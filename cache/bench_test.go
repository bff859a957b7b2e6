package cache

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"geogate/internal/redistest"
)

// benchBody is 1.5 kB of JSON such as a geocoder sends.
var benchBody = strings.Repeat(`{"place_id":123456,"licence":"Data © OpenStreetMap contributors","lat":"47.1392862","lon":"9.5227962"},`, 15)[:1500]

func benchFill(context.Context, *Priority) (Entry, error) { return answer(benchBody), nil }

// BenchmarkHitMemory is the whole cost of a hit in memory.
func BenchmarkHitMemory(b *testing.B) {
	c := New(redistest.Start(b).Client(b), Config{Memory: 64 << 20})
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprintf("search?accept-language=de&format=jsonv2&limit=10&q=street %d", i)
		if _, err := c.Get(context.Background(), keys[i], Directives{}, benchFill); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("peek", func(b *testing.B) {
		b.ReportAllocs()
		var header []byte
		for i := 0; b.Loop(); i++ {
			r, ok := c.Peek(keys[i%len(keys)], Directives{}, nil)
			if !ok {
				b.Fatal("not there")
			}
			header = r.AppendHeader(header[:0])
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		ctx := context.Background()
		for i := 0; b.Loop(); i++ {
			if r, err := c.Get(ctx, keys[i%len(keys)], Directives{}, benchFill); err != nil || r.Layer != LayerMemory {
				b.Fatal(r.Class, err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if _, ok := c.Peek(keys[i%len(keys)], Directives{}, nil); !ok {
					b.Fatal("not there")
				}
			}
		})
	})
}

// BenchmarkHitRedis is the cost of a hit in Redis, with no memory layer.
func BenchmarkHitRedis(b *testing.B) {
	c := New(redistest.Start(b).Client(b), Config{})
	ctx := context.Background()
	if _, err := c.Get(ctx, "k", Directives{}, benchFill); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if r, err := c.Get(ctx, "k", Directives{}, benchFill); err != nil || r.Layer != LayerRedis {
			b.Fatal(r.Class, err)
		}
	}
}

// BenchmarkMiss is what the cache adds to a fill.
func BenchmarkMiss(b *testing.B) {
	c := New(redistest.Start(b).Client(b), Config{Memory: 64 << 20})
	ctx := context.Background()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if r, err := c.Get(ctx, fmt.Sprint("k", i), Directives{}, benchFill); err != nil || r.Class != Miss {
			b.Fatal(r.Class, err)
		}
	}
}

// BenchmarkMemoryPerEntry reports the heap that one answer of 1,500 bytes
// takes in memory, key and bookkeeping included, and what the layer weighs it as.
func BenchmarkMemoryPerEntry(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			if n == 1_000_000 && testing.Short() {
				b.Skip("takes 2 GB")
			}
			var per, weighs float64
			for b.Loop() {
				c := New(noRedis(b), Config{Memory: 4 << 30})
				g := c.gens.Load()
				before := heap()
				for i := range n {
					e := received(benchBody)
					e.complete(c.now())
					key := fmt.Sprintf("nominatim-a1b2c3|search?accept-language=de&format=jsonv2&q=zollstrasse+%d", i)
					c.memory.put(c.newItem(Record{Key: key, Entry: e}, g))
				}
				per = float64(heap()-before) / float64(n)
				c.memory.tidy()
				s := c.Stats()
				if s.MemoryEntries != n {
					b.Fatalf("%d entries in memory, want %d", s.MemoryEntries, n)
				}
				weighs = float64(s.MemoryBytes) / float64(n)
				runtime.KeepAlive(c)
			}
			b.ReportMetric(per, "bytes/entry")
			b.ReportMetric(per-float64(len(benchBody)), "overhead-bytes/entry")
			b.ReportMetric(weighs, "weighed-bytes/entry")
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
