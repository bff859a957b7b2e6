package embedded

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"geogate/internal/headroom"
	"geogate/internal/memory"
)

// DefaultMemory is what a process with the built-in Redis may hold, in bytes,
// where neither GOMEMLIMIT nor its container sets less. It is a server to try
// geogate out with: a machine must not notice that it runs.
const DefaultMemory = 256 << 20

const (
	// heapObjects is what is in use and what the next garbage collection will
	// find is not.
	heapObjects = "/memory/classes/heap/objects:bytes"
	// collectFrom is the share of the limit from which garbage matters, and
	// collectPause the least time between two collections because of that: one
	// takes a tenth of a second of one core at most.
	collectFrom  = 0.6
	collectPause = 5 * time.Second
)

// Memory returns what the process holds and what it may. The server has no
// memory of its own: what is in it is nearly all that such a process holds, and
// whatever else grows there leaves less room.
func (s *Server) Memory() headroom.Usage {
	used := objects()
	now, last := time.Now().UnixNano(), s.collected.Load()
	if float64(used) > collectFrom*float64(s.limit) && now-last > int64(collectPause) && s.collected.CompareAndSwap(last, now) {
		runtime.GC()
		used = objects()
	}
	return headroom.Usage{Used: used, Limit: s.limit}
}

func objects() int64 {
	sample := []metrics.Sample{{Name: heapObjects}}
	metrics.Read(sample)
	return int64(min(sample[0].Value.Uint64(), math.MaxInt64))
}

// memoryLimit is the least of DefaultMemory and more besides, GOMEMLIMIT, and half
// of what the container has: between two garbage collections the heap may double.
func memoryLimit(besides int64) int64 {
	return min(DefaultMemory+besides, debug.SetMemoryLimit(-1), memory.Container()/2)
}
