package clients

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"geogate/checks/geogate"
)

// TestGeneratedGo generates a Go client as docs/clients.md says, and makes a ride with it.
// The generator and what its code needs are a module of their own: nothing of them is in
// the checks or in geogate.
func TestGeneratedGo(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("oapicodegen")); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(geogate.Root, "docs", "clients.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := regexp.MustCompile("go run (github.com/oapi-codegen/oapi-codegen/v2)/cmd/oapi-codegen@(\\S+) ([^`]+) -o geogate.gen.go openapi.yaml").FindSubmatch(page)
	if documented == nil {
		t.Fatal("docs/clients.md has no command for Go")
	}
	module, version, flags := string(documented[1]), string(documented[2]), string(documented[3])
	if got := strings.TrimSpace(string(run(t, dir, "go", "list", "-m", "-f", "{{.Version}}", module))); got != version {
		t.Errorf("docs/clients.md names %s %s, and oapicodegen/go.mod has %s", module, version, got)
	}
	description, err := filepath.Abs(filepath.Join(geogate.Root, "docs", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "geogate"), 0o700); err != nil {
		t.Fatal(err)
	}
	generate := append([]string{"tool", "oapi-codegen"}, strings.Fields(flags)...)
	run(t, dir, "go", append(generate, "-o", "geogate/geogate.gen.go", description)...)
	run(t, dir, "go", "build", "-o", "roundtrip", ".")

	geogate.Build(t, dir)
	run(t, dir, filepath.Join(dir, "roundtrip"), geogate.Start(t, dir, "bin/geogate", "LOG_FORMAT=json"))
}
