package jobs_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"geogate/internal/asynctest"
	"geogate/internal/bulk"
	"geogate/upstream/upstreamtest"
)

// cachedRows is how many addresses are in the cache for these measurements.
const cachedRows = 2000

// fillCache puts the rows' answers in the cache, by a job.
func fillCache(tb testing.TB, j *jobsFixture) (file string) {
	tb.Helper()
	j.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json", Body: vaduzList})
	var b strings.Builder
	b.WriteString("id,address\n")
	for i := range cachedRows {
		fmt.Fprintf(&b, "%d,Landstrasse %d\n", i, i)
	}
	j.finished(tb, j.upload(tb, "/v2/jobs", "text/csv", b.String()))
	return b.String()
}

// vaduzList is an answer of the usual length.
const vaduzList = `[{"place_id":112233,"licence":"Data © OpenStreetMap contributors, ODbL 1.0. http://osm.org/copyright","osm_type":"relation","osm_id":1155956,` +
	`"lat":"47.1392862","lon":"9.5227962","class":"boundary","type":"administrative","place_rank":16,"importance":0.5737,"addresstype":"town","name":"Vaduz",` +
	`"display_name":"Vaduz, Oberland, 9490, Liechtenstein","boundingbox":["47.0862","47.1712","9.5012","9.6072"]}]`

// singles asks for n cached rows one after the other, as a script would: one
// connection, one request a row.
func singles(tb testing.TB, j *jobsFixture, n int) {
	tb.Helper()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	for i := range n {
		target := j.URL + "/search?format=json&limit=1&q=" + url.QueryEscape(fmt.Sprintf("Landstrasse %d", i%cachedRows))
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, target, nil)
		if err != nil {
			tb.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.Header.Get("X-Cache") != "HIT" {
			tb.Fatalf("%v %v", res.Header, err)
		}
		_ = res.Body.Close()
	}
}

// jobOf takes a file in, waits for its job, and reads the result: everything
// that a client of a job waits for.
func jobOf(tb testing.TB, j *jobsFixture, file io.Reader) bulk.Job {
	tb.Helper()
	ctx := context.Background()
	job, err := j.master.Create(ctx, bulk.Upload{Body: file, Format: bulk.CSV})
	for err == nil && !job.State.Ended() {
		job, err = j.master.Wait(ctx, job.ID, job.Version)
	}
	if err != nil {
		tb.Fatal(err)
	}
	result, err := j.master.Result(ctx, job.ID, bulk.Rendering{Format: bulk.CSV})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, bufio.NewReader(result)); err != nil {
		tb.Fatal(err)
	}
	if err := j.master.Delete(ctx, job.ID); err != nil {
		tb.Fatal(err)
	}
	return job
}

// repeated is the cached file several times over, with one header.
func repeated(file string, times int) io.Reader {
	header, rows, _ := strings.Cut(file, "\n")
	readers := []io.Reader{strings.NewReader(header + "\n")}
	for range times {
		readers = append(readers, strings.NewReader(rows))
	}
	return io.MultiReader(readers...)
}

// BenchmarkCachedRows compares rows of a job with single requests through the
// same gateway, on one core. Run it with -cpu 1.
func BenchmarkCachedRows(b *testing.B) {
	j := newJobsFixture(b, bulk.Config{})
	asynctest.Background(b, j.worker.Run)
	file := fillCache(b, j)
	b.Run("job", func(b *testing.B) {
		times := b.N/cachedRows + 1
		b.ResetTimer()
		jobOf(b, j, repeated(file, times))
		b.ReportMetric(float64(times*cachedRows)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("single requests", func(b *testing.B) {
		singles(b, j, b.N)
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}

// A job is at least five times as fast on cached rows as single requests on
// the same core. The best of three tries counts: this machine has other work.
func TestCachedRowsAreFast(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector slows the two ways down unequally")
	}
	j := newJobsFixture(t, bulk.Config{})
	asynctest.Background(t, j.worker.Run)
	file := fillCache(t, j)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const requests, times = 4000, 25
	best := 0.0
	for range 3 {
		began := time.Now()
		singles(t, j, requests)
		single := requests / time.Since(began).Seconds()
		began = time.Now()
		if job := jobOf(t, j, repeated(file, times)); job.CacheHits != times*cachedRows {
			t.Fatalf("job %+v, want all rows from the cache", job)
		}
		rows := times * cachedRows / time.Since(began).Seconds()
		t.Logf("%.0f rows/s in a job, %.0f by single requests: %.1f times", rows, single, rows/single)
		best = max(best, rows/single)
	}
	if best < 5 {
		t.Errorf("a job is %.1f times as fast as single requests, want 5 times", best)
	}
}
