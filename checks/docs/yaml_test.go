package docs

import (
	"os"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"

	"geogate/checks/geogate"
)

// TestDescriptionIsPlainYAML keeps docs/openapi.yaml to YAML 1.2: merge keys
// are of 1.1, and a strict reader refuses the file, or takes "<<" for a name.
func TestDescriptionIsPlainYAML(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(geogate.Root, "docs", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.MappingNode {
			for i := 0; i < len(n.Content); i += 2 {
				if key := n.Content[i]; key.Tag == "!!merge" || key.Value == "<<" {
					t.Errorf("docs/openapi.yaml:%d: merge keys are not YAML 1.2; write the fields out", key.Line)
				}
			}
		}
		for _, child := range n.Content { // of an alias, none: what it repeats is seen where it is written
			walk(child)
		}
	}
	walk(&root)
}
