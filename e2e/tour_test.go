package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTours runs every ```console block of a document as a reader would: in one
// shell, in order, against a geogate that was started as the document says, and
// compares what is shown with what comes. Blocks that are not to be run (`make
// test`, deployment) are marked otherwise, such as ```sh.
func TestTours(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not on the PATH: run `make test`, which installs it on Debian", tool)
		}
	}
	for _, document := range []string{"README.md", "docs/mobile.md", "docs/bulk.md"} {
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			tour(t, document, env{})
		})
	}
}

// tour runs the console blocks of a document, each start in it with a geogate of its
// own. places are where what the document names really is: an address, or the
// value of a variable.
func tour(t *testing.T, document string, places env) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot, filepath.FromSlash(document)))
	if err != nil {
		t.Fatal(err)
	}
	steps, err := consoleSteps(string(text))
	if err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	if len(steps) == 0 {
		t.Fatalf("%s has no ```console block with a command", document)
	}
	if !slices.ContainsFunc(steps, func(s consoleStep) bool { return isStart(s.Command) }) {
		steps = append([]consoleStep{{Command: "go run ."}}, steps...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	bash, err := newBash(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bash.close() }()
	if _, _, err := bash.run("PATH=" + shellQuote(filepath.Dir(binary)) + ":$PATH"); err != nil {
		t.Fatal(err)
	}
	var g *process
	for _, step := range startFirst(steps) {
		if isStart(step.Command) { // what it says is its banner
			vars := env{"PORT": "0"} // a test has its own port; the rest is as the document says
			for name, value := range assignments(step.Command) {
				vars[name] = replaced(value, places)
			}
			g = start(t, vars)
			eventually(t, patience, fmt.Sprintf("%s:%d: $ %s", document, step.Line, step.Command), func() error {
				return matchOutput(append(step.Want, ellipsis), g.Stderr.String())
			})
			continue
		}
		command := replaced(strings.ReplaceAll(step.Command, "localhost:8080", "localhost:"+port(g)), places)
		output, code, err := bash.run(command)
		if err != nil {
			t.Fatalf("%s:%d: $ %s\n%v", document, step.Line, step.Command, err)
		}
		if code != 0 {
			t.Errorf("%s:%d: $ %s\nexit code %d, output:\n%s", document, step.Line, step.Command, code, output)
			continue
		}
		if err := matchOutput(step.Want, output); err != nil {
			t.Errorf("%s:%d: $ %s\n%v", document, step.Line, step.Command, err)
		}
	}
}

// startFirst puts the first start in front: what a document does before it, such as
// going to a directory, is for readers.
func startFirst(steps []consoleStep) []consoleStep {
	i := slices.IndexFunc(steps, func(s consoleStep) bool { return isStart(s.Command) })
	return append([]consoleStep{steps[i]}, append(steps[:i:i], steps[i+1:]...)...)
}

func replaced(text string, places env) string {
	for name, place := range places {
		text = strings.ReplaceAll(text, name, place)
	}
	return text
}

func port(p *process) string {
	_, port, _ := strings.Cut(p.Addr, ":")
	return port
}
