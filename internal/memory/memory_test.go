package memory

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
)

const report = "GEOGATE_TEST_REPORT_MEMORY"

func TestMain(m *testing.M) {
	if os.Getenv(report) != "" {
		_, _ = os.Stdout.WriteString(strconv.FormatInt(Container(), 10))
		return
	}
	os.Exit(m.Run())
}

// TestMemory starts this program in a control group of its own.
func TestContainer(t *testing.T) {
	const limit = 512 << 20
	dir, file := "/sys/fs/cgroup", "memory.max"
	if _, err := os.Stat("/sys/fs/cgroup/memory/memory.limit_in_bytes"); err == nil {
		dir, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	}
	group := filepath.Join(dir, "geogate-test-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skipf("control groups can only be made as root of the machine: %v", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(group); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(group, file), []byte(strconv.Itoa(limit)), 0o600); err != nil {
		t.Skipf("this machine does not limit memory in control groups: %v", err)
	}
	for name, tt := range map[string]struct {
		group string
		want  func(int64) bool
	}{
		"in a container": {group, func(got int64) bool { return got == limit }},
		"elsewhere":      {dir, func(got int64) bool { return got > limit }},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$1"`, tt.group, os.Args[0])
			cmd.Env = append(os.Environ(), report+"=1")
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			got, err := strconv.ParseInt(string(out), 10, 64)
			if err != nil || !tt.want(got) {
				t.Errorf("Container() = %s, %v", out, err)
			}
		})
	}
}

func TestDemand(t *testing.T) {
	const mib = 1 << 20
	for name, tt := range map[string]struct {
		demand      Demand
		empty, most int64
	}{
		"defaults":         {Demand{Cache: 64 * mib}, 240 * mib, 240 * mib},
		"no cache":         {Demand{}, 176 * mib, 176 * mib},
		"more connections": {Demand{Cache: 64 * mib, Extra: 24 * mib}, 264 * mib, 264 * mib},
		"smaller cache":    {Demand{Cache: 32 * mib}, 208 * mib, 208 * mib},
		"larger cache":     {Demand{Cache: 128 * mib}, 240 * mib, (176 + 128 + 8) * mib},
		"large cache":      {Demand{Cache: 2112 * mib}, 240 * mib, (176 + 2112 + 256) * mib},
	} {
		if got := tt.demand.when(0); got != tt.empty {
			t.Errorf("%s, empty: %d MiB, want %d", name, got/mib, tt.empty/mib)
		}
		if got := tt.demand.Most(); got != tt.most {
			t.Errorf("%s, full: %d MiB, want %d", name, got/mib, tt.most/mib)
		}
	}
}

func TestAllowed(t *testing.T) {
	const mib = 1 << 20
	for container, want := range map[int64]int64{2048 * mib: 2016 * mib, 64 * mib: 32 * mib, 33 * mib: 33 * mib / 2, 16 * mib: 8 * mib} {
		if got := Allowed(container); got != want {
			t.Errorf("of %d MiB %d bytes, want %d", container/mib, got, want)
		}
	}
}

func TestTargetFollowsTheCache(t *testing.T) {
	const mib = 1 << 20
	var set []int64
	target := &Target{demand: Demand{Cache: 2000 * mib}, allowed: 1200 * mib, set: func(bytes int64) { set = append(set, bytes/mib) }}
	for _, held := range []int64{0, 1, 67, 1000, 1001, 2000, 1950, 500, 0} {
		target.move(held * mib)
	}
	// It is not moved for 3 MiB, nor beyond the container, and goes back again.
	if want := []int64{240, 1200, 730, 240}; !slices.Equal(set, want) {
		t.Errorf("targets %v MiB, want %v", set, want)
	}
}

func TestTargetLeavesGOMEMLIMITAlone(t *testing.T) {
	before := debug.SetMemoryLimit(1 << 40)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	target := Aim(Demand{})
	if target != nil {
		t.Error("Aim made a target")
	}
	target.Follow(t.Context(), nil) // returns
	if got := debug.SetMemoryLimit(-1); got != 1<<40 {
		t.Errorf("memory limit %d, want it as it was", got)
	}
}
