package geocoding_test

import (
	"fmt"
	"net/url"
	"sync"
	"testing"

	"geogate/cache"
	"geogate/gateway/gatewaytest"
	"geogate/internal/asynctest"
	"geogate/upstream"
)

// A person who asks for what a job is queueing for does not queue behind the
// job.
func TestPeopleDoNotWaitForRows(t *testing.T) {
	first := gatewaytest.New(t)
	first.UpstreamOptions = "&rate=4/s"
	f := first.Sibling(t)
	g := f.Geocoder
	look := func(lane upstream.Lane, q string) error {
		req, err := upstream.Canonical(upstream.Search, url.Values{"q": {q}}, "")
		if err == nil {
			_, err = g.Lookup(t.Context(), req, lane, cache.Directives{})
		}
		return err
	}
	const rows = 8 // two seconds of calls
	before := f.Upstream.Calls()
	var job sync.WaitGroup
	for i := range rows {
		job.Go(func() {
			if err := look(upstream.Bulk, fmt.Sprint("Landstrasse ", i)); err != nil {
				t.Errorf("row %d: %v", i, err)
			}
		})
		asynctest.Eventually(t, "the row calls or queues", func() bool {
			return f.Upstream.Calls()-before+g.Chain().States()[0].Budget.Waiting > i
		})
	}
	if err := look(upstream.People, fmt.Sprint("Landstrasse ", rows-1)); err != nil {
		t.Errorf("person: %v", err)
	}
	if n := f.Upstream.Calls() - before; n > rows/2 {
		t.Errorf("the person had the answer after %d calls, want the next but one: the job came first", n)
	}
	job.Wait()
}
