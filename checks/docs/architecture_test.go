package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"geogate/checks/geogate"
)

// maxScreen is how many lines docs/architecture.md may have: it is meant to be
// read without scrolling back.
const maxScreen = 70

var (
	span     = regexp.MustCompile("`([^`\n]+)`")
	filePath = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)*\.[a-z]+$`)
)

// TestArchitectureNamesEachFileOnce keeps the tour of the code true when files
// move.
func TestArchitectureNamesEachFileOnce(t *testing.T) {
	const page = "docs/architecture.md"
	text := markdown(t)[page]
	if lines := strings.Count(text, "\n"); lines > maxScreen {
		t.Errorf("%s has %d lines, want at most %d", page, lines, maxScreen)
	}
	if drawings := strings.Count(text, "```"); drawings != 2 {
		t.Errorf("%s has %d fences, want 2 around one drawing", page, drawings)
	}
	named := map[string]bool{}
	for _, match := range span.FindAllStringSubmatch(text, -1) {
		name := match[1]
		if !filePath.MatchString(name) {
			continue // a request or a command
		}
		if named[name] {
			t.Errorf("%s names %s twice", page, name)
		}
		named[name] = true
		if info, err := os.Stat(filepath.Join(geogate.Root, filepath.FromSlash(name))); err != nil || info.IsDir() {
			t.Errorf("%s names %s, which is no file", page, name)
		}
	}
	for _, stop := range []string{"main.go", "cache/cache.go", "dispatch/scripts/request.lua"} {
		if !named[stop] {
			t.Errorf("%s does not name %s", page, stop)
		}
	}
}
