package main

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The import rules are the linter's (.golangci.yml), which sees one file at a
// time. This test looks at what is reached in the end, by whatever way.

// listed is a package as `go list` shows it.
type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// packages lists the packages of this module and, without their tests, all
// that they are made of.
func packages(t *testing.T) map[string]listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports,Deps", "./...")
	out, err := cmd.Output()
	if err != nil {
		if exit, failed := errors.AsType[*exec.ExitError](err); failed {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	all := map[string]listed{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		all[p.ImportPath] = p
	}
}

// within tells whether path is pkg or lies below it.
func within(path, pkg string) bool {
	return path == pkg || strings.HasPrefix(path, pkg+"/")
}

func TestPackagesReachOnlyWhatTheyMay(t *testing.T) {
	four := []string{"geogate/gateway", "geogate/cache", "geogate/upstream", "geogate/dispatch"}
	all := packages(t)
	for _, name := range append(four, "geogate") {
		if _, found := all[name]; !found {
			t.Fatalf("go list does not know %s", name)
		}
	}
	for path, p := range all {
		above := path == "geogate" || within(path, "geogate/internal/command") || within(path, "geogate/gateway") || within(path, "geogate/bench")
		if above || !within(path, "geogate") {
			continue
		}
		for _, dep := range p.Deps {
			for _, noun := range four {
				if within(dep, noun) && !within(path, noun) {
					t.Errorf("%s reaches %s", path, dep)
				}
			}
		}
	}
}

// TestOnlyMainReachesTheCommandLine keeps everything that is built apart from
// what builds it, and from its configuration.
func TestOnlyMainReachesTheCommandLine(t *testing.T) {
	for path, p := range packages(t) {
		if path == "geogate" || within(path, "geogate/internal/command") {
			continue
		}
		for _, dep := range p.Deps {
			if within(dep, "geogate/internal/command") || within(dep, "geogate/internal/config") {
				t.Errorf("%s reaches %s", path, dep)
			}
		}
	}
}

// TestRootHoldsMainOnly keeps the listing of the root to the nouns of the
// system and the files that deploy it.
func TestRootHoldsMainOnly(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(files, []string{"architecture_test.go", "main.go"}) {
		t.Errorf("the Go files at the root are %q", files)
	}
}

// TestProgramHoldsNoTestTools keeps what tests are made of out of the binary.
func TestProgramHoldsNoTestTools(t *testing.T) {
	all := packages(t)
	for _, dep := range all["geogate"].Deps {
		for _, tool := range []string{
			"testing", "net/http/httptest",
			"geogate/internal/redistest", "geogate/internal/asynctest", "geogate/internal/faultproxy", "geogate/upstream/upstreamtest",
			"geogate/internal/identity/identitytest", "geogate/internal/trace/tracetest",
			"geogate/testdata",
			"github.com/nats-io/nats-server/v2", "go.uber.org/goleak", "pgregory.net/rapid",
			"github.com/anishathalye/porcupine", "github.com/google/go-cmp",
		} {
			if within(dep, tool) {
				t.Errorf("the program holds %s", dep)
			}
		}
	}
}

// TestNamesSayWhatThingsAre refuses the package names that say nothing.
func TestNamesSayWhatThingsAre(t *testing.T) {
	for path := range packages(t) {
		if !within(path, "geogate") {
			continue
		}
		for word := range strings.SplitSeq(path, "/") {
			if slices.Contains([]string{"common", "util", "utils", "helper", "helpers", "models", "types", "misc", "base", "lib", "services", "managers"}, word) {
				t.Errorf("%s: %q does not say what the package holds", path, word)
			}
		}
	}
}

// graphPage draws the import graph, in a block that begins with graphFence.
const (
	graphPage  = "docs/adr/0007-the-import-graph.md"
	graphFence = "```graph\n"
)

var update = flag.Bool("update", false, "write the import graph of "+graphPage+" anew")

// TestImportGraphIsTheOneDrawn makes each new import between packages of the
// program a change of the page that draws them.
func TestImportGraphIsTheOneDrawn(t *testing.T) {
	var lines []string
	for path, p := range packages(t) {
		if !within(path, "geogate") || within(path, "geogate/bench") || within(path, "geogate/testdata") {
			continue
		}
		var imports []string
		for _, imported := range p.Imports {
			if within(imported, "geogate") {
				imports = append(imports, strings.TrimPrefix(imported, "geogate/"))
			}
		}
		if len(imports) > 0 {
			lines = append(lines, strings.TrimPrefix(path, "geogate/")+" -> "+strings.Join(imports, " ")+"\n")
		}
	}
	slices.Sort(lines)
	graph := strings.Join(lines, "")

	page, err := os.ReadFile(graphPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(page), graphFence)
	drawn, after, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatalf("%s has no block that begins with %q", graphPage, graphFence)
	}
	if *update {
		if err := os.WriteFile(graphPage, []byte(before+graphFence+graph+"```\n"+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if drawn != graph {
		t.Errorf("%s draws another graph than go list sees. Is the new import wanted? Then run: go test -run ImportGraph . -update\n%s",
			graphPage, graph)
	}
}
