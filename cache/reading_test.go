package cache

import (
	"context"
	"sync"
	"testing"

	"geogate/internal/redistest"
)

func TestReadingIsKeptWithTheAnswer(t *testing.T) {
	c := New(redistest.Start(t).Client(t), Config{Memory: 1 << 20})
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
	if got := c.Stats().MemoryBytes - before; got != readingWeight {
		t.Errorf("the reading weighs %d, want %d", got, readingWeight)
	}

	// What is nowhere in memory can be read all the same.
	off := New(redistest.Start(t).Client(t), Config{})
	unkept := get(t, off, "k", Directives{}, fill)
	if got := unkept.Reading(func(body []byte) any { return string(body) }); got != "body" {
		t.Errorf("reading = %v, want body", got)
	}
}
