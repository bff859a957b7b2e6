package bulk

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// By default uploads of a twenty-fifth of the size show the same: what they take does
// not grow with them.
var fullSize = flag.Bool("full-size", false, "upload 200 MB and 1 GiB instead of 8 MB and 40 MiB")

// allowed is how much more than when idle an upload may take.
const allowed = 64 << 20

func TestMemoryOfUploads(t *testing.T) {
	accepted, refused, limit := int64(8_000_000), int64(40<<20), int64(10<<20)
	if *fullSize {
		accepted, refused, limit = 200_000_000, 1<<30, DefaultMaxBytes
	}
	store, err := NewDirStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	worlds := map[string]*world{"redis": newWorld(t)}
	worlds["directory"] = worldOf(t, worlds["redis"].rdb, store, Config{})
	for name, w := range worlds {
		w.master.cfg.MaxBytes, w.master.cfg.MaxRows = limit, int(refused)
		w.master.cfg.MaxTotalBytes, w.master.cfg.MaxClientBytes = 1<<40, 1<<40 // not what this is about
		t.Run(name, func(t *testing.T) {
			peak := watchMemory(t)
			job, err := w.master.Create(t.Context(), Upload{Body: bulkOf(accepted)})
			if err != nil {
				t.Fatal(err)
			}
			taken := peak()
			peak = watchMemory(t)
			_, err = w.master.Create(t.Context(), Upload{Body: bulkOf(refused)})
			if !errors.Is(err, ErrTooLarge) {
				t.Errorf("Create = %v, want ErrTooLarge", err)
			}
			t.Logf("%d rows in %d MB took %d MiB, the refused upload %d MiB", job.Rows, accepted/1_000_000, taken>>20, peak()>>20)
			if err := w.master.Delete(t.Context(), job.ID); err != nil {
				t.Fatal(err)
			}
			w.nothingLeft(t)
		})
	}
}

// watchMemory returns a function that tells by how much the memory of the
// process had grown at most, and fails the test when that is too much.
func watchMemory(t *testing.T) func() uint64 { return watchMemoryUpTo(t, allowed) }

func watchMemoryUpTo(t *testing.T, most uint64) func() uint64 {
	t.Helper()
	peak := watchResident(t)
	return func() uint64 {
		grown := peak()
		if grown > most {
			t.Errorf("memory grew by %d MiB, want at most %d MiB", grown>>20, most>>20)
		}
		return grown
	}
}

func watchResident(t *testing.T) func() uint64 {
	t.Helper()
	debug.FreeOSMemory()
	idle := resident()
	var most atomic.Uint64
	end := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			most.Store(max(most.Load(), resident()))
			select {
			case <-tick.C:
			case <-end:
				return
			}
		}
	})
	return sync.OnceValue(func() uint64 {
		close(end)
		watch.Wait()
		return most.Load() - min(most.Load(), idle)
	})
}

// resident is what the runtime holds of the system's memory.
func resident() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}

// bulkOf is a file of n bytes and of rows that do not compress to nothing.
func bulkOf(n int64) io.Reader {
	rows := streets(int(n), func(i int) string {
		return fmt.Sprintf("%d,\"Landstrasse %d, %d Vaduz\",%x\n", i, i%997, 9000+i%1000, uint64(i)*0x9E3779B97F4A7C15)
	})
	return io.LimitReader(rows, n)
}
