package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// people asks for n places at an even pace, one in 200 of them new and the
// others cached, and returns the latencies in order, with those of the new ones
// apart.
func people(t *testing.T, g *process, phase string, n int, pace time.Duration) (all, misses []time.Duration) {
	t.Helper()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	type asked struct {
		took time.Duration
		miss bool
		err  error
	}
	answers := make(chan asked, n)
	for i := range n {
		<-tick.C
		path, miss := fmt.Sprintf("/api?q=Known+%d", i%20), i%200 == 199
		if miss {
			path = fmt.Sprintf("/api?q=New+%s+%d", phase, i)
		}
		go func() {
			a, err := g.do(t.Context(), http.MethodGet, path, "")
			if err == nil && a.Status != http.StatusOK {
				err = fmt.Errorf("%s answers %s", path, a)
			}
			answers <- asked{a.Took, miss, err}
		}()
	}
	for range n {
		a := <-answers
		if a.err != nil {
			t.Fatal(a.err)
		}
		all = append(all, a.took)
		if a.miss {
			misses = append(misses, a.took)
		}
	}
	slices.Sort(all)
	slices.Sort(misses)
	return all, misses
}

// TestPeopleBeforeJobs runs a job of 1,000 rows against a geocoder of one
// request a second while people ask. A person whose question is new waits for
// his turn, which is every other second while the job has the half that is its
// due, and not behind the job; one whose question is known notices nothing.
func TestPeopleBeforeJobs(t *testing.T) {
	n, pace := 0, 20*time.Millisecond // people at full size only: each known place takes its second
	if *soak {
		n = 3000
	} else {
		t.Parallel()
	}
	upstream := upstreamtest.New(t)
	upstream.SetAnswer(onePlace)
	g := start(t, settings("UPSTREAMS", "nominatim+"+upstream.URL+"#rate=1/s", "REDIS_URL", "redis://"+redistest.Start(t).Addr, "UPSTREAM_WAIT", "20s"))
	for i := range 20 {
		if n > 0 || i == 1 {
			g.get(t, fmt.Sprintf("/api?q=Known+%d", i))
		}
	}
	// The least of several windows counts: the machine has other work.
	p99 := func(phase string) time.Duration {
		least := time.Hour
		for window := range 3 {
			all, misses := people(t, g, fmt.Sprint(phase, window), n/3, pace)
			at := all[len(all)*99/100]
			t.Logf("%s: p99 %s, new places %s", phase, at, misses)
			least = min(least, at)
		}
		return least
	}
	var before time.Duration
	if n > 0 {
		before = p99("alone")
	}
	job := g.upload(t, "address\nRow "+strings.Join(numberedRows(1000), "\nRow "))
	asked := upstream.Calls()
	eventually(t, patience, "the job is under way", func() error {
		if upstream.Calls() < asked+2 {
			return errors.New("it asks for nothing")
		}
		return nil
	})
	for i := range 3 {
		if a := g.get(t, fmt.Sprintf("/api?q=Person+%d", i)); a.Status != http.StatusOK || a.Took > 10*time.Second {
			t.Errorf("a person's new place: %s after %s, want one of the next turns: behind the job it would be past UPSTREAM_WAIT", a, a.Took)
		}
		if a := g.get(t, "/api?q=Known+1"); a.Status != http.StatusOK || a.Header.Get("X-Cache") != "HIT" {
			t.Errorf("a known place: %s", a)
		}
	}
	if n > 0 {
		during := p99("beside")
		if during > before+before/10 && during > before+time.Millisecond {
			t.Errorf("p99 went from %s to %s, want 10 %% more at most", before, during)
		}
	}
	if now := decode[bulkJob](t, g.get(t, "/v2/jobs/"+job.JobID), http.StatusOK); now.State != "running" || now.Failed > 0 {
		t.Errorf("job %+v, want it still running", now)
	}
}

func numberedRows(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprint(i)
	}
	return rows
}

// TestMemoryOfUploads uploads 200 MB and 1 GiB to a process whose files lie
// elsewhere, and looks at its resident memory.
func TestMemoryOfUploads(t *testing.T) {
	size, refused := int64(20e6), int64(280<<20)
	if *soak {
		size, refused = 200e6, 1<<30
	} else {
		t.Parallel()
	}
	if raceEnabled {
		t.Skip("the race detector takes several times the memory")
	}
	g := start(t, settings("REDIS_URL", "redis://"+redistest.Start(t).Addr, "JOBS_MAX_ROWS", "10000000", "JOBS_MAX_TOTAL_BYTES", "1GiB", "JOBS_MAX_CLIENT_BYTES", "1GiB", "WORKERS", "0", "JOBS_STORE", "file://"+t.TempDir()))
	idle := g.resident(t, "VmRSS")
	send := func(n int64, announced bool) int {
		body := io.LimitReader(&endless{}, n)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+"/v2/jobs", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "text/csv")
		if announced {
			req.ContentLength = n
			req.Header.Set("Expect", "100-continue")
		}
		client := http.Client{Transport: &http.Transport{ExpectContinueTimeout: 10 * time.Second, DisableKeepAlives: true}}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		return res.StatusCode
	}
	if status := send(size, true); status != http.StatusAccepted {
		t.Errorf("%d bytes: %d, want 202", size, status)
	}
	for _, announced := range []bool{true, false} {
		if status := send(refused, announced); status != http.StatusRequestEntityTooLarge {
			t.Errorf("%d bytes, announced %v: %d, want 413", refused, announced, status)
		}
	}
	peak := g.resident(t, "VmHWM")
	t.Logf("resident %d MiB idle, %d MiB at most", idle>>20, peak>>20)
	if peak-idle > 64<<20 {
		t.Errorf("uploads took %d MiB more than when idle, want at most 64", (peak-idle)>>20)
	}
}

// resident reads a size of the process's memory in bytes from its status.
func (p *process) resident(t *testing.T, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Skip("only Linux tells the memory of a process in /proc")
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, name+":"); found {
			var kib int64
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("no %s in /proc", name)
	return 0
}

// endless is a CSV file without an end.
type endless struct {
	n   int
	buf []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n == 0 {
		e.buf = []byte("id,address,note\n")
	}
	for len(e.buf) < len(p) {
		e.n++
		e.buf = fmt.Appendf(e.buf, "%d,\"Landstrasse %d, %d Vaduz\",%x\n", e.n, e.n%997, 9000+e.n%1000, uint64(e.n)*0x9E3779B97F4A7C15)
	}
	n := copy(p, e.buf)
	e.buf = append(e.buf[:0], e.buf[n:]...)
	return n, nil
}
