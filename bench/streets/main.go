// Command streets measures the upstream that answers from files: how often its
// first answer is the right one, beside the answers that a Nominatim gave on the
// same data, how fast it is, and what an import costs as extracts grow. It
// prints Markdown.
//
//	go run ./bench/streets -geogate bin/geogate
package main

import (
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
}

func main() {
	var o options
	flag.StringVar(&o.geogate, "geogate", "bin/geogate", "the binary that imports")
	flag.StringVar(&o.data, "data", "internal/streets/testdata", "the directory of extracts and questions")
	flag.StringVar(&o.copies, "copies", "1,4,16", "how many times over the extracts are imported together, for the slope")
	flag.StringVar(&o.larger, "larger", "", "a larger extract to import as well")
	flag.IntVar(&o.rounds, "rounds", 5, "how often all questions are asked for the times")
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
	for _, section := range []func(context.Context) error{b.imports, b.recall, b.speed, b.slope} {
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
	if b.larger != "" {
		done, err := b.importOne(ctx, filepath.Join(b.dir, "larger.streets"), b.larger)
		if err != nil {
			return err
		}
		fmt.Fprint(b.out, done.row(filepath.Base(b.larger)))
	}
	if last.extract > first.extract {
		slope := float64(last.peak-first.peak) / float64(last.extract-first.extract)
		fmt.Fprintf(b.out, "\nFrom the first to the last, memory grows by %.2f MB for each MB of extract: 1 GB takes %.1f GB.\n",
			slope, (float64(first.peak)+slope*(1e9-float64(first.extract)))/1e9)
	}
	fmt.Fprintln(b.out)
	return b.large(ctx)
}
