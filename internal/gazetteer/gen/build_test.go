package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestCommittedFileIsCurrent packs the raw files again: whoever changes them,
// the generator or the version of golang.org/x/text has to run go generate. The
// generator runs as a program of its own, because it has one goroutine and is five
// times slower under the race detector.
func TestCommittedFileIsCurrent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS("../data")); err != nil {
		t.Fatal(err)
	}
	packed := []string{"places.bin", "prefixes.bin"}
	for _, name := range packed { // so that none is taken for its own result
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "go", "run", ".", dir).CombinedOutput(); err != nil {
		t.Fatalf("go run: %v\n%s", err, out)
	}
	for _, name := range packed {
		built, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		committed, err := os.ReadFile("../data/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(built, committed) {
			t.Errorf("%s (%d bytes) is not what the generator makes of the raw files (%d bytes): "+
				"run go generate ./internal/gazetteer", name, len(committed), len(built))
		}
	}
}

func TestBuildReportsMissingFiles(t *testing.T) {
	if _, _, err := build(t.TempDir()); err == nil {
		t.Error("build of an empty directory succeeded")
	}
}
