// Package machine is what the benchmarks know of the machine they run on: what it
// is, how busy it is, how much of it a process has used, and when a server is
// there.
package machine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Describe tells where and when a benchmark ran, and how busy the machine was with
// other things, as a Markdown list. Each of versions is a command whose first line
// of output is the version of something that was measured.
func Describe(ctx context.Context, versions ...[]string) string {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "- %s: %s\n", name, value) }
	said := []string{runtime.Version()}
	for _, command := range versions {
		said = append(said, firstLine(ctx, command...))
	}
	line("date", time.Now().UTC().Format(time.DateTime+" UTC"))
	line("command", "`"+filepath.Base(os.Args[0])+" "+strings.Join(os.Args[1:], " ")+"`")
	line("machine", fmt.Sprintf("%s, %d cores, Linux %s", processor(), runtime.NumCPU(), firstLine(ctx, "uname", "-r")))
	line("load average when it began (1, 5, 15 minutes)", LoadAverage())
	line("versions", strings.Join(said, "; "))
	return b.String()
}

func firstLine(ctx context.Context, command ...string) string {
	text, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return err.Error()
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return first
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// LoadAverage is that of the last 1, 5 and 15 minutes.
func LoadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], ", ")
}

// ProcessorTime is what a process and its children have used so far, in user and
// system mode (proc(5); a tick is 10 ms). It says what something costs on a machine
// that does other things as well.
func ProcessorTime(pid int) (time.Duration, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	id := strconv.Itoa(pid)
	var sum time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // has ended
		}
		// After the name in brackets, which can hold anything: state, parent, …
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if filepath.Base(filepath.Dir(file)) != id && fields[1] != id {
			continue
		}
		for _, ticks := range fields[11:13] {
			n, err := strconv.Atoi(ticks)
			if err != nil {
				return 0, fmt.Errorf("read processor time: %w", err)
			}
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum, nil
}

// Resident is what a process holds of the memory (VmRSS of proc(5)), in bytes; 0 when it
// has ended.
func Resident(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		kib := 0
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}
