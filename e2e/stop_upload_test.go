package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestTerminationDuringUploads sends SIGTERM while two uploads are under way that
// begin with what made each line look ahead anew, 117 s a mebibyte, and then stand
// still. The process still stops in time, and well.
func TestTerminationDuringUploads(t *testing.T) {
	t.Parallel()
	g := start(t, settings())
	for range 2 {
		standing, end := io.Pipe()
		defer func() { _ = end.Close() }()
		go func() {
			for t.Context().Err() == nil {
				body := io.MultiReader(strings.NewReader(strings.Repeat("x\",\"a\n", 1<<20/6)), standing)
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+"/v2/jobs", body)
				if err != nil {
					return
				}
				req.Header.Set("Content-Type", "text/csv")
				res, err := newClient().Do(req)
				if err != nil {
					return
				}
				_ = res.Body.Close()
				if res.StatusCode != http.StatusTooManyRequests {
					return
				}
				// The third one below was sooner, and had its place.
			}
		}()
	}
	eventually(t, patience, "both uploads are under way", func() error {
		a, err := g.do(t.Context(), http.MethodPost, "/v2/jobs?preview=1", "address\nVaduz\n", "Content-Type", "text/csv")
		if err == nil && a.Status != http.StatusTooManyRequests {
			err = fmt.Errorf("a third one is answered %s", a)
		}
		return err
	})
	began := time.Now()
	g.terminate(t)
	g.awaitStopped(t)
	took := time.Since(began)
	t.Logf("stopped after %s", took)
	if took > 18*time.Second {
		t.Errorf("the process stopped after %s, want 10 s for its uploads and little more", took)
	}
}
