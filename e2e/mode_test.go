package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// awaitMode waits until a process knows the mode and its generation.
func (p *process) awaitMode(t *testing.T, mode string, generation int) {
	t.Helper()
	want := fmt.Sprintf(`"mode":%q,"generation":%d,`, mode, generation)
	eventually(t, patience, "the process knows the mode", func() error {
		a, err := p.do(t.Context(), http.MethodGet, "/admin/mode", "", "Authorization", "Bearer s3cret")
		if err == nil && !strings.Contains(string(a.Body), want) {
			err = errors.New(string(a.Body))
		}
		return err
	})
}

// An operator without a bill to spend has three processes and a bulk job ask nobody,
// by command, and has them go on.
func TestModeOfTheFleet(t *testing.T) {
	t.Parallel()
	geocoder := upstreamtest.New(t)
	geocoder.SetAnswer(onePlace)
	redis := redistest.Start(t)
	vars := settings("REDIS_URL", "redis://"+redis.Addr, "UPSTREAMS", "nominatim+"+geocoder.URL, "ADMIN_TOKEN", "s3cret", "WORKERS", "1")
	mode := func(want string, args ...string) {
		t.Helper()
		if code, stdout, stderr := execute(t, vars, append([]string{"mode"}, args...)...); code != 0 || !strings.HasPrefix(stdout, want) {
			t.Fatalf("geogate mode %q = %d %s%s, want %s", args, code, stdout, stderr, want)
		}
	}
	var processes []*process
	for range 3 {
		processes = append(processes, start(t, vars))
	}
	mode("normal, generation 0")
	processes[0].get(t, "/search?q=vaduz&format=jsonv2")

	mode("cached_only, generation 1, set by ", "cached_only", "--reason", "the bill is spent")
	for _, p := range processes {
		p.awaitMode(t, "cached_only", 1)
	}
	eventually(t, patience, "doctor tells of three processes", func() error { // one that stood still comes back
		if code, stdout, stderr := execute(t, vars, "doctor"); !strings.Contains(stdout, "3 running, mode cached_only: the bill is spent") {
			return fmt.Errorf("geogate doctor = %d %s%s", code, stdout, stderr)
		}
		return nil
	})
	geocoder.Reset()
	job := processes[0].upload(t, "address\nRow 1\nRow 2\nRow 3\n")
	for i, p := range processes {
		p.awaitHit(t, "/search?q=vaduz&format=jsonv2")
		if a := p.get(t, fmt.Sprintf("/api?q=place+%d", i)); a.Status != http.StatusServiceUnavailable || !strings.Contains(string(a.Body), `"cached_only"`) {
			t.Errorf("process %d: what is not = %v, want 503 cached_only", i, a)
		}
	}

	type member struct{ Name, Address, Status, Version string }
	listed := func() (list struct{ Members []member }) {
		return decode[struct{ Members []member }](t, processes[0].send(t, http.MethodGet, "/admin/fleet", "", "Authorization", "Bearer s3cret"), http.StatusOK)
	}
	for _, m := range listed().Members {
		if m.Status != "alive" || m.Version == "" || !strings.Contains(m.Address, ":") {
			t.Errorf("a member is %+v", m)
		}
	}
	if n := len(listed().Members); n != 3 {
		t.Errorf("%d members, want 3", n)
	}

	// Whoever starts now knows it before they are ready.
	late := start(t, vars)
	if a := late.get(t, "/api?q=late"); a.Status != http.StatusServiceUnavailable {
		t.Errorf("a process that starts now = %v, want 503", a)
	}
	code, stdout, _ := execute(t, vars, "mode", "normal", "--if-generation", "0")
	if code == 0 {
		t.Errorf("geogate mode normal --if-generation 0 = %d %s, want a conflict", code, stdout)
	}
	if now := decode[bulkJob](t, late.get(t, "/v2/jobs/"+job.JobID), http.StatusOK); now.Done != 0 || now.Failed != 0 || now.State == "finished" {
		t.Errorf("the job went on: %+v", now)
	}
	if n := geocoder.Calls(); n != 0 {
		t.Errorf("%d requests reached the geocoder", n)
	}

	mode("normal, generation 2", "normal", "--server", late.URL)
	if got := late.awaitJob(t, job.JobID, time.Minute); got.Found != 3 || got.State != "finished" {
		t.Errorf("the job ended as %+v, want 3 found", got)
	}
	mode("normal, generation 2")
}
