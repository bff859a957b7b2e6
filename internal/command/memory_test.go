package command

import (
	"testing"

	"geogate/internal/config"
)

func TestMemoryTargetFollowsTheSettings(t *testing.T) {
	for name, tt := range map[string]struct {
		connections int
		cache, want int64
	}{
		"defaults":         {8192, 64 << 20, 240 << 20},
		"no cache":         {8192, 0, 176 << 20},
		"fewer":            {100, 64 << 20, 240 << 20},
		"more connections": {8192 + 1024, 64 << 20, 264 << 20},
		"smaller cache":    {8192, 32 << 20, 208 << 20},
		"larger cache":     {8192, 128 << 20, (176 + 128 + 8) << 20},
		"large cache":      {8192, 2112 << 20, (176 + 2112 + 256) << 20},
	} {
		s := settings{Config: config.Config{MaxConnections: tt.connections, CacheMemory: config.ByteSize(tt.cache)}}
		if got := memoryTarget(s); got != tt.want {
			t.Errorf("%s: %d MiB, want %d", name, got>>20, tt.want>>20)
		}
	}
}
