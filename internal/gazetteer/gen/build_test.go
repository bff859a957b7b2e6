package main

import (
	"bytes"
	"os"
	"testing"
)

// TestCommittedFileIsCurrent packs the raw files again: whoever changes them,
// the generator or the version of golang.org/x/text has to run go generate.
func TestCommittedFileIsCurrent(t *testing.T) {
	committed, err := os.ReadFile("../data/places.bin")
	if err != nil {
		t.Fatal(err)
	}
	built, err := build("../data")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, committed) {
		t.Errorf("places.bin (%d bytes) is not what the generator makes of the raw files (%d bytes): "+
			"run go generate ./internal/gazetteer", len(committed), len(built))
	}
}

func TestBuildReportsMissingFiles(t *testing.T) {
	if _, err := build(t.TempDir()); err == nil {
		t.Error("build of an empty directory succeeded")
	}
}
