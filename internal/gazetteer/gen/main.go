// Command gen packs the raw files of a directory into places.bin and prefixes.bin
// beside them:
//
//	go run ./gen data
//
// The result depends on nothing but these files and the version of
// golang.org/x/text, whose country names (Unicode CLDR) go into it.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1) //nolint:forbidigo // this is a main of its own
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument, the directory of the raw files, got %q", args)
	}
	places, prefixes, err := build(args[0])
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(args[0], "places.bin"), places, 0o644),
		os.WriteFile(filepath.Join(args[0], "prefixes.bin"), prefixes, 0o644))
}
