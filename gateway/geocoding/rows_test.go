package geocoding_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"geogate/cache"
	"geogate/internal/asynctest"
	"geogate/upstream"
)

// A person who asks for what a job is queueing for does not queue behind the
// job.
func TestPeopleDoNotWaitForRows(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	geocoder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, strings.ToLower(r.URL.Query().Get("q")))
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write([]byte("[]"))
	}))
	t.Cleanup(geocoder.Close)
	g := over(t, "nominatim+"+geocoder.URL+"#rate=3/s").Geocoder
	look := func(lane upstream.Lane, q string) error {
		req, err := upstream.Canonical(upstream.Search, url.Values{"q": {q}}, "")
		if err == nil {
			_, err = g.Lookup(t.Context(), req, lane, cache.Directives{})
		}
		return err
	}
	const rows = 8 // calls of more than two seconds
	row := func(i int) string { return fmt.Sprint("landstrasse ", i) }
	var job sync.WaitGroup
	for i := range rows {
		job.Go(func() {
			if err := look(upstream.Bulk, row(i)); err != nil {
				t.Errorf("row %d: %v", i, err)
			}
		})
		asynctest.Eventually(t, "the row calls or queues", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(asked)+g.Chain().States()[0].Budget.Waiting > i
		})
	}
	if err := look(upstream.People, row(rows-1)); err != nil {
		t.Errorf("person: %v", err)
	}
	job.Wait()
	if n := slices.Index(asked, row(rows-1)); n < 0 || n == rows-1 {
		t.Errorf("the person's question was number %d of %q: the job came first", n, asked)
	}
}
