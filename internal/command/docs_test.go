package command

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"geogate/upstream"
)

// documentedUpstreams are lines that readers paste, quoted or not.
var documentedUpstreams = regexp.MustCompile(`UPSTREAMS=('[^']+'|[^\s'` + "`" + `,]+)`)

// Every UPSTREAMS of the documents is one that geogate starts with.
func TestDocumentedUpstreams(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, page := range append(pages, "../../README.md", "../../packaging/systemd/geogate.env", "../../docker-compose.yml") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range documentedUpstreams.FindAllStringSubmatch(string(text), -1) {
			list := strings.TrimRight(strings.Trim(match[1], "'"), ".")
			if strings.Contains(list, "PATH") {
				continue // a placeholder
			}
			specs, err := upstream.ParseSpecs(list)
			if err != nil {
				t.Errorf("%s: UPSTREAMS=%s: %v", page, list, err)
			}
			for _, s := range specs {
				kinds[s.Kind] = true
			}
		}
	}
	for _, kind := range upstream.Kinds() {
		if !kinds[kind] {
			t.Errorf("no document has a line with %s", kind)
		}
	}
}
