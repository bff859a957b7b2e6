package cache

import (
	"math"
	"slices"
	"unsafe"
)

const (
	// indexWeight is what the layer takes for an entry besides the item, in
	// bytes: a node of its lists, and the slot in a map that is between three
	// eighths and three quarters full.
	indexWeight = 80 + 40 + 16
	// itemWeight is what an item takes besides its key and body: itself, its
	// ETag and its lengths as text.
	itemWeight = int(unsafe.Sizeof(item{})) + 48 + 8
	// gzipWeight is what a body in gzip takes besides its bytes.
	gzipWeight = int(unsafe.Sizeof(Gzipped{})) + 48 + 8
	// readingWeight is what a reading counts for besides what it repeats of the
	// body, of which it is taken to repeat readingRepeats at most.
	readingWeight  = 256
	readingRepeats = 1 << 10
)

// weigh returns the bytes that an entry takes in memory. What is behind
// pointers that many entries share is not counted: content type, provider,
// outcome.
func weigh(key string, it *item) uint32 {
	n := indexWeight + itemWeight + allocated(len(key)) + allocated(cap(it.Body))
	if z := it.gzipped.Load(); z != nil {
		n += gzipWeight + allocated(cap(z.Body))
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
