package e2e

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

var soak = flag.Bool("soak", false, "run the tests of bulk jobs and of matching by time at full size: minutes instead of seconds")

// bulkJob is a job as the server tells of it.
type bulkJob struct {
	JobID     string `json:"job_id"`
	State     string `json:"state"`
	Rows      int    `json:"rows"`
	Done      int    `json:"done"`
	Found     int    `json:"found"`
	Empty     int    `json:"empty"`
	Invalid   int    `json:"invalid"`
	Failed    int    `json:"failed"`
	CacheHits int    `json:"cache_hits"`
}

func (p *process) upload(tb testing.TB, body string) bulkJob {
	tb.Helper()
	return decode[bulkJob](tb, p.post(tb, "/v2/jobs", body, "Content-Type", "text/csv"), http.StatusAccepted)
}

// awaitJob waits for the end of a job.
func (p *process) awaitJob(tb testing.TB, id string, within time.Duration) bulkJob {
	tb.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); {
		if job := decode[bulkJob](tb, p.get(tb, "/v2/jobs/"+id+"?wait=5s"), http.StatusOK); job.State == "finished" || job.State == "failed" {
			return job
		}
	}
	tb.Fatalf("job %s does not end", id)
	return bulkJob{}
}

// onePlace is the stand-in's answer to every question, but for those about
// nowhere.
var onePlace = &upstreamtest.Fixed{
	ContentType: "application/json; charset=utf-8",
	Body:        `[{"place_id":1,"lat":"47.1392862","lon":"9.5227962","display_name":"Vaduz, Liechtenstein","class":"place","type":"town","importance":0.57}]`,
}

// addresses is a file of n rows, of which 5 % are malformed and 30 % of the
// others repeat an address. distinct is the number of addresses in it.
func addresses(n int) (file string, distinct int) {
	var b strings.Builder
	b.WriteString("id,address\n")
	seen := 0
	for i := range n {
		switch {
		case i%20 == 13:
			fmt.Fprintf(&b, "%d,Street %d,one too many\n", i, i)
		case i%10 < 3 && seen > 0:
			fmt.Fprintf(&b, "%d,  STREET   %d \n", i, (i*7919)%seen)
		default:
			fmt.Fprintf(&b, "%d,Street %d\n", i, seen)
			seen++
		}
	}
	return b.String(), seen
}

// worker is a process that works on jobs and does nothing else.
type worker struct {
	cmd    *exec.Cmd
	log    *transcript
	exited chan struct{}
}

func startWorker(tb testing.TB, vars env) *worker {
	tb.Helper()
	w := &worker{cmd: exec.Command(binary, "worker", "--workers", "2"), log: &transcript{}, exited: make(chan struct{})}
	w.cmd.Env = vars.list()
	w.cmd.Stderr = w.log
	w.cmd.SysProcAttr = dieWithParent()
	if err := w.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() { _ = w.cmd.Wait(); close(w.exited) }()
	tb.Cleanup(func() {
		w.end(os.Kill)
		if tb.Failed() {
			tb.Logf("a worker's log:\n%s", tail(w.log.String(), 20))
		}
	})
	return w
}

func (w *worker) end(sig os.Signal) {
	_ = w.cmd.Process.Signal(sig)
	<-w.exited
}

// TestWorkersKilled shares a job among worker processes of which one is killed
// again and again. Every row is in the result once and in order, and the
// geocoder was asked once for each address, but for what the killed had in
// hand.
func TestWorkersKilled(t *testing.T) {
	rows, killEvery, delay := 3000, 400*time.Millisecond, 2*time.Millisecond
	if *soak {
		rows, killEvery, delay = 100_000, 5*time.Second, 3*time.Millisecond
	} else {
		t.Parallel()
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	upstream := upstreamtest.New(t)
	upstream.SetAnswer(onePlace)
	upstream.SetDelay(delay)
	vars := settings("UPSTREAMS", "nominatim+"+upstream.URL, "REDIS_URL", "redis://"+redistest.Start(t).Addr, "WORKERS", "0")
	g := start(t, vars)
	file, distinct := addresses(rows)
	began := time.Now()
	job := g.upload(t, file)
	crew := []*worker{startWorker(t, vars), startWorker(t, vars), startWorker(t, vars)}

	kills := 0
	for tick := time.NewTicker(killEvery); ; {
		now := decode[bulkJob](t, g.get(t, "/v2/jobs/"+job.JobID+"?wait="+min(killEvery, time.Second).String()), http.StatusOK)
		if now.State == "finished" {
			tick.Stop()
			break
		}
		if now.State == "failed" || time.Since(began) > 30*time.Minute {
			t.Fatalf("job %+v", now)
		}
		select {
		case <-tick.C:
			victim := random.IntN(len(crew))
			crew[victim].end(syscall.SIGKILL)
			crew[victim] = startWorker(t, vars)
			kills++
		default:
		}
	}
	took := time.Since(began)
	job = g.awaitJob(t, job.JobID, time.Minute)
	result := g.get(t, "/v2/jobs/"+job.JobID+"/result")
	list, err := csv.NewReader(bytes.NewReader(result.Body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != rows+1 || job.Done != rows || job.Failed != 0 || job.Invalid != rows/20 || job.Found != rows-rows/20 {
		t.Fatalf("%d lines, job %+v", len(list), job)
	}
	outcome := slices.Index(list[0], "outcome")
	for i, row := range list[1:] {
		want := "found"
		if i%20 == 13 {
			want = "invalid"
		}
		if row[0] != fmt.Sprint(i) || row[outcome] != want {
			t.Fatalf("row %d is %q, want outcome %s", i, row, want)
		}
	}
	if kills == 0 {
		t.Error("nobody was killed: the test shows nothing")
	}
	inHand := kills * 2 * 8 // chunks at a time, questions at a time
	calls := upstream.CallsFor("/search")
	t.Logf("%d rows in %s, %d kills, %d calls for %d addresses", rows, took.Round(time.Second), kills, calls, distinct)
	if calls < distinct || calls > distinct+inHand {
		t.Errorf("%d calls for %d addresses, want at most %d more", calls, distinct, inHand)
	}
}

func TestWorkerNeedsRedis(t *testing.T) {
	t.Parallel()
	code, _, stderr := execute(t, settings(), "worker")
	if code != 2 || !strings.Contains(stderr, "REDIS_URL") {
		t.Errorf("geogate worker without Redis: exit %d, %s", code, stderr)
	}
}

// TestWorkerStops gives its chunks back on SIGTERM and exits 0.
func TestWorkerStops(t *testing.T) {
	t.Parallel()
	upstream := upstreamtest.New(t)
	upstream.SetDelay(50 * time.Millisecond)
	redis := redistest.Start(t)
	rdb := redis.Client(t)
	vars := settings("UPSTREAMS", "nominatim+"+upstream.URL, "REDIS_URL", "redis://"+redis.Addr, "WORKERS", "0")
	g := start(t, vars)
	file, _ := addresses(400)
	job := g.upload(t, file)
	first := startWorker(t, vars)
	eventually(t, patience, "the job is under way", func() error {
		if upstream.Calls() < 20 {
			return errors.New("nobody asks")
		}
		return nil
	})
	first.end(syscall.SIGTERM)
	if code := first.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit %d after SIGTERM, want 0", code)
	}
	saved := decode[bulkJob](t, g.get(t, "/v2/jobs/"+job.JobID), http.StatusOK)
	if saved.Done < 20 {
		t.Errorf("%d rows were saved, want those that were asked", saved.Done)
	}
	for _, lease := range rdb.ZRangeWithScores(t.Context(), "geogate:job:{"+job.JobID+"}:leases", 0, -1).Val() {
		if at := time.UnixMilli(int64(lease.Score)); time.Until(at) > time.Second { // of ten, when it is taken
			t.Errorf("chunk %v is leased until %s: it was not given back", lease.Member, at)
		}
	}
	upstream.SetDelay(0)
	startWorker(t, vars)
	g.awaitJob(t, job.JobID, patience)
}

func writeFile(tb testing.TB, name, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// TestBulkFromATerminal does the same file in the process itself and on a
// server: the results differ in what came from the cache at most.
func TestBulkFromATerminal(t *testing.T) {
	t.Parallel()
	upstream := upstreamtest.New(t)
	upstream.SetAnswer(onePlace)
	vars := settings("UPSTREAMS", "nominatim+"+upstream.URL)
	g := start(t, vars)
	file, _ := addresses(600)
	in := writeFile(t, "addresses.csv", file)
	var results []string
	for _, extra := range [][]string{nil, {"--server", g.URL}} {
		out := filepath.Join(t.TempDir(), "out.csv")
		code, stdout, stderr := execute(t, vars, append([]string{"bulk", in, "-o", out, "--json"}, extra...)...)
		if code != 3 { // rows were invalid
			t.Fatalf("bulk %v: exit %d, want 3\n%s", extra, code, stderr)
		}
		lines := strings.Split(strings.TrimSpace(stdout), "\n")
		var end struct {
			Rows, Done, Found, Invalid int
			End                        bool
		}
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &end); err != nil || !end.End || end.Rows != 600 || end.Done != 600 || end.Invalid != 30 || end.Found != 570 {
			t.Errorf("bulk %v ends with %s, %v", extra, lines[len(lines)-1], err)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if left, _ := filepath.Glob(out + ".*"); len(left) > 0 {
			t.Errorf("bulk %v leaves %v", extra, left)
		}
		results = append(results, strings.ReplaceAll(string(text), ",true,", ",false,"))
	}
	if results[0] != results[1] {
		t.Error("the server's result is another one")
	}

	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"all found", []string{"bulk", writeFile(t, "a.csv", "address\nVaduz\n")}, 0, "address,lat,lon,display_name,type,importance,outcome,cache,provider,reason,licence\nVaduz,47.1392862,9.5227962,\"Vaduz, Liechtenstein\""},
		{"on the server", []string{"bulk", writeFile(t, "a.csv", "address\nVaduz\n"), "--server", g.URL}, 0, "address,lat,"},
		{"ndjson", []string{"bulk", writeFile(t, "a.ndjson", `{"q":"Vaduz"}`), "--format", "geojson"}, 0, `"coordinates":[9.5227962,47.1392862]`},
		{"unknown column", []string{"bulk", in, "--column", "ort"}, 2, "there are id, address"},
		{"unknown column on the server", []string{"bulk", in, "--column", "ort", "--server", g.URL}, 2, "there are id, address"},
		{"no such file", []string{"bulk", in + ".not"}, 1, "no such file"},
		{"geocode", []string{"geocode", "Vaduz"}, 0, "47.1392862,9.5227962\tVaduz, Liechtenstein\n"},
		{"geocode by server", []string{"geocode", "Vaduz", "--server", g.URL, "--json"}, 0, `"display_name":"Vaduz, Liechtenstein"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := execute(t, vars, tt.args...)
			if code != tt.code || !strings.Contains(stdout+stderr, tt.want) {
				t.Errorf("exit %d, want %d and %q:\n%s%s", code, tt.code, tt.want, stdout, stderr)
			}
		})
	}
	upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json", Body: `{"error":"Unable to geocode"}`})
	if code, stdout, stderr := execute(t, vars, "reverse", "--", "-1.5", "9.52"); code != 3 || !strings.Contains(stderr, "nothing found") {
		t.Errorf("reverse of nowhere: exit %d, %s%s", code, stdout, stderr)
	}
}

// TestBulkResumes interrupts the command, on a server and without one, and
// starts it again.
func TestBulkResumes(t *testing.T) {
	t.Parallel()
	for _, onServer := range []bool{false, true} {
		t.Run(fmt.Sprintf("server %v", onServer), func(t *testing.T) {
			t.Parallel()
			upstream := upstreamtest.New(t)
			upstream.SetAnswer(onePlace)
			upstream.SetDelay(200 * time.Millisecond) // so that all of it takes longer than a machine stands still
			vars := settings("UPSTREAMS", "nominatim+"+upstream.URL)
			const rows = 1500
			file, distinct := addresses(rows)
			out := filepath.Join(t.TempDir(), "out.csv")
			args := []string{"bulk", writeFile(t, "addresses.csv", file), "-o", out}
			if onServer {
				args = append(args, "--server", start(t, vars).URL)
			}
			for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
				cmd := exec.Command(binary, args...)
				cmd.Env, cmd.SysProcAttr = vars.list(), dieWithParent()
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				goal := upstream.Calls() + 50
				eventually(t, patience, "questions are asked", func() error {
					if upstream.Calls() < goal {
						return errors.New("too few")
					}
					return nil
				})
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait() // the code is in ProcessState
				if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "Run the same command again") {
					t.Errorf("exit %d, want 1\n%s", code, stderr.String())
				}
			}
			upstream.SetDelay(0)
			if code, _, stderr := execute(t, vars, args...); code != 3 {
				t.Fatalf("exit %d, want 3\n%s", code, stderr)
			}
			text, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			list, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
			if err != nil || len(list) != rows+1 {
				t.Fatalf("%d lines, %v", len(list), err)
			}
			for i, row := range list[1:] {
				if row[0] != fmt.Sprint(i) {
					t.Fatalf("line %d is %q", i, row)
				}
			}
			// Without a Redis to keep answers only the questions in hand, and
			// those of rows that repeat what an earlier run asked, come again.
			if most := cmp.Or(map[bool]int{true: distinct}[onServer], rows); upstream.CallsFor("/search") > most {
				t.Errorf("%d calls, want at most %d", upstream.CallsFor("/search"), most)
			}
		})
	}
}
