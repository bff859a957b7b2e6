package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"geogate/internal/redistest"
)

// Everybody is kept to what is theirs: nobody honest is refused, and no cheat gets
// anything.
func TestSimulateWithCredentials(t *testing.T) {
	t.Parallel()
	vars := settings("REDIS_URL", "redis://"+redistest.Start(t).Addr, "RATE_LIMIT", "0", "ADMIN_TOKEN", "s3cret",
		"TOKEN_SECRET", "0123456789abcdef0123456789abcdef")
	processes := []*process{start(t, vars), start(t, vars)}
	for attempt := 1; ; attempt++ {
		code, stdout, stderr := execute(t, settings("ADMIN_TOKEN", "s3cret"), "simulate", processes[0].URL, processes[1].URL,
			"--auth", "--json", "--duration", "4s", "--drivers", "100", "--rate", "400", "--seed", "7")
		var report struct {
			Cheats, Honest, Matched, Tried int
			Refused, Breaches              map[string]int
		}
		if err := json.Unmarshal([]byte(stdout), &report); err != nil {
			t.Fatalf("exit code %d, %v\n%s%s", code, err, stdout, stderr)
		}
		// Who stands still for some seconds stands still for Redis too, and is unavailable.
		stoodStill := len(report.Breaches) == 0
		for refusal := range report.Refused {
			stoodStill = stoodStill && strings.Contains(refusal, ": 503 ")
		}
		good := code == 0 && report.Cheats == 20 && report.Honest > 0 && report.Matched > 0 && report.Tried > 0 && len(report.Refused) == 0
		if good && stoodStill {
			break
		}
		if !stoodStill || attempt == 3 {
			t.Fatalf("exit code %d, report %s%s", code, stdout, stderr)
		}
	}
	if code, stdout, stderr := execute(t, nil, "simulate", processes[0].URL, "--auth"); code == 0 || stderr == "" {
		t.Errorf("without ADMIN_TOKEN: exit code %d, %s%s", code, stdout, stderr)
	}
}
