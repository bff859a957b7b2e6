package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestREADME runs every ```console block of the README as a reader would: in
// one shell, in order, against a geogate that was started as the README says,
// and compares what is shown with what comes. Blocks that are not to be run
// (`make test`, deployment) are marked ```sh.
func TestREADME(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(moduleRoot, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not on the PATH: run `make test`, which installs it on Debian", tool)
		}
	}
	g := start(t, env{"PORT": "0"}) // the README sets nothing, but every test has its own port
	steps, err := consoleSteps(strings.ReplaceAll(string(text), "localhost:8080", "localhost:"+port(g)))
	if err != nil {
		t.Fatalf("README.md: %v", err)
	}
	if len(steps) == 0 {
		t.Fatal("README.md has no ```console block with a command")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bash, err := newBash(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bash.close() }()
	for _, step := range steps {
		if isStart(step.Command) { // it runs already; what it says is its banner
			if err := matchOutput(append(step.Want, ellipsis), g.Stderr.String()); err != nil {
				t.Errorf("README.md:%d: $ %s\n%v", step.Line, step.Command, err)
			}
			continue
		}
		output, code, err := bash.run(step.Command)
		if err != nil {
			t.Fatalf("README.md:%d: $ %s\n%v", step.Line, step.Command, err)
		}
		if code != 0 {
			t.Errorf("README.md:%d: $ %s\nexit code %d, output:\n%s", step.Line, step.Command, code, output)
			continue
		}
		if err := matchOutput(step.Want, output); err != nil {
			t.Errorf("README.md:%d: $ %s\n%v", step.Line, step.Command, err)
		}
	}
}

func port(p *process) string {
	_, port, _ := strings.Cut(p.Addr, ":")
	return port
}
