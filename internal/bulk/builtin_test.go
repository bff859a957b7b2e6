package bulk

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"geogate/internal/redistest"
)

// Four uploads of 101 MB at a time took 874 MB where the built-in Redis keeps them.
// What it keeps has a cap, the collector needs as much again, and each upload its
// buffers.
func TestMemoryWithTheBuiltInRedis(t *testing.T) {
	size, kept, most := int64(12_000_000), int64(8<<20), uint64(80<<20)
	if *fullSize {
		size, kept, most = 101_000_000, 64<<20, 260<<20
	}
	rdb := redistest.BuiltIn(t)
	w := worldOf(t, rdb, NewRedisStore(rdb, ""), Config{MaxTotalBytes: kept, MaxRows: 1 << 30})
	peak := watchMemoryUpTo(t, most)
	var uploads sync.WaitGroup
	for i := range 4 {
		uploads.Go(func() {
			_, err := w.master.Create(t.Context(), Upload{Body: bulkOf(size), Client: fmt.Sprint(i)})
			if err != nil && !errors.Is(err, ErrFull) && !errors.Is(err, ErrTooLarge) {
				t.Error(err)
			}
		})
	}
	uploads.Wait()
	t.Logf("four uploads of %d MB took %d MiB", size/1_000_000, peak()>>20)
}
