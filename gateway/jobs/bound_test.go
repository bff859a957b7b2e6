package jobs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"geogate/gateway/exchange"
	"geogate/internal/asynctest"
	"geogate/internal/bulk"
)

// from is a client at an address of this machine.
func from(t *testing.T, address string) *http.Client {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// do sends a request and returns its answer with at most so many bytes of its body.
func do(t *testing.T, c *http.Client, method, target string, body io.Reader) (status int, code string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/csv")
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var p exchange.Problem
	if err := jsonOf(res.Body, &p); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, p.Code
}

// trickle begins an upload that never ends and returns once it is under way.
func (j *jobsFixture) trickle(t *testing.T, address string) net.Conn {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	conn, err := dialer.DialContext(t.Context(), "tcp", j.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	// The server says 100 when the handler begins to read, which is when the place is taken.
	fmt.Fprint(conn, "POST /v2/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	return conn
}

// Eight such uploads of one client kept everybody else out.
func TestTrickledUploadsKeepNobodyElseOut(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	var refused int
	var held []net.Conn
	for range 8 {
		conn := j.trickle(t, "127.0.0.1")
		line, err := bufio.NewReader(conn).ReadString('\n')
		switch {
		case err != nil:
			t.Fatal(err)
		case strings.Contains(line, "100"):
			held = append(held, conn)
		case strings.Contains(line, "429"):
			refused++
		default:
			t.Errorf("answer %q", line)
		}
	}
	if len(held) != 2 || refused != 6 {
		t.Errorf("%d uploads of one client under way and %d refused, want 2 and 6", len(held), refused)
	}
	if status, code := do(t, from(t, "127.0.0.1"), http.MethodPost, j.URL+"/v2/jobs", strings.NewReader(threeTowns)); status != 429 || code != "too_many_uploads" {
		t.Errorf("a third upload = %d %s, want 429 too_many_uploads", status, code)
	}
	if status, _ := do(t, from(t, "127.0.0.2"), http.MethodPost, j.URL+"/v2/jobs", strings.NewReader(threeTowns)); status != 202 {
		t.Errorf("an upload of somebody else = %d, want 202", status)
	}
	for _, conn := range held {
		_ = conn.Close()
	}
	until(t, "the places are given back", func() error {
		if status, code := do(t, from(t, "127.0.0.1"), http.MethodPost, j.URL+"/v2/jobs", strings.NewReader(threeTowns)); status != 202 {
			return fmt.Errorf("%d %s", status, code)
		}
		return nil
	})
}

func TestUploadsInAllAreBounded(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	for i := range 8 {
		conn := j.trickle(t, fmt.Sprintf("127.0.0.%d", 10+i/2))
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
			t.Fatalf("upload %d: %q, %v", i, line, err)
		}
	}
	if status, code := do(t, from(t, "127.0.0.9"), http.MethodPost, j.URL+"/v2/jobs", strings.NewReader(threeTowns)); status != 503 || code != "too_many_uploads" {
		t.Errorf("a ninth upload = %d %s, want 503 too_many_uploads", status, code)
	}
}

// Fifty of them held 2.5 GB.
func TestDownloadsThatNobodyReads(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	asynctest.Background(t, j.worker.Run)
	var names strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&names, ",%050d", i)
	}
	id := j.upload(t, "/v2/jobs?header=1", "text/csv", names.String()[1:]+"\n"+strings.Repeat(",x\n"+strings.Repeat(",", 999)+"\n", 700))
	j.finished(t, id)

	before := heap()
	taken, refused := 0, map[int]int{}
	for i := range 50 {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(fmt.Sprintf("127.0.0.%d", 1+i%10))}}
		conn, err := dialer.DialContext(t.Context(), "tcp", j.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET /v2/jobs/%s/result?format=geojson HTTP/1.1\r\nHost: x\r\n\r\n", id)
		res, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), nil) //nolint:bodyclose // that is the point
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == http.StatusOK {
			taken++
		} else {
			refused[res.StatusCode]++
		}
	}
	grown := heap() - before
	t.Logf("%d downloads hold %d MiB; refused %v", taken, grown>>20, refused)
	if taken != 16 || refused[503] != 34 || grown > 64<<20 {
		t.Errorf("%d downloads hold %d MiB, refused %v, want 16 with 64 MiB at most", taken, grown>>20, refused)
	}
	if status, code := do(t, from(t, "127.0.0.1"), http.MethodGet, j.URL+"/v2/jobs/"+id+"/result", nil); status != 503 || code != "too_many_downloads" {
		t.Errorf("another download = %d %s, want 503 too_many_downloads", status, code)
	}
}

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestJobsOfOneClientAreCapped(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{MaxClientJobs: 2, MaxJobs: 3})
	post := func(address string) (int, string) {
		return do(t, from(t, address), http.MethodPost, j.URL+"/v2/jobs", strings.NewReader(threeTowns))
	}
	for i, want := range []string{"202 ", "202 ", "429 too_many_jobs"} {
		if status, code := post("127.0.0.1"); fmt.Sprint(status, " ", code) != want {
			t.Errorf("job %d of a client = %d %s, want %s", i+1, status, code, want)
		}
	}
	for i, want := range []string{"202 ", "503 jobs_full"} {
		if status, code := post("127.0.0.2"); fmt.Sprint(status, " ", code) != want {
			t.Errorf("job %d of another = %d %s, want %s", i+1, status, code, want)
		}
	}
}

// until waits until condition returns nil.
func until(t *testing.T, what string, condition func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(errors.Join(fmt.Errorf("waiting until %s", what), err))
		}
	}
}

func jsonOf(r io.Reader, into any) error {
	text, err := io.ReadAll(r)
	if err != nil || len(text) == 0 || text[0] != '{' {
		return err
	}
	return json.Unmarshal(text, into)
}
