package docs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"geogate/checks/geogate"
)

// TestDescriptionHoldsInOtherReaders shows docs/openapi.yaml to the readers of
// npm that generators and linters of clients are made of. kin-openapi, which the
// other tests use, forgives what they do not.
func TestDescriptionHoldsInOtherReaders(t *testing.T) {
	dir := installFrom(t, "readers")
	description, err := filepath.Abs(filepath.Join(geogate.Root, "docs", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("swagger-parser", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), "node", "validate.mjs", description)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("redocly", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "node_modules", ".bin", "redocly"), "lint", "--format=json", description)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
		out, err := cmd.Output()
		var report struct {
			Totals   struct{ Errors, Warnings, Ignored int }
			Problems []struct {
				RuleID, Severity, Message string
				Location                  []struct{ Pointer string }
			}
		}
		if jsonErr := json.Unmarshal(out, &report); jsonErr != nil {
			t.Fatalf("redocly lint: %v, %v\n%s", err, jsonErr, out)
		}
		if report.Totals.Errors+report.Totals.Warnings+report.Totals.Ignored > 0 || err != nil {
			t.Errorf("redocly lint: %v, %+v, want no errors and no warnings", err, report.Totals)
		}
		for _, p := range report.Problems {
			t.Errorf("%s: %s: %s at %+v", p.Severity, p.RuleID, p.Message, p.Location)
		}
	})
}
