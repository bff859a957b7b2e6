// Package e2e tests geogate from outside: the program that users run, as a
// process, between real HTTP clients, a real redis-server and a stand-in
// geocoder. What is promised to users and operators is proved here; what a
// package promises to another one is proved beside it.
//
// Nothing here sleeps: conditions are polled, and every poll has a deadline.
package e2e

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"geogate/internal/asynctest"
)

// linkedVersion is the version that the tested program was linked with.
const linkedVersion = "v0.0.0-e2e"

// binary is the program under test, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "geogate-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "geogate")
	if err := build(binary, raceEnabled); err != nil {
		_ = os.RemoveAll(dir)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Most of the time these tests wait for other processes. -parallel on the
	// command line is read later and goes before.
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	asynctest.Main(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// build compiles geogate into path: as it is shipped, or with the race detector, which
// needs cgo.
func build(path string, race bool) error {
	args := []string{"build", "-buildvcs=false", "-ldflags", "-X geogate/internal/command.version=" + linkedVersion, "-o", path}
	cgo := "CGO_ENABLED=0"
	if race {
		args, cgo = append(args, "-race"), "CGO_ENABLED=1"
	}
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Dir, cmd.Env = moduleRoot, append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build geogate: %w\n%s", err, out)
	}
	return nil
}

// moduleRoot is where go.mod and the README are, seen from this package, in
// whose directory tests run.
const moduleRoot = ".."

// closeDefaultClient ends the connections that client libraries leave open in
// http.DefaultClient, when the test ends.
func closeDefaultClient(tb testing.TB) {
	tb.Helper()
	tb.Cleanup(http.DefaultClient.CloseIdleConnections) //nolint:forbidigo // theirs
}
