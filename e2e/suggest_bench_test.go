package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"geogate/bench/machine"
)

// BenchmarkSuggestAtRate asks a geogate on one core for suggestions of the built-in
// places, 5,000 times a second, from the other core. Every request is due at its time,
// whatever became of those before, and counts from then: the latencies are those that
// people wait. Run it with -benchtime 50000x.
func BenchmarkSuggestAtRate(b *testing.B) {
	const rate = 5000
	if runtime.NumCPU() < 2 {
		b.Skip("needs two cores: one for the server alone")
	}
	g := start(b, settings("UPSTREAMS", "gazetteer"))
	pin(b, g.cmd.Process.Pid, "0")
	pin(b, os.Getpid(), "1")
	b.Cleanup(func() { pin(b, os.Getpid(), fmt.Sprintf("0-%d", runtime.NumCPU()-1)) })
	prefixes := typedPrefixes()
	for _, load := range []struct {
		name string
		path func(i int) string
	}{
		// As a page asks that knows where its reader is: no answer is cached.
		{"elsewhere", func(i int) string {
			return fmt.Sprintf("/suggest?q=%s&lat=%.2f&lon=%.2f", prefixes[i%len(prefixes)], -55+rand.Float64()*120, -180+rand.Float64()*360)
		}},
		// The same beginnings again and again: nearly all are.
		{"again", func(i int) string { return "/suggest?q=" + prefixes[i%len(prefixes)] }},
	} {
		b.Run(load.name, func(b *testing.B) {
			before, err := machine.ProcessorTime(g.cmd.Process.Pid)
			if err != nil {
				b.Fatal(err)
			}
			took := sendAtRate(b, g, rate, load.path)
			after, err := machine.ProcessorTime(g.cmd.Process.Pid)
			if err != nil {
				b.Fatal(err)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64((after-before).Microseconds())/float64(b.N), "server-µs/op")
		})
	}
}

// sendAtRate sends b.N requests, rate in a second, and returns how long after it was due
// each was answered.
func sendAtRate(b *testing.B, g *process, rate int, path func(i int) string) []time.Duration {
	b.Helper()
	const senders = 64
	paths := make([]string, b.N)
	for i := range paths {
		paths[i] = path(i)
	}
	took, due := make([]time.Duration, b.N), make(chan int, b.N)
	failed := make(chan error, senders)
	var all sync.WaitGroup
	b.ResetTimer()
	began := time.Now()
	dueAt := func(i int) time.Time { return began.Add(time.Duration(i) * time.Second / time.Duration(rate)) }
	for range senders {
		all.Go(func() {
			for i := range due {
				res, err := g.client.Get(g.URL + paths[i])
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
				if err == nil && res.StatusCode != http.StatusOK {
					err = fmt.Errorf("%s answers %s", paths[i], res.Status)
				}
				if err != nil {
					failed <- err
					return
				}
				took[i] = time.Since(dueAt(i))
			}
		})
	}
	// Go's own timers may be a millisecond late where nothing else happens.
	runtime.LockOSThread()
	for i := range b.N {
		if wait := time.Until(dueAt(i)); wait > 0 {
			pause := syscall.NsecToTimespec(wait.Nanoseconds())
			_ = syscall.Nanosleep(&pause, nil) // a little early after a signal
		}
		due <- i
	}
	runtime.UnlockOSThread()
	close(due)
	all.Wait()
	b.StopTimer()
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
	return took
}

// pin keeps all threads of a process on some cores.
func pin(b *testing.B, pid int, cores string) {
	b.Helper()
	if out, err := exec.Command("taskset", "-a", "-p", "-c", cores, strconv.Itoa(pid)).CombinedOutput(); err != nil {
		b.Fatalf("taskset: %v\n%s", err, out)
	}
}

// typedPrefixes are beginnings of names as people type them.
func typedPrefixes() []string {
	var prefixes []string
	for _, first := range []string{"s", "ber", "lon", "par", "new ", "san ", "zür", "mos", "del", "tok", "rio ", "st ", "vad", "мос", "北"} {
		for _, second := range "abcdefghijklmnopqrstuvwxyz" {
			for _, third := range " aeioudlnrst" {
				prefixes = append(prefixes, url.QueryEscape(first+string(second)+string(third)))
			}
		}
	}
	return prefixes
}
