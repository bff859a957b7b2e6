package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"geogate/internal/redistest"
)

// TestSimulate lets a town use two processes, checks what it has seen, and
// checks that the checker would have seen it.
func TestSimulate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ttl  string
		args []string
	}{
		"assigned": {"0s", []string{"--drive", filepath.Join(moduleRoot, "testdata", "traces", "munich-drive-1hz.json"), "--region", "munich"}},
		"offered":  {"2s", []string{"--offers", "--drivers", "30"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vars := settings("REDIS_URL", "redis://"+redistest.Start(t).Addr, "DISPATCH_OFFER_TTL", tt.ttl, "REGIONS", "default,munich")
			processes := []*process{start(t, vars), start(t, vars)}
			history := filepath.Join(t.TempDir(), "history.jsonl")
			args := append([]string{
				"simulate", processes[0].URL, processes[1].URL, "--json", "--duration", "4s", "--ride-time", "1s",
				"--rides", "15", "--rate", "300", "--seed", "7", "--history", history,
			}, tt.args...)
			for attempt := 1; ; attempt++ {
				code, stdout, stderr := execute(t, nil, args...)
				var report struct {
					Seed                                 uint64
					Rides, Matched, Completed, Positions int
					Vanished, Unfinished, Lost           int
					Errors                               map[string]int
					Violations                           []string
				}
				if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != 0 || report.Vanished+len(report.Violations) > 0 {
					t.Fatalf("exit code %d, %v\n%s%s", code, err, stdout, stderr)
				}
				if report.Seed == 7 && report.Rides >= 10 && report.Matched > 0 && report.Completed == report.Matched && report.Positions > 0 &&
					report.Unfinished+report.Lost+len(report.Errors) == 0 {
					break
				}
				if attempt == 3 { // a machine that stands still for some seconds stands still for Redis and riders too
					t.Fatalf("report %s", stdout)
				}
			}

			if code, stdout, stderr := execute(t, nil, "simulate", "--check", history); code != 0 || !strings.Contains(stdout, " 0 violations") {
				t.Errorf("check: exit code %d, %s%s", code, stdout, stderr)
			}
			text, err := os.ReadFile(history)
			if err != nil {
				t.Fatal(err)
			}
			double := regexp.MustCompile(`"driver":"[^"]+"`).ReplaceAll(text, []byte(`"driver":"one"`))
			if err := os.WriteFile(history, double, 0o600); err != nil {
				t.Fatal(err)
			}
			if code, stdout, _ := execute(t, nil, "simulate", "--check", history); code != 1 || !strings.Contains(stdout, "driver one: has the rides") {
				t.Errorf("check of a history in which one driver has all rides: exit code %d\n%s", code, stdout)
			}
		})
	}
	for name, args := range map[string][]string{
		"nothing named": {}, "not a URL": {"localhost:8080", "--duration", "1s"}, "too long": {"http://127.0.0.1:1", "--duration", "2h"},
		"too fast": {"http://127.0.0.1:1", "--rate", "100000"}, "both": {"http://127.0.0.1:1", "--check", "x"}, "no file": {"--check", "nosuchfile"},
		"no place": {"http://127.0.0.1:1", "--centre", "95,0"},
	} {
		if code, stdout, stderr := execute(t, nil, append([]string{"simulate"}, args...)...); code == 0 || stderr == "" {
			t.Errorf("%s: exit code %d, %s%s", name, code, stdout, stderr)
		}
	}
}
