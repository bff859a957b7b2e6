package main

import (
	"bytes"
	"os"
	"testing"
)

// TestCommittedFileIsCurrent packs the raw files again: whoever changes them,
// the generator or the version of golang.org/x/text has to run go generate.
func TestCommittedFileIsCurrent(t *testing.T) {
	places, prefixes, err := build("../data")
	if err != nil {
		t.Fatal(err)
	}
	for name, built := range map[string][]byte{"places.bin": places, "prefixes.bin": prefixes} {
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
