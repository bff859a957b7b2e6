package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"geogate/checks/geogate"
)

// TestNoticeNamesEveryLibrary compares the modules that are linked into the
// program with the ones that NOTICE names.
func TestNoticeNamesEveryLibrary(t *testing.T) {
	notice, err := os.ReadFile(filepath.Join(geogate.Root, "NOTICE"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps",
		"-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", ".")
	cmd.Dir = geogate.Root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	major := regexp.MustCompile(`/v\d+$`)
	linked := map[string]bool{}
	for path := range strings.FieldsSeq(string(out)) {
		linked[major.ReplaceAllString(path, "")] = true
	}
	if len(linked) == 0 {
		t.Fatal("go list names no modules")
	}
	named := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^  ([\w.-]+\.\w+/\S+)  +\S`).FindAllSubmatch(notice, -1) {
		named[string(match[1])] = true
	}
	for path := range linked {
		if !named[path] {
			t.Errorf("%s is linked into geogate and not in NOTICE", path)
		}
	}
	for path := range named {
		if !linked[path] {
			t.Errorf("%s is in NOTICE and not linked into geogate", path)
		}
	}
}
