package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"geogate/bench/machine"
)

// book is what the clients saw since the last line of the table. It is safe for
// concurrent use.
type book struct {
	mu     sync.Mutex
	counts map[string]int // by X-Cache, and purges
	took   []time.Duration
}

func (b *book) note(what string, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts[what]++
	b.took = append(b.took, took)
}

// turn returns the cells of the table, and begins anew.
func (b *book) turn() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.Sort(b.took)
	at := func(share float64) string {
		if len(b.took) == 0 {
			return "–"
		}
		return fmt.Sprintf("%.1f ms", b.took[int(share*float64(len(b.took)-1))].Seconds()*1000)
	}
	line := fmt.Sprintf("%d | %d | %d | %s | %s | %s", b.counts["HIT"], b.counts["MISS"], b.counts["purge"], at(0.5), at(0.99), at(1))
	clear(b.counts)
	b.took = b.took[:0]
	return line
}

// watch returns the most that the process holds within so long, in bytes.
func (g *gate) watch(ctx context.Context, d time.Duration) (peak int) {
	over := time.NewTimer(d)
	defer over.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		peak = max(peak, machine.Resident(g.cmd.Process.Pid))
		select {
		case <-ctx.Done():
			return peak
		case <-over.C:
			return peak
		case <-tick.C:
		}
	}
}

// growth is how much more than in the first third the last third may hold.
const growth = 1.02

// flat reports memory that grows.
func flat(peaks []int) error {
	third := len(peaks) / 3
	if third == 0 {
		return nil
	}
	first, last := slices.Max(peaks[:third]), slices.Max(peaks[len(peaks)-third:])
	if float64(last) > growth*float64(first) {
		return fmt.Errorf("memory grew from %d to %d MB", first/1_000_000, last/1_000_000)
	}
	return nil
}

// stops are the times for which the garbage collector stopped a process, from what it
// writes with GODEBUG=gctrace=1. It is an io.Writer for its standard error, and safe
// for concurrent use.
type stops struct {
	mu   sync.Mutex
	rest string // of a line
	took []float64
	more strings.Builder // what is no such line
}

// Each collection stops the program twice; between the two are the milliseconds beside
// which it runs on.
var stopped = regexp.MustCompile(`^gc \d+ @.*: ([\d.]+)\+[\d.]+\+([\d.]+) ms clock`)

func (s *stops) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest += string(p)
	for {
		line, rest, whole := strings.Cut(s.rest, "\n")
		if !whole {
			return len(p), nil
		}
		s.rest = rest
		m := stopped.FindStringSubmatch(line)
		if m == nil {
			fmt.Fprintln(&s.more, line)
			continue
		}
		for _, text := range m[1:] {
			ms, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return 0, fmt.Errorf("read %q: %w", line, err)
			}
			s.took = append(s.took, ms)
		}
	}
}

// begin forgets all stops so far.
func (s *stops) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = nil
}

// longest is what no stop may exceed, in milliseconds.
const longest = 5.0

// String is their histogram.
func (s *stops) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	b.WriteString("| stops of the program by the garbage collector | number |\n|---|---|\n")
	from := 0.0
	for _, to := range []float64{0.05, 0.1, 0.25, 0.5, 1, 2, longest, 10, 100, 1000} {
		n := 0
		for _, ms := range s.took {
			if from < ms && ms <= to || ms == 0 && from == 0 {
				n++
			}
		}
		if n > 0 || to <= longest {
			fmt.Fprintf(&b, "| above %g, up to %g ms | %d |\n", from, to, n)
		}
		from = to
	}
	if len(s.took) > 0 {
		fmt.Fprintf(&b, "\nThe longest of %d took %.2f ms.\n", len(s.took), slices.Max(s.took))
	}
	return b.String() + s.more.String()
}

func (s *stops) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.took) == 0 {
		return errors.New("no collection was seen")
	}
	if most := slices.Max(s.took); most > longest {
		return fmt.Errorf("the garbage collector stopped the program for %.1f ms, want %g at most", most, longest)
	}
	return nil
}

// container is a control group of Linux with a limit of memory, of version 1 or 2.
type container struct {
	dir    string
	killed string // file and field that count processes ended for want of memory
}

func newContainer(limit int) (*container, error) {
	c, file := &container{dir: "/sys/fs/cgroup/geogate-endurance", killed: "memory.events"}, "memory.max"
	if _, err := os.Stat("/sys/fs/cgroup/memory/memory.limit_in_bytes"); err == nil {
		c, file = &container{dir: "/sys/fs/cgroup/memory/geogate-endurance", killed: "memory.oom_control"}, "memory.limit_in_bytes"
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a control group: %w", err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, file), []byte(strconv.Itoa(limit)), 0o600); err != nil {
		return nil, fmt.Errorf("limit memory: %w", err)
	}
	return c, nil
}

// command is a program that finds itself in the container, and on core 0, when it starts.
func (c *container) command(ctx context.Context, program string) *exec.Cmd {
	return exec.CommandContext(ctx, "sh", "-c", `echo $$ > "$0" && exec taskset -c 0 "$1"`, filepath.Join(c.dir, "cgroup.procs"), program)
}

// check reports that the system ended a process of the container.
func (c *container) check() error {
	text, err := os.ReadFile(filepath.Join(c.dir, c.killed))
	if err != nil {
		return fmt.Errorf("read the control group: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if name, n, _ := strings.Cut(strings.TrimSpace(line), " "); name == "oom_kill" && n != "0" {
			return errors.New("the container had too little memory")
		}
	}
	return nil
}

func (c *container) remove() { _ = os.Remove(c.dir) }
