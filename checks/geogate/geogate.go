// Package geogate builds and starts the program for checks that need it live.
package geogate

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// Root is the top of the repository, seen from the packages of checks.
const Root = "../.."

// How long the program may take. Heroku gives 60 s to bind the port and 30 s to
// stop.
const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
)

// variable is the tag of a field of the configuration, which is the one source of
// the names.
var variable = regexp.MustCompile("`env:\"([A-Z0-9_]+)\"")

// Variables lists what geogate reads from the environment.
func Variables(tb testing.TB) []string {
	tb.Helper()
	source, err := os.ReadFile(filepath.Join(Root, "internal", "config", "config.go"))
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, match := range variable.FindAllSubmatch(source, -1) {
		names = append(names, string(match[1]))
	}
	return names
}

// Build puts the program, built as `make build` does it, into dir/bin.
func Build(tb testing.TB, dir string) {
	tb.Helper()
	root, err := filepath.Abs(Root)
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-o", filepath.Join(dir, "bin", "geogate"), ".")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("go build: %v\n%s", err, out)
	}
}

// Start runs a shell command in dir with a free port and the given variables,
// and nothing else that geogate reads, and waits until it answers. It returns
// the base URL. When the test ends the program gets SIGTERM, and has to exit 0.
func Start(tb testing.TB, dir, command string, variables ...string) string {
	tb.Helper()
	cmd := exec.Command("sh", "-c", "exec "+command) // stopped by SIGTERM in the Cleanup
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "PORT=0"}, variables...)
	log, err := os.Create(filepath.Join(tb.TempDir(), "log"))
	if err != nil {
		tb.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		tb.Fatalf("start %s: %v", command, err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	tb.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-exited:
			if err != nil {
				tb.Errorf("%s after SIGTERM: %v\n%s", command, err, readAll(log.Name()))
			}
		case <-time.After(stopTimeout):
			_ = cmd.Process.Kill()
			tb.Errorf("%s still runs %s after SIGTERM\n%s", command, stopTimeout, readAll(log.Name()))
		}
	})
	base := ""
	ctx, cancel := context.WithTimeout(tb.Context(), startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if base == "" {
			base = address(readAll(log.Name()))
		} else if healthy(ctx, base) {
			return base
		}
		select {
		case <-tick.C:
		case err := <-exited:
			exited <- err
			tb.Fatalf("%s: %v\n%s", command, err, readAll(log.Name()))
		case <-ctx.Done():
			tb.Fatalf("%s does not answer within %s\n%s", command, startTimeout, readAll(log.Name()))
		}
	}
}

// listensOn is in the banner. Only the program itself can pick a port that nobody
// else takes.
var listensOn = regexp.MustCompile(`"listens_on":"http://localhost:(\d+)"`)

func address(log []byte) string {
	match := listensOn.FindSubmatch(log)
	if match == nil {
		return ""
	}
	return "http://127.0.0.1:" + string(match[1])
}

func healthy(ctx context.Context, base string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/healthz", http.NoBody)
	if err != nil {
		return false
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func readAll(name string) []byte {
	text, _ := os.ReadFile(name) // for a message only
	return text
}

// eventuallyTimeout bounds what a check waits for.
const eventuallyTimeout = 2 * time.Minute

// Eventually waits until something holds that is under way, and fails the test if it
// never does.
func Eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(eventuallyTimeout); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			tb.Fatalf("not within %s: %s", eventuallyTimeout, what)
		}
	}
}
