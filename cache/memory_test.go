package cache

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unique"
	"unsafe"

	"geogate/internal/asynctest"
)

// What a flight read from Redis must not undo what has happened since.
func TestAdopt(t *testing.T) {
	base := time.Now()
	for name, tt := range map[string]struct {
		inMemory time.Duration // stored so long after base; negative: nothing there
		doubted  bool
		read     time.Duration
		event    time.Duration // superseded by an entry stored then; 0: no event
		purged   bool
		want     time.Duration // what memory holds then; negative: nothing
		inDoubt  bool
	}{
		"into an empty place":           {inMemory: -1, read: 1, want: 1},
		"over an older one":             {inMemory: 1, read: 2, want: 2},
		"not over a newer one":          {inMemory: 2, read: 1, want: 2},
		"over a newer one in doubt":     {inMemory: 2, doubted: true, read: 1, want: 1},
		"purged meanwhile":              {inMemory: -1, read: 1, purged: true, want: -1},
		"another one stored meanwhile":  {inMemory: -1, read: 1, event: 2, want: 1, inDoubt: true},
		"that very one stored just now": {inMemory: -1, read: 2, event: 2, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(noRedis(t), Config{Memory: 1 << 20})
			at := func(d time.Duration) *item {
				e := answer("x")
				e.StoredAt = base.Add(d)
				e.complete(base)
				return c.newItem(Record{Key: "k", Entry: e}, c.gens.Load())
			}
			if tt.inMemory >= 0 {
				it := at(tt.inMemory)
				c.memory.put(it)
				if tt.doubted {
					it.doubt()
				}
			}
			f := newFlight(flightID{key: "k"}, People)
			c.flights[f.flightID] = f
			if tt.event != 0 {
				c.doubt("k", base.Add(tt.event).UnixNano())
			}
			if tt.purged {
				c.forget("k")
			}
			c.adopt(f, at(tt.read))
			it := c.memory.peek("k")
			got := time.Duration(-1)
			if it != nil {
				got = it.StoredAt.Sub(base.Round(0))
			}
			if got != tt.want {
				t.Fatalf("memory holds what was stored at %v, want %v", got, tt.want)
			}
			if it != nil && it.doubted() != tt.inDoubt {
				t.Errorf("in doubt: %v, want %v", it.doubted(), tt.inDoubt)
			}
		})
	}
}

func TestMemoryStaysWithinItsBytes(t *testing.T) {
	const limit = 1 << 20
	c := New(noRedis(t), Config{Memory: limit})
	g := c.gens.Load()
	for i := range 5000 {
		e := answer(strings.Repeat("x", 1000))
		e.complete(c.now())
		key := fmt.Sprint(i)
		c.memory.put(c.newItem(Record{Key: key, Entry: e}, g))
	}
	asynctest.Eventually(t, "the layer is down to its size", func() bool {
		c.memory.tidy()
		return c.Stats().MemoryBytes <= limit
	})
	if n := c.Stats().MemoryEntries; n < limit/1010/2 {
		t.Errorf("only %d entries left", n)
	}
}

func TestExpiredItemsLeaveMemory(t *testing.T) {
	var clk clock
	c := New(noRedis(t), Config{Memory: 1 << 20, Now: clk.now})
	e := answer("x")
	e.complete(c.now())
	c.memory.put(c.newItem(Record{Key: "k", Entry: e}, c.gens.Load()))
	clk.advance(e.life() + time.Minute)
	if it := c.memory.get("k", c.now()); it != nil {
		t.Error("a dead item was served")
	}
	asynctest.Eventually(t, "the dead item is removed", func() bool {
		c.memory.tidy()
		return c.Stats().MemoryEntries == 0
	})
}

// Whatever text comes with an item, it keeps the copy that others have too.
func TestItemsShareTheirTexts(t *testing.T) {
	c := New(noRedis(t), Config{Memory: 1 << 20})
	filled := received("x")
	filled.complete(c.now())
	read, err := decode((&Record{Key: "k", Entry: filled}).encode())
	if err != nil {
		t.Fatal(err)
	}
	// As long as there is a handle, everybody gets the same copy.
	handles := [...]unique.Handle[string]{unique.Make(filled.ContentType), unique.Make(filled.Provider), unique.Make(filled.Outcome)}
	for name, r := range map[string]Record{"filled": {Key: "k", Entry: filled}, "read": read} {
		it := c.newItem(r, c.gens.Load())
		for i, text := range [...]string{it.ContentType, it.Provider, it.Outcome} {
			if want := handles[i].Value(); text != want || unsafe.StringData(text) != unsafe.StringData(want) {
				t.Errorf("%s: %q, want the shared copy of %q", name, text, want)
			}
		}
	}
	runtime.KeepAlive(handles)
}
