// Command streets measures the upstream that answers from files: how often its
// first answer is the right one, beside the answers that a Nominatim gave on the
// same data, how fast it is, and what an import costs as extracts grow. It
// prints Markdown.
//
//	go run ./bench/streets -geogate bin/geogate
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"geogate/bench/machine"
	"geogate/internal/streets/recall"
)

// options are the flags.
type options struct {
	geogate string
	data    string
	copies  string
	larger  string
	rounds  int
	slowest int
}

func main() {
	var o options
	flag.StringVar(&o.geogate, "geogate", "bin/geogate", "the binary that imports")
	flag.StringVar(&o.data, "data", "internal/streets/testdata", "the directory of extracts and questions")
	flag.StringVar(&o.copies, "copies", "1,4,16", "how many times over the extracts are imported together, for the slope")
	flag.StringVar(&o.larger, "larger", "", "larger extracts to import as well, each by itself, separated by commas")
	flag.IntVar(&o.rounds, "rounds", 5, "how often all questions are asked for the times")
	flag.IntVar(&o.slowest, "slowest", 0, "how many of the slowest questions of each row to write to the standard error")
	machine.Main(func(ctx context.Context, out io.Writer) error { return run(ctx, o, out) })
}

func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "geogate-streets-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	questions, err := recall.Load(o.data)
	if err != nil {
		return err //nolint:wrapcheck // says what it did
	}
	fmt.Fprintf(out, "## Streets\n\n%s\n", machine.Describe(ctx))
	b := bench{options: o, dir: dir, out: out, questions: questions}
	for _, section := range []func(context.Context) error{b.imports, b.recall, b.speed, b.slope, b.real} {
		if err := section(ctx); err != nil {
			return err
		}
	}
	return nil
}

// bench is one run.
type bench struct {
	options

	dir       string
	out       io.Writer
	questions []recall.Question
}

func (b *bench) extract(country string) string {
	return filepath.Join(b.data, recall.Extracts[country]+".osm.pbf")
}

func (b *bench) file(country string) string { return filepath.Join(b.dir, country+".streets") }

// imports imports each extract by itself.
func (b *bench) imports(ctx context.Context) error {
	fmt.Fprint(b.out, "### Import\n\n", importHead)
	for _, country := range recall.Countries {
		done, err := b.importOne(ctx, b.file(country), b.extract(country))
		if err != nil {
			return err
		}
		fmt.Fprint(b.out, done.row(recall.Extracts[country]))
	}
	fmt.Fprintln(b.out)
	return nil
}

// slope imports the extracts together, several times over.
func (b *bench) slope(ctx context.Context) error {
	fmt.Fprint(b.out, "### Larger extracts\n\nThe five together, so many times over: each copy lies elsewhere and has half of its words for itself.\n\n", importHead)
	var all []string
	for _, country := range recall.Countries {
		all = append(all, b.extract(country))
	}
	var first, last imported
	for i, copies := range strings.Split(b.copies, ",") {
		n := 0
		if _, err := fmt.Sscanf(copies, "%d", &n); err != nil || n < 1 {
			return fmt.Errorf("-copies: want numbers separated by commas, have %q", b.copies)
		}
		extract := filepath.Join(b.dir, "copies.osm.pbf")
		if err := multiply(all, n, extract); err != nil {
			return err
		}
		done, err := b.importOne(ctx, filepath.Join(b.dir, "copies.streets"), extract)
		if err != nil {
			return err
		}
		fmt.Fprint(b.out, done.row(fmt.Sprintf("%d times", n)))
		if i == 0 {
			first = done
		}
		last = done
	}
	if last.extract > first.extract {
		slope := float64(last.peak-first.peak) / float64(last.extract-first.extract)
		fmt.Fprintf(b.out, "\nFrom the first to the last, memory grows by %.2f MB for each MB of extract: 1 GB takes %.1f GB.\n",
			slope, (float64(first.peak)+slope*(1e9-float64(first.extract)))/1e9)
	}
	fmt.Fprint(b.out, "\nThe same questions of the last of them:\n\n", speedHead)
	if err := b.large(ctx, "copies.streets", "the largest", b.questions); err != nil {
		return err
	}
	fmt.Fprintln(b.out)
	return nil
}

// real imports larger extracts and asks each for what it holds.
func (b *bench) real(ctx context.Context) error {
	if b.larger == "" {
		return nil
	}
	fmt.Fprint(b.out, "### Real extracts\n\n", importHead)
	var times bytes.Buffer
	asked := *b
	asked.out = &times
	for i, extract := range strings.Split(b.larger, ",") {
		name, file := filepath.Base(extract), fmt.Sprintf("larger%d.streets", i)
		done, err := b.importOne(ctx, filepath.Join(b.dir, file), extract)
		if err != nil {
			return err
		}
		fmt.Fprint(b.out, done.row(name))
		questions, err := sample(extract)
		if err != nil {
			return err
		}
		if err := asked.large(ctx, file, name, questions); err != nil {
			return err
		}
	}
	fmt.Fprintf(b.out, "\nQuestions for what they hold:\n\n%s%s\n", speedHead, times.String())
	return nil
}
