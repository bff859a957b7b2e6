package cache

import (
	"iter"
	"math"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/maypok86/otter/v2"
)

// memoryLayer holds answers ready to be written, and no more of them than fit
// into the memory it was given (see weigh). A nil *memoryLayer is a layer that is turned off: it holds nothing.
type memoryLayer struct {
	cache *otter.Cache[string, *item]
	clock *memoryClock
}

// expirySlack is how much longer than its life an item stays, at least: the
// layer's clock may lag by as much. That clock does not decide whether an item
// may be served.
const expirySlack = 2 * time.Second

func newMemoryLayer(maxBytes int64, now func() time.Time) *memoryLayer {
	if maxBytes <= 0 {
		return nil
	}
	clock := &memoryClock{now: now}
	clock.advance()
	return &memoryLayer{clock: clock, cache: otter.Must(&otter.Options[string, *item]{
		MaximumWeight: uint64(maxBytes),
		Weigher:       weigh,
		Clock:         clock,
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, *item]) time.Duration {
			return e.Value.life() - e.Value.age(now()) + expirySlack
		}),
	})}
}

// get returns a live item.
func (m *memoryLayer) get(key string, now time.Time) *item {
	if m == nil {
		return nil
	}
	it, ok := m.cache.GetIfPresent(key)
	if !ok || !it.alive(now) {
		return nil
	}
	return it
}

// peek returns the item, dead or alive, and does not count as a use of it.
func (m *memoryLayer) peek(key string) *item {
	if m == nil {
		return nil
	}
	e, ok := m.cache.GetEntryQuietly(key)
	if !ok {
		return nil
	}
	return e.Value
}

// put makes it the item of its key.
func (m *memoryLayer) put(it *item) {
	if m != nil {
		m.clock.advance()
		m.cache.Set(it.Key, it)
	}
}

// offer is put unless there is a valid item of a lower rank. It reports whether
// the layer took the item.
func (m *memoryLayer) offer(it *item, g *generations) bool {
	if m == nil || it.Rank == 0 {
		m.put(it)
		return m != nil
	}
	m.clock.advance()
	kept, _ := m.cache.Compute(it.Key, func(old *item, found bool) (*item, otter.ComputeOp) {
		if found && old.betterThan(it, m.clock.now()) && old.judge(g) == valid {
			return old, otter.CancelOp
		}
		return it, otter.WriteOp
	})
	return kept == it
}

// adopt is put for an item read from Redis: it yields to a newer one, because
// a fill may have stored that in both layers since the read.
func (m *memoryLayer) adopt(it *item, now time.Time) {
	if m == nil {
		return
	}
	m.clock.advance()
	m.cache.Compute(it.Key, func(old *item, found bool) (*item, otter.ComputeOp) {
		if found && !old.doubted() && (old.StoredAt.After(it.StoredAt) || old.betterThan(it, now)) {
			return old, otter.CancelOp
		}
		return it, otter.WriteOp
	})
}

// reweigh takes in that the item has grown.
func (m *memoryLayer) reweigh(it *item) {
	if m == nil {
		return
	}
	m.cache.ComputeIfPresent(it.Key, func(old *item) (*item, otter.ComputeOp) {
		if old != it {
			return old, otter.CancelOp
		}
		return it, otter.WriteOp
	})
}

func (m *memoryLayer) drop(key string) {
	if m != nil {
		m.cache.Invalidate(key)
	}
}

// tidy removes expired entries; Run calls it, so that the layer needs no
// goroutine of its own.
func (m *memoryLayer) tidy() {
	if m != nil {
		m.clock.advance()
		m.cache.CleanUp()
	}
}

func (m *memoryLayer) size() (entries int, bytes uint64) {
	if m == nil {
		return 0, 0
	}
	return m.cache.EstimatedSize(), m.cache.WeightedSize()
}

// memoryClock is the clock of the layer. It reads the time only when told to,
// because reading it would be a third of the cost of a hit. It does not tick, so
// the layer has no goroutine.
type memoryClock struct {
	now  func() time.Time
	nano atomic.Int64
}

func (c *memoryClock) advance()                          { c.nano.Store(c.now().UnixNano()) }
func (c *memoryClock) NowNano() int64                    { return c.nano.Load() }
func (*memoryClock) Tick(time.Duration) <-chan time.Time { return nil }

// all ranges over the items in no order.
func (m *memoryLayer) all() iter.Seq2[string, *item] {
	if m == nil {
		return func(func(string, *item) bool) {}
	}
	return m.cache.All()
}

const (
	// indexWeight is what the layer takes for an entry besides the item, in
	// bytes: a node of its lists, and the slot in a map that is between three
	// eighths and three quarters full.
	indexWeight = 80 + 40 + 16
	// itemWeight is what an item takes besides its key, ETag and body. 240 bytes are one
	// of the sizes that the heap has room for; one more field takes 256.
	itemWeight = int(unsafe.Sizeof(item{}))
	// gzipWeight is what a body in gzip takes besides its bytes and ETag.
	gzipWeight = int(unsafe.Sizeof(Gzipped{}))
	// readingWeight is what a reading counts for besides what it repeats of the
	// body, of which it is taken to repeat readingRepeats at most.
	readingWeight  = 256
	readingRepeats = 1 << 10
)

// weigh returns the bytes that an entry takes in memory. What many entries share is
// not counted: content type, provider, outcome.
func weigh(key string, it *item) uint32 {
	n := indexWeight + itemWeight + allocated(len(key)+len(it.ETag)) + allocated(cap(it.Body))
	if z := it.gzipped.Load(); z != nil {
		n += gzipWeight + allocated(len(z.ETag)) + allocated(cap(z.Body))
	}
	if it.reading.Load() != nil {
		n += readingWeight + min(len(it.Body), readingRepeats)
	}
	return uint32(min(n, math.MaxUint32))
}

// allocated is about what n bytes take on the heap, which has room for some
// sizes only: an eighth more at most, and a sixteenth on average.
func allocated(n int) int { return (n + n/16 + 15) &^ 15 }

// tight returns b without the room behind it, if that is worth a copy.
func tight(b []byte) []byte {
	if cap(b)-len(b) <= len(b)/16+16 {
		return b
	}
	return slices.Clone(b)
}
