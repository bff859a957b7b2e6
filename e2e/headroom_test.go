package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// fullness is what /readyz tells of Redis's memory.
type fullness struct {
	RedisMemory struct {
		Used           int64  `json:"used"`
		Limit          int64  `json:"limit"`
		OptionalWrites string `json:"optional_writes"`
	} `json:"redis_memory"`
}

// TestUploadsDoNotStarveDispatch fills Redis with jobs and answers, as fast as one
// client can, where it has 25 MB and where it is the built-in one. What is
// optional stops in time; rides go on. In the built-in Redis the bound of all jobs
// comes first.
func TestUploadsDoNotStarveDispatch(t *testing.T) {
	var rows strings.Builder
	rows.WriteString("address\n")
	for i := range 60_000 { // that compress badly
		fmt.Fprintf(&rows, "Row %08x %08x\n", uint32(i)*2654435761, uint32(i)*40503+uint32(i*i)*97)
	}
	upload := rows.String()
	for name, row := range map[string]struct {
		vars func(t *testing.T) env
		code string
	}{
		"server of 25 MB": {func(t *testing.T) env {
			return settings("REDIS_URL", "redis://"+redistest.Start(t, "--maxmemory", "25mb", "--maxmemory-policy", "noeviction").Addr)
		}, "redis_filling_up"},
		"built-in": {func(*testing.T) env { return settings("GOMEMLIMIT", "96MiB", "CACHE_MEMORY", "4MiB") }, "jobs_full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := upstreamtest.New(t)
			upstream.SetAnswer(onePlace)
			vars := row.vars(t)
			vars["UPSTREAMS"], vars["WORKERS"] = "nominatim+"+upstream.URL, "0"
			g := start(t, vars)
			eventually(t, patience, "the memory has been measured", func() error {
				if decode[fullness](t, g.get(t, "/readyz"), http.StatusOK).RedisMemory.OptionalWrites != "on" {
					return errors.New("readyz does not tell")
				}
				return nil
			})
			var jobs []string
			var refused answer
			for len(jobs) < 400 && refused.Status == 0 {
				a := g.post(t, "/v2/jobs", upload, "Content-Type", "text/csv")
				if a.Status != http.StatusAccepted {
					refused = a
					break
				}
				jobs = append(jobs, decode[bulkJob](t, a, http.StatusAccepted).JobID)
			}
			if p := wantProblem(t, refused, http.StatusServiceUnavailable); p.Code != row.code || refused.Header.Get("Retry-After") == "" {
				t.Errorf("after %d jobs: %s, Retry-After %q, want %s", len(jobs), refused, refused.Header.Get("Retry-After"), row.code)
			}
			// Answers are optional, too: they are given and not kept in Redis.
			for i := range 300 {
				if a := g.get(t, fmt.Sprintf("/search?q=Place+%d", i)); a.Status != http.StatusOK {
					t.Fatalf("geocode: %s", a)
				}
			}
			for i := range 50 {
				g.track(t, fmt.Sprintf("driver-%d", i), driverLat, driverLng)
			}
			ride := g.requestRide(t)
			g.awaitState(t, ride.RequestID, "matched")
			now := decode[fullness](t, g.get(t, "/readyz"), http.StatusOK).RedisMemory
			share := float64(now.Used) / float64(now.Limit)
			t.Logf("%d jobs taken, then %.2f of %d MiB in use", len(jobs), share, now.Limit>>20)
			if share > 0.85 {
				t.Errorf("%.2f of the memory in use, want 0.75 and little more", share)
			}
			for _, id := range jobs {
				if a := g.send(t, http.MethodDelete, "/v2/jobs/"+id, ""); a.Status >= 300 {
					t.Fatalf("delete: %s", a)
				}
			}
			eventually(t, patience, "uploads are taken again", func() error {
				if a := g.post(t, "/v2/jobs", "address\nVaduz\n", "Content-Type", "text/csv"); a.Status != http.StatusAccepted {
					return fmt.Errorf("%s", a)
				}
				return nil
			})
		})
	}
}
