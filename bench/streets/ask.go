package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"geogate/internal/streets"
	"geogate/internal/streets/recall"
	"geogate/upstream"
)

// databases are the files that are searched together: as the Nominatims were
// set up, one for the countries and one for the cities.
var databases = map[string]string{"li": "countries", "ad": "countries", "mc": "countries", "de": "cities", "pt": "cities"}

// open opens the files of some countries as one upstream.
func (b *bench) open(name string, countries []string) (p upstream.Provider, closeFiles func(), err error) {
	var paths []string
	for _, country := range countries {
		paths = append(paths, b.file(country))
	}
	library, err := streets.OpenLibrary(paths...)
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // says what it did
	}
	return upstream.NewStreets(library, name, "bench"), func() { _ = library.Close() }, nil
}

// ask returns the first answer, as a client hears it; ok is false for none.
func ask(ctx context.Context, p upstream.Provider, q recall.Question) (first recall.Answer, ok bool, err error) {
	r, err := canonical(q)
	if err != nil {
		return first, false, err
	}
	a, err := p.Geocode(ctx, r)
	if err != nil || a.Outcome != upstream.Found {
		return first, false, err //nolint:wrapcheck // says what it did
	}
	if bytes.HasPrefix(a.Body, []byte("[")) {
		var list []recall.Answer
		if err := json.Unmarshal(a.Body, &list); err != nil || len(list) == 0 {
			return first, false, err //nolint:wrapcheck // says what it did
		}
		return list[0], true, nil
	}
	err = json.Unmarshal(a.Body, &first)
	return first, true, err //nolint:wrapcheck // says what it did
}

func canonical(q recall.Question) (upstream.Request, error) {
	path, _, _ := strings.Cut(q.Request, "?")
	ep := upstream.Search
	if path == "/reverse" {
		ep = upstream.Reverse
	}
	r, err := upstream.Canonical(ep, q.Params(), "")
	if err != nil {
		return r, fmt.Errorf("%s: %w", q.Request, err)
	}
	return r, nil
}

// tally counts right first answers.
type tally struct{ asked, geogate, nominatim int }

func share(right, asked int) string {
	if asked == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", 100*float64(right)/float64(asked))
}

// recall asks all questions and compares with what Nominatim answered.
func (b *bench) recall(ctx context.Context) error {
	open := map[string]upstream.Provider{}
	for _, name := range []string{"countries", "cities"} {
		var members []string
		for _, country := range recall.Countries {
			if databases[country] == name {
				members = append(members, country)
			}
		}
		p, closeFiles, err := b.open(name, members)
		if err != nil {
			return err
		}
		defer closeFiles() //nolint:gocritic // all are asked until the end
		open[name] = p
	}
	tallies := map[string]map[string]*tally{}
	var misses []string
	for _, q := range b.questions {
		a, ok, err := ask(ctx, open[databases[q.Country]], q)
		if err != nil {
			return err
		}
		if tallies[q.Set] == nil {
			tallies[q.Set] = map[string]*tally{}
		}
		right := ok && q.Hit(a)
		for _, column := range []string{q.Country, "all"} {
			if tallies[q.Set][column] == nil {
				tallies[q.Set][column] = &tally{}
			}
			n := tallies[q.Set][column]
			n.asked++
			if right {
				n.geogate++
			}
			if len(q.Nominatim) > 0 && q.Hit(q.Nominatim[0]) {
				n.nominatim++
			}
		}
		if !right {
			got := "nothing"
			if ok {
				got = a.DisplayName
			}
			misses = append(misses, fmt.Sprintf("- %s\n  → %s\n", q, got))
		}
	}
	b.printRecall(tallies, misses)
	return nil
}

func (b *bench) printRecall(tallies map[string]map[string]*tally, misses []string) {
	fmt.Fprint(b.out, "### Right first answers\n\nIn per cent, geogate / Nominatim 5.3 on the same data.\n\n| set | questions |")
	columns := slices.Concat(recall.Countries, []string{"all"})
	for _, column := range columns {
		name := recall.Extracts[column]
		if name == "" {
			name = column
		}
		fmt.Fprintf(b.out, " %s |", name)
	}
	fmt.Fprint(b.out, "\n|---|---|", strings.Repeat("---|", len(columns)), "\n")
	for _, set := range recall.Sets {
		fmt.Fprintf(b.out, "| %s | %d |", set, tallies[set]["all"].asked)
		for _, column := range columns {
			n := tallies[set][column]
			if n == nil {
				n = &tally{}
			}
			fmt.Fprintf(b.out, " %s / %s |", share(n.geogate, n.asked), share(n.nominatim, n.asked))
		}
		fmt.Fprintln(b.out)
	}
	fmt.Fprintf(b.out, "\nAll %d misses, with the answer that came:\n\n%s\n", len(misses), strings.Join(misses, ""))
}

// speed asks all questions of the five files together, one after the other.
func (b *bench) speed(ctx context.Context) error {
	p, closeFiles, err := b.open("all", recall.Countries)
	if err != nil {
		return err
	}
	defer closeFiles()
	fmt.Fprintf(b.out, "### Speed\n\nAll five files as one upstream, one question at a time, with the answer rendered.\n\n%s", speedHead)
	if err := b.time(ctx, p, "five extracts", b.questions); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\nMemory of the process that asks, with all five open: %.0f MB.\n\n", mega(memory("/proc/self/status", "VmRSS:")))
	return nil
}

// large times questions on a file by itself.
func (b *bench) large(ctx context.Context, file, name string, questions []recall.Question) error {
	library, err := streets.OpenLibrary(filepath.Join(b.dir, file))
	if err != nil {
		return err //nolint:wrapcheck // says what it did
	}
	defer library.Close()
	return b.time(ctx, upstream.NewStreets(library, "large", "bench"), name, questions)
}

const speedHead = "| files | questions | p50 | p99 | longest | a second of processor |\n|---|---|---|---|---|---|\n"

// time prints a row for free text, structured questions and reverse each, and tells
// the log which were the slowest.
func (b *bench) time(ctx context.Context, p upstream.Provider, name string, questions []recall.Question) error {
	for _, kind := range []struct {
		name string
		of   func(recall.Question) bool
	}{
		{"free text", func(q recall.Question) bool { return q.Set != "structured" && q.Set != "reverse" }},
		{"structured", func(q recall.Question) bool { return q.Set == "structured" }},
		{"reverse", func(q recall.Question) bool { return q.Set == "reverse" }},
	} {
		var took []time.Duration
		best := map[string]time.Duration{}
		used := -processorTime()
		for range b.rounds {
			for _, q := range questions {
				if !kind.of(q) {
					continue
				}
				r, err := canonical(q)
				if err != nil {
					return err
				}
				began := time.Now()
				if _, err := p.Geocode(ctx, r); err != nil {
					return err //nolint:wrapcheck // says what it did
				}
				t := time.Since(began)
				took = append(took, t)
				if have, ok := best[q.Request]; !ok || t < have {
					best[q.Request] = t
				}
			}
		}
		used += processorTime()
		if len(took) == 0 {
			continue
		}
		b.tellSlowest(best)
		slices.Sort(took)
		at := func(share float64) string {
			return took[int(share*float64(len(took)-1))].Round(time.Microsecond).String()
		}
		fmt.Fprintf(b.out, "| %s | %d × %s | %s | %s | %s | %.0f |\n", name, len(took), kind.name, at(0.5), at(0.99), at(1),
			float64(len(took))/used.Seconds())
	}
	return nil
}

// tellSlowest writes the questions that take longest to the standard error, by the
// best of their times.
func (b *bench) tellSlowest(best map[string]time.Duration) {
	list := slices.SortedFunc(maps.Keys(best), func(x, y string) int { return cmp.Or(cmp.Compare(best[y], best[x]), cmp.Compare(x, y)) })
	for _, q := range list[:min(len(list), b.slowest)] {
		fmt.Fprintf(os.Stderr, "%8s %s\n", best[q].Round(time.Microsecond), q)
	}
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// memory is a line of a process's status in bytes, 0 where it is not known.
func memory(path, name string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kilo int64
		if value, ok := strings.CutPrefix(line, name); ok {
			if _, err := fmt.Sscanf(value, "%d", &kilo); err == nil {
				return kilo * 1024
			}
		}
	}
	return 0
}
