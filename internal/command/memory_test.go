package command

import (
	"math"
	"testing"

	"github.com/redis/go-redis/v9"

	"geogate/gateway"
	"geogate/internal/command/doctor"
	"geogate/internal/config"
	"geogate/internal/memory"
)

func TestMemoryDemandFollowsTheSettings(t *testing.T) {
	for name, tt := range map[string]struct {
		connections, streams int
		want                 memory.Demand
	}{
		"defaults":         {8192, gateway.DefaultMaxStreams, memory.Demand{Cache: 64 << 20}},
		"fewer":            {100, 100, memory.Demand{Cache: 64 << 20}},
		"more connections": {8192 + 1024, gateway.DefaultMaxStreams, memory.Demand{Cache: 64 << 20, Extra: 24 << 20}},
		"more streams":     {8192, gateway.DefaultMaxStreams + 1024, memory.Demand{Cache: 64 << 20, Extra: 50 << 20}},
	} {
		s := settings{Config: config.Config{MaxConnections: tt.connections, MaxStreams: tt.streams, CacheMemory: 64 << 20}}
		if got := memoryDemand(s); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestDoctorExaminesMemory(t *testing.T) {
	for name, tt := range map[string]struct {
		cache, container int64
		want             doctor.Verdict // "": nothing is said
	}{
		"a dyno":           {64 << 20, 512 << 20, doctor.Healthy},
		"just enough":      {64 << 20, 272 << 20, doctor.Healthy},
		"too little":       {64 << 20, 271 << 20, doctor.Warned},
		"the whole of it":  {512 << 20, 512 << 20, doctor.Warned},
		"not in container": {64 << 20, math.MaxInt64, ""},
	} {
		s := settings{Config: config.Config{CacheMemory: config.ByteSize(tt.cache)}, redis: &redis.UniversalOptions{}}
		var got doctor.Verdict
		for _, f := range examineMemory(s, tt.container) {
			got = f.Verdict
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
