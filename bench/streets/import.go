package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// imported is what an import cost.
type imported struct {
	extract, file int64 // bytes
	peak          int64 // bytes of memory
	took          time.Duration
	processor     time.Duration
}

const importHead = "| extract | MB | time | processor | MB/s of processor | memory | file | file / extract |\n|---|---|---|---|---|---|---|---|\n"

func (i imported) row(name string) string {
	return fmt.Sprintf("| %s | %.1f | %.2f s | %.2f s | %.1f | %.0f MB | %.1f MB | %.2f |\n", name, mega(i.extract), i.took.Seconds(),
		i.processor.Seconds(), mega(i.extract)/i.processor.Seconds(), mega(i.peak), mega(i.file), float64(i.file)/float64(i.extract))
}

func mega(bytes int64) float64 { return float64(bytes) / 1e6 }

// importOne runs geogate import on one core.
func (b *bench) importOne(ctx context.Context, out, extract string) (done imported, err error) {
	cmd := exec.CommandContext(ctx, b.geogate, "import", "-o", out, extract)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return done, fmt.Errorf("import %s: %w", extract, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	done.peak, err = peakUntil(ended, cmd.Process.Pid)
	if err != nil {
		return done, fmt.Errorf("import %s: %w", extract, err)
	}
	done.took = time.Since(began)
	done.processor = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	for path, size := range map[string]*int64{extract: &done.extract, out: &done.file} {
		info, err := os.Stat(path)
		if err != nil {
			return done, fmt.Errorf("import %s: %w", extract, err)
		}
		*size = info.Size()
	}
	return done, nil
}

// peakUntil is the most memory that a process had until it ended. What the
// kernel says of ended processes includes the memory of whoever started them.
func peakUntil(ended <-chan error, pid int) (peak int64, err error) {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			return peak, err
		case <-look.C:
			peak = max(peak, memory(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:"))
		}
	}
}
