// Package lint proves that the linter sees what .golangci.yml forbids. A rule
// whose pattern matches nothing looks the same as a rule that is kept.
package lint

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"
)

const root = "../.."

var golangci = flag.String("golangci-lint", "", "path of golangci-lint; make lint passes it")

// config is the part of .golangci.yml that is put to the test.
type config struct {
	Linters struct {
		Settings struct {
			Depguard struct {
				Rules map[string]struct {
					Deny []struct{ Pkg, Desc string }
				}
			}
			Forbidigo struct {
				Forbid []struct{ Pattern, Msg string }
			}
		}
	}
}

// TestRulesBite lays out testdata/geogate.txtar, a small module with the paths
// of the real one, runs the linter over it with the project's configuration,
// and compares what it reports with the `// want` comments: nothing missed, and
// nothing reported that is allowed. Every entry of the configuration has to be
// seen in action at least once.
func TestRulesBite(t *testing.T) {
	if *golangci == "" {
		t.Fatal("no -golangci-lint: run this by make lint")
	}
	dir := t.TempDir()
	wanted := layOut(t, dir)
	issues := run(t, dir)

	got := map[string]string{}
	for _, i := range issues {
		at := fmt.Sprintf("%s:%d", filepath.ToSlash(i.Pos.Filename), i.Pos.Line)
		got[at] = i.FromLinter
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}

	var c config
	text, err := os.ReadFile(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	seen := func(parts ...string) bool {
		return slices.ContainsFunc(issues, func(i issue) bool {
			return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(i.Text, p) })
		})
	}
	if len(c.Linters.Settings.Depguard.Rules) == 0 || len(c.Linters.Settings.Forbidigo.Forbid) == 0 {
		t.Fatal("no rules read from .golangci.yml")
	}
	for name, rule := range c.Linters.Settings.Depguard.Rules {
		for _, deny := range rule.Deny {
			if !seen("list '"+name+"'", "import '"+strings.TrimSuffix(deny.Pkg, "$"), deny.Desc) {
				t.Errorf("depguard rule %s: no violation of %s in testdata", name, deny.Pkg)
			}
		}
	}
	for _, forbid := range c.Linters.Settings.Forbidigo.Forbid {
		if !seen(forbid.Msg) {
			t.Errorf("forbidigo: no violation of %s in testdata", forbid.Pattern)
		}
	}
}

var want = regexp.MustCompile(`// want (\w+)$`)

// layOut writes the module into dir, with the real go.mod, and empty packages
// in place of modules that it does not require. It returns the linter that has
// to report each file:line.
func layOut(t *testing.T, dir string) map[string]string {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/geogate.txtar")
	if err != nil {
		t.Fatal(err)
	}
	gomod := copyFile(t, dir, "go.mod")
	copyFile(t, dir, "go.sum")
	copyFile(t, dir, ".golangci.yml")
	wanted := map[string]string{}
	for _, f := range archive.Files {
		write(t, filepath.Join(dir, f.Name), f.Data)
		n := 0
		for line := range bytes.Lines(f.Data) {
			n++
			if m := want.FindSubmatch(bytes.TrimSpace(line)); m != nil {
				wanted[fmt.Sprintf("%s:%d", f.Name, n)] = string(m[1])
			}
			if m := imported.FindSubmatch(line); m != nil {
				gomod = stub(t, dir, gomod, string(m[1]))
			}
		}
	}
	write(t, filepath.Join(dir, "go.mod"), []byte(gomod))
	return wanted
}

// imported finds the imports of other modules than the standard library and
// geogate: their first word has a dot.
var imported = regexp.MustCompile(`^(?:import)?\s+(?:_ )?"([^"/]+\.[^"/]+/[^"]+)"`)

// stub adds an empty package of the path to go.mod, unless a module of that is
// required already.
func stub(t *testing.T, dir, gomod, path string) string {
	t.Helper()
	for line := range strings.Lines(gomod) {
		if words := strings.Fields(line); len(words) > 1 && (path == words[0] || strings.HasPrefix(path, words[0]+"/")) {
			return gomod
		}
	}
	words, size := strings.Split(path, "/"), 2
	if words[0] == "github.com" || words[0] == "golang.org" {
		size = 3
	}
	version := "v1.99.0"
	if len(words) > size && majorVersion.MatchString(words[size]) {
		version = words[size] + ".99.0"
		size++
	}
	module := strings.Join(words[:size], "/")
	at := filepath.Join(dir, "stubs", filepath.FromSlash(module))
	write(t, filepath.Join(at, "go.mod"), []byte("module "+module+"\n"))
	write(t, filepath.Join(at, filepath.Join(words[size:]...), "stub.go"), []byte("package stub\n"))
	return fmt.Sprintf("%s\nrequire %s %s\nreplace %s => ./stubs/%s\n", gomod, module, version, module, module)
}

var majorVersion = regexp.MustCompile(`^v\d+$`)

func copyFile(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, name), text)
	return string(text)
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// An issue is one report, in golangci-lint's JSON.
type issue struct {
	FromLinter, Text string
	Pos              struct {
		Filename string
		Line     int
	}
}

func run(t *testing.T, dir string) []issue {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), *golangci, "run", "--enable-only=depguard,forbidigo",
		"--output.json.path=stdout", "--show-stats=false", "--issues-exit-code=0", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOLANGCI_LINT_CACHE="+filepath.Join(dir, ".cache"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("golangci-lint: %v\n%s%s", err, stdout.String(), stderr.String())
	}
	var report struct{ Issues []issue }
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatalf("golangci-lint prints no JSON: %v\n%s%s", err, stdout.String(), stderr.String())
	}
	return report.Issues
}
