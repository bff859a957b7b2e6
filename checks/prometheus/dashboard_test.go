package prometheus

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"geogate/checks/geogate"
)

// askPanels evaluates the query of every panel: each finds something in what a geogate
// tells that was used.
func askPanels(t *testing.T, told scrapes) {
	text, err := os.ReadFile(filepath.Join(geogate.Root, "docs", "grafana", "geogate.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	if len(dashboard.Panels) < 15 {
		t.Fatalf("the dashboard has %d panels", len(dashboard.Panels))
	}
	ids := map[int]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] {
			t.Errorf("two panels have the id %d", panel.ID)
		}
		ids[panel.ID] = true
		if len(panel.Targets) == 0 {
			t.Errorf("%s asks for nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			// Grafana makes it four times the interval of scrapes.
			expr := strings.ReplaceAll(target.Expr, "$__rate_interval", "2m")
			if len(told.query(t, expr)) == 0 {
				t.Errorf("%s: nothing answers %s", panel.Title, target.Expr)
			}
		}
	}
}
