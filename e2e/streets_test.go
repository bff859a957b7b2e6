package e2e

import (
	"encoding/json"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestStreetsFromAnExtract imports an extract, serves it and asks for an
// address, as the README says.
func TestStreetsFromAnExtract(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "monaco.streets")
	extract := filepath.Join(moduleRoot, "internal", "streets", "testdata", "monaco.osm.pbf")
	said, err := exec.CommandContext(t.Context(), binary, "import", "-o", out, extract).CombinedOutput()
	if err != nil || !strings.Contains(string(said), "house numbers") {
		t.Fatalf("geogate import: %v\n%s", err, said)
	}
	g := start(t, settings("UPSTREAMS", "streets+file:"+out))
	for _, tt := range []struct{ query, want string }{
		{"q=" + url.QueryEscape("25 boulevard de suisse, monaco"), "25, Boulevard de Suisse"},
		{"lat=43.7385319&lon=7.4240328", "25, Boulevard de Suisse"},
	} {
		body := g.get(t, "/api?"+tt.query).Body
		var answer struct {
			Data []struct {
				DisplayName string `json:"display_name"`
			} `json:"data"`
		}
		if err := json.Unmarshal(body, &answer); err != nil || len(answer.Data) == 0 {
			t.Fatalf("/api?%s = %s (%v)", tt.query, body, err)
		}
		if got := answer.Data[0].DisplayName; !strings.Contains(got, tt.want) {
			t.Errorf("/api?%s = %q, want %q in it", tt.query, got, tt.want)
		}
	}
}
