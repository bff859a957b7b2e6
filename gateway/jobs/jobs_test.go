package jobs_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/gateway/exchange"
	"geogate/gateway/gatewaytest"
	"geogate/gateway/jobs"
	"geogate/internal/asynctest"
	"geogate/internal/bulk"
	"geogate/upstream/upstreamtest"
)

// jobsFixture is a gateway that takes jobs, and where wanted a worker on them.
type jobsFixture struct {
	*gatewaytest.Fixture
	master *bulk.Master
	worker *bulk.Worker
}

func newJobsFixture(t testing.TB, cfg bulk.Config, options ...func(*gateway.Config)) *jobsFixture {
	t.Helper()
	first := gatewaytest.New(t)
	rdb := first.Redis.Client(t)
	store := bulk.NewRedisStore(rdb, "")
	bell := bulk.NewBell(bulk.RedisTransport(rdb, ""), zerolog.Nop())
	j := &jobsFixture{master: bulk.NewMaster(rdb, store, bell, cfg)}
	j.Fixture = first.Sibling(t, append(options, func(c *gateway.Config) { c.Jobs = j.master })...)
	j.worker = bulk.NewWorker(rdb, store, bell, gateway.RowPlan(j.Geocoder, nil), bulk.WorkerConfig{Judge: gateway.RowTrouble})
	asynctest.Background(t, bell.Run)
	return j
}

// upload makes a job and returns its id.
func (j *jobsFixture) upload(t testing.TB, target, contentType, body string) string {
	t.Helper()
	res := j.Do(t, "POST "+target, body, "Content-Type: "+contentType)
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("POST %s = %d %s", target, res.StatusCode, res.Text)
	}
	var job jobs.Created
	res.JSON(t, &job)
	if job.State != bulk.Queued || res.Header.Get("Location") != "/v2/jobs/"+job.JobID {
		t.Errorf("answer %s, Location %q", res.Text, res.Header.Get("Location"))
	}
	return job.JobID
}

func (j *jobsFixture) finished(t testing.TB, id string) jobs.Wire {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		var job jobs.Wire
		j.Do(t, "GET /v2/jobs/"+id+"?wait=5s", "").JSON(t, &job)
		if job.State.Ended() {
			return job
		}
	}
	t.Fatal("the job does not finish")
	return jobs.Wire{}
}

const threeTowns = "id,address\n1,Vaduz\n2,nowhere at all\n3,ragged,row\n4,VADUZ\n"

func TestJobByHTTP(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	j.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json", Body: `[{"place_id":1,"lat":"47.1","lon":"9.5","display_name":"=Vaduz, FL","class":"place","type":"city","importance":0.5,"licence":"© Us"}]`})
	id := j.upload(t, "/v2/jobs?limit=1", "text/csv", "id,address\n1,Vaduz\n3,ragged,row\n4,VADUZ\n")

	t.Run("unfinished", func(t *testing.T) {
		res := j.Do(t, "GET /v2/jobs/"+id+"/result", "")
		var p exchange.Problem
		res.JSON(t, &p)
		if res.StatusCode != 409 || p.Code != "job_unfinished" || p.State != "queued" {
			t.Errorf("result of a queued job = %d %s", res.StatusCode, res.Text)
		}
		res = j.Do(t, "GET /v2/jobs/"+id+"/result?partial=1", "")
		if want := "id,address,column_3,lat,lon,display_name,type,importance,outcome,cache,provider,reason,licence\n"; res.StatusCode != 200 || res.Text != want {
			t.Errorf("partial result = %d %q, want %q", res.StatusCode, res.Text, want)
		}
	})

	asynctest.Background(t, j.worker.Run)
	job := j.finished(t, id)
	if job.State != bulk.Finished || job.Rows != 3 || job.Done != 3 || job.Found != 2 || job.Invalid != 1 || job.CacheHits != 1 || job.ETA != nil || job.EndedAt == nil {
		t.Errorf("job %+v", job)
	}
	if n := j.Upstream.CallsFor("/search"); n != 1 {
		t.Errorf("the upstream was asked %d times, want once for one address", n)
	}

	tests := []struct {
		query, contentType, want string
	}{
		{"", "text/csv; charset=utf-8; header=present", `id,address,column_3,lat,lon,display_name,type,importance,outcome,cache,provider,reason,licence
1,Vaduz,,47.1,9.5,"=Vaduz, FL",city,0.5,found,false,recorded,,© Us
3,ragged,row,,,,,,invalid,false,,"the row has too few or too many cells, or a quote that is not closed",
4,VADUZ,,47.1,9.5,"=Vaduz, FL",city,0.5,found,true,recorded,,© Us
`},
		{"?format=csv&safe=1", "text/csv; charset=utf-8; header=present", `id,address,column_3,lat,lon,display_name,type,importance,outcome,cache,provider,reason,licence
1,Vaduz,,47.1,9.5,"'=Vaduz, FL",city,0.5,found,false,recorded,,© Us
3,ragged,row,,,,,,invalid,false,,"the row has too few or too many cells, or a quote that is not closed",
4,VADUZ,,47.1,9.5,"'=Vaduz, FL",city,0.5,found,true,recorded,,© Us
`},
		{"?format=excel", "text/csv; charset=utf-8; header=present", "\uFEFF" + `id,address,column_3,lat,lon,display_name,type,importance,outcome,cache,provider,reason,licence
1,Vaduz,,47.1,9.5,"'=Vaduz, FL",city,0.5,found,false,recorded,,© Us
3,ragged,row,,,,,,invalid,false,,"the row has too few or too many cells, or a quote that is not closed",
4,VADUZ,,47.1,9.5,"'=Vaduz, FL",city,0.5,found,true,recorded,,© Us
`},
		{"?format=ndjson", "application/x-ndjson", `{"id":"1","address":"Vaduz","lat":47.1,"lon":9.5,"display_name":"=Vaduz, FL","type":"city","importance":0.5,"outcome":"found","cache":false,"provider":"recorded","reason":null,"licence":"© Us"}
{"id":"3","address":"ragged","column_3":"row","lat":null,"lon":null,"display_name":null,"type":null,"importance":null,"outcome":"invalid","cache":false,"provider":null,"reason":"the row has too few or too many cells, or a quote that is not closed","licence":null}
{"id":"4","address":"VADUZ","lat":47.1,"lon":9.5,"display_name":"=Vaduz, FL","type":"city","importance":0.5,"outcome":"found","cache":true,"provider":"recorded","reason":null,"licence":"© Us"}
`},
	}
	for _, tt := range tests {
		t.Run("result"+tt.query, func(t *testing.T) {
			target := "/v2/jobs/" + id + "/result" + tt.query
			res := j.Do(t, "GET "+target, "")
			if res.StatusCode != 200 || res.Text != tt.want || res.Header.Get("Content-Type") != tt.contentType {
				t.Errorf("%d %q:\n%s\nwant\n%s", res.StatusCode, res.Header.Get("Content-Type"), res.Text, tt.want)
			}
			ending := ".csv\""
			if strings.HasSuffix(tt.query, "ndjson") {
				ending = ".ndjson\""
			}
			if got := res.Header.Get("Content-Disposition"); got != `attachment; filename="geogate-`+id[:8]+ending {
				t.Errorf("Content-Disposition = %q", got)
			}
			if res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control = %q: these are people's addresses", res.Header.Get("Cache-Control"))
			}
			rest := j.Do(t, "GET "+target, "", "Range: bytes=40-", "If-Range: "+res.Header.Get("ETag"))
			if rest.StatusCode != 206 || rest.Text != tt.want[40:] {
				t.Errorf("from byte 40: %d %q", rest.StatusCode, rest.Text)
			}
			whole := j.Do(t, "GET "+target, "", "Range: bytes=40-", `If-Range: "another"`)
			if whole.StatusCode != 200 || whole.Text != tt.want {
				t.Errorf("from byte 40 of something else: %d %q, want the whole", whole.StatusCode, whole.Text)
			}
			head := j.Do(t, "HEAD "+target, "")
			if head.StatusCode != 200 || head.ContentLength != int64(len(tt.want)) || head.Text != "" {
				t.Errorf("HEAD = %d, %d bytes announced, want %d", head.StatusCode, head.ContentLength, len(tt.want))
			}
		})
	}
	geo := j.Do(t, "GET /v2/jobs/"+id+"/result?format=geojson", "")
	var collection struct {
		Type     string
		Features []struct {
			Geometry *struct{ Coordinates []float64 }
		}
	}
	geo.JSON(t, &collection)
	if collection.Type != "FeatureCollection" || len(collection.Features) != 3 || collection.Features[1].Geometry != nil ||
		!slices.Equal(collection.Features[2].Geometry.Coordinates, []float64{9.5, 47.1}) {
		t.Errorf("geojson %s", geo.Text)
	}

	for _, want := range []int{204, 404} {
		if res := j.Do(t, "DELETE /v2/jobs/"+id, ""); res.StatusCode != want {
			t.Errorf("DELETE = %d, want %d", res.StatusCode, want)
		}
	}
	for _, path := range []string{"", "/events", "/result", "/result?partial=1"} {
		if res := j.Do(t, "GET /v2/jobs/"+id+path, ""); res.StatusCode != 404 {
			t.Errorf("GET …%s of a deleted job = %d, want 404", path, res.StatusCode)
		}
	}
	for _, key := range j.Keys(t) {
		if strings.Contains(key, ":job") && key != "geogate:jobs:tally" { // which counts, and names no job
			t.Errorf("%s is left of a deleted job", key)
		}
	}
}

func TestJobsNobodyHas(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	id := j.upload(t, "/v2/jobs", "text/csv", threeTowns)
	for _, other := range []string{
		strings.Repeat("0", 32), strings.ToUpper(id), id + "0", id[:31], "..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", id + "%2f..", "*", id + "%7d", "x%00",
	} {
		for _, request := range []string{"GET /v2/jobs/%s", "GET /v2/jobs/%s/result", "GET /v2/jobs/%s/result?partial=1", "GET /v2/jobs/%s/events", "DELETE /v2/jobs/%s"} {
			line := fmt.Sprintf(request, other)
			if res := j.Do(t, line, ""); res.StatusCode != 404 {
				t.Errorf("%s = %d %s, want 404", line, res.StatusCode, res.Text)
			}
		}
	}
	for _, line := range []string{"GET /v2/jobs/" + id + "/result?format=pdf", "GET /v2/jobs/" + id + "/result?safe=maybe", "GET /v2/jobs/" + id + "?wait=1h", "GET /v2/jobs/" + id + "?what"} {
		if res := j.Do(t, line, ""); res.StatusCode != 400 {
			t.Errorf("%s = %d %s, want 400", line, res.StatusCode, res.Text)
		}
	}
	if res := j.Do(t, "PUT /v2/jobs/"+id, ""); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD, DELETE" {
		t.Errorf("PUT = %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
}

// A geocoder that asks for a pause gets one, and the job is finished all the
// same.
func TestJobWaitsForTheGeocoder(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	j.Upstream.SetFaultFor(upstreamtest.Throttled(1), 1)
	asynctest.Background(t, j.worker.Run)
	id := j.upload(t, "/v2/jobs", "text/csv", "address\nnowhere 1\nnowhere 2\n")
	if job := j.finished(t, id); job.Failed != 0 || job.Empty != 2 {
		t.Errorf("job %+v, want two empty rows", job)
	}
}

func TestJobsNeedRedis(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	id := j.upload(t, "/v2/jobs", "text/csv", threeTowns)
	j.Redis.Stop()
	for _, line := range []string{"GET /v2/jobs/" + id, "GET /v2/jobs/" + id + "/result", "DELETE /v2/jobs/" + id, "POST /v2/jobs"} {
		res := j.Do(t, line, threeTowns, "Content-Type: text/csv")
		if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s = %d %s, want 503 with Retry-After", line, res.StatusCode, res.Text)
		}
	}
}

// Links to the page that jobs once had go on working: a browser adds the fragment.
func TestJobsPageIsInTheConsole(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	w := httptest.NewRecorder()
	j.Gateway.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/jobs", nil))
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/console/?jobs" {
		t.Errorf("GET /jobs = %d to %q", w.Code, w.Header().Get("Location"))
	}
}
