package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

var memoryTargetLine = regexp.MustCompile(`(?m)^go_gc_gomemlimit_bytes (.*)$`)

// TestMemoryTargetFollowsTheCache fills the cache of a process and asks what its garbage
// collector aims at.
func TestMemoryTargetFollowsTheCache(t *testing.T) {
	upstream := upstreamtest.New(t)
	upstream.SetAnswer(&upstreamtest.Fixed{
		ContentType: "application/json",
		Body:        `[{"place_id":1,"lat":"47.1","lon":"9.5","display_name":"` + strings.Repeat("Vaduz ", 1<<20/6) + `"}]`,
	})
	g := start(t, settings("REDIS_URL", "redis://"+redistest.Start(t).Addr, "UPSTREAMS", "nominatim+"+upstream.URL,
		"CACHE_MEMORY", "512MiB", "ADMIN_TOKEN", "secret"))
	target := func() float64 {
		t.Helper()
		line := memoryTargetLine.FindSubmatch(g.get(t, "/metrics", "Authorization", "Bearer secret").Body)
		if line == nil {
			t.Fatal("no go_gc_gomemlimit_bytes in /metrics")
		}
		bytes, err := strconv.ParseFloat(string(line[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		return bytes / (1 << 20)
	}
	if got := target(); got != 240 {
		t.Errorf("with an empty cache it is %.0f MiB, want 240", got)
	}
	for i := range 100 {
		if a := g.get(t, fmt.Sprintf("/search?q=Vaduz+%d", i)); a.Status != http.StatusOK {
			t.Fatal(a)
		}
	}
	// 100 answers of 1 MiB, and a sixteenth that the heap rounds up.
	eventually(t, patience, "the target has moved", func() error {
		if got := target(); got < 270 || got > 330 {
			return fmt.Errorf("it is %.0f MiB", got)
		}
		return nil
	})
}
