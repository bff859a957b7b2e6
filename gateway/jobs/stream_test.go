package jobs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"geogate/gateway/jobs"
	"geogate/internal/asynctest"
	"geogate/internal/bulk"
)

func TestJobEvents(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	read := func(id, last string) (events []jobs.Wire, names []string, status int) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.URL+"/v2/jobs/"+id+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		if last != "" {
			req.Header.Set("Last-Event-ID", last)
		}
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if name, found := strings.CutPrefix(lines.Text(), "event: "); found {
				names = append(names, name)
			}
			if data, found := strings.CutPrefix(lines.Text(), "data: "); found {
				var job jobs.Wire
				if err := json.Unmarshal([]byte(data), &job); err != nil {
					t.Fatal(err)
				}
				events = append(events, job)
			}
		}
		return events, names, res.StatusCode
	}

	deleted := j.upload(t, "/v2/jobs", "text/csv", threeTowns)
	req := j.Do(t, "GET /v2/jobs/"+deleted+"/events", "", "Last-Event-ID: x")
	if req.StatusCode != 400 {
		t.Errorf("Last-Event-ID x = %d, want 400", req.StatusCode)
	}
	go func() { _ = j.master.Delete(context.WithoutCancel(t.Context()), deleted) }()
	if _, names, status := read(deleted, ""); status == 200 && !slices.Equal(names, []string{"queued", "cancelled"}) {
		t.Errorf("events of a deleted job: %v", names)
	}

	id := j.upload(t, "/v2/jobs", "text/csv", threeTowns)
	asynctest.Background(t, j.worker.Run)
	events, names, _ := read(id, "")
	if last := events[len(events)-1]; names[len(names)-1] != "finished" || last.Done != 4 || last.State != bulk.Finished {
		t.Errorf("events %v, the last one %+v", names, last)
	}
	job, err := j.master.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, status := read(id, fmt.Sprint(job.Version)); status != 204 {
		t.Errorf("a client that saw the end gets %d, want 204", status)
	}
}
