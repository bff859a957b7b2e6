package jobs_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
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
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
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
	j.Upstream.SetAnswer(&upstreamtest.Fixed{ContentType: "application/json", Body: `[{"place_id":1,"lat":"47.1","lon":"9.5","display_name":"=Vaduz, FL","class":"place","type":"city","importance":0.5}]`})
	id := j.upload(t, "/v2/jobs?limit=1", "text/csv", "id,address\n1,Vaduz\n3,ragged,row\n4,VADUZ\n")

	t.Run("unfinished", func(t *testing.T) {
		res := j.Do(t, "GET /v2/jobs/"+id+"/result", "")
		var p exchange.Problem
		res.JSON(t, &p)
		if res.StatusCode != 409 || p.Code != "job_unfinished" || p.State != "queued" {
			t.Errorf("result of a queued job = %d %s", res.StatusCode, res.Text)
		}
		res = j.Do(t, "GET /v2/jobs/"+id+"/result?partial=1", "")
		if want := "id,address,column_3,lat,lon,display_name,type,importance,outcome,cache,provider\n"; res.StatusCode != 200 || res.Text != want {
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
		{"", "text/csv; charset=utf-8; header=present", `id,address,column_3,lat,lon,display_name,type,importance,outcome,cache,provider
1,Vaduz,,47.1,9.5,"=Vaduz, FL",city,0.5,found,false,recorded
3,ragged,row,,,,,,invalid,false,
4,VADUZ,,47.1,9.5,"=Vaduz, FL",city,0.5,found,true,recorded
`},
		{"?format=csv&safe=1", "text/csv; charset=utf-8; header=present", `id,address,column_3,lat,lon,display_name,type,importance,outcome,cache,provider
1,Vaduz,,47.1,9.5,"'=Vaduz, FL",city,0.5,found,false,recorded
3,ragged,row,,,,,,invalid,false,
4,VADUZ,,47.1,9.5,"'=Vaduz, FL",city,0.5,found,true,recorded
`},
		{"?format=ndjson", "application/x-ndjson", `{"id":"1","address":"Vaduz","lat":47.1,"lon":9.5,"display_name":"=Vaduz, FL","type":"city","importance":0.5,"outcome":"found","cache":false,"provider":"recorded"}
{"id":"3","address":"ragged","column_3":"row","lat":null,"lon":null,"display_name":null,"type":null,"importance":null,"outcome":"invalid","cache":false,"provider":null}
{"id":"4","address":"VADUZ","lat":47.1,"lon":9.5,"display_name":"=Vaduz, FL","type":"city","importance":0.5,"outcome":"found","cache":true,"provider":"recorded"}
`},
	}
	for _, tt := range tests {
		t.Run("result"+tt.query, func(t *testing.T) {
			target := "/v2/jobs/" + id + "/result" + tt.query
			res := j.Do(t, "GET "+target, "")
			if res.StatusCode != 200 || res.Text != tt.want || res.Header.Get("Content-Type") != tt.contentType {
				t.Errorf("%d %q:\n%s\nwant\n%s", res.StatusCode, res.Header.Get("Content-Type"), res.Text, tt.want)
			}
			if got := res.Header.Get("Content-Disposition"); !strings.HasPrefix(got, `attachment; filename="geogate-`+id[:8]+".") {
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
		if strings.Contains(key, ":job") {
			t.Errorf("%s is left of a deleted job", key)
		}
	}
}

func TestUploadForms(t *testing.T) {
	form := func(parts ...string) (contentType, body string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for _, part := range parts {
			name, value, _ := strings.Cut(part, "=")
			var err error
			if fileName, isFile := strings.CutPrefix(name, "file:"); isFile {
				var f io.Writer
				f, err = w.CreateFormFile("file", fileName)
				if err == nil {
					_, err = io.WriteString(f, value)
				}
			} else {
				err = w.WriteField(name, value)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return w.FormDataContentType(), b.String()
	}
	j := newJobsFixture(t, bulk.Config{MaxBytes: 1000, MaxRows: 100})
	tests := []struct {
		name, target, contentType, body string
		status                          int
		want                            string // asked columns or the code of the problem
	}{
		{"csv", "", "text/csv", threeTowns, 200, "address"},
		{"csv with charset", "", "text/csv; charset=windows-1252", "ort;adresse\nZ\xFCrich;x\n", 200, "ort"},
		{"one column", "&q=id", "text/csv", threeTowns, 200, "id"},
		{"several columns", "&columns=address,id", "text/csv", threeTowns, 200, "address,id"},
		{"reverse", "&mode=reverse", "text/csv", "name,lng,lat\nx,9.5,47.1\n", 200, "lat,lng"},
		{"header denied", "&header=0&columns=2", "text/csv", threeTowns, 200, "column_2"},
		{"ndjson", "", "application/x-ndjson", `{"query":"Vaduz"}`, 200, "query"},
		{"form", "", "form", "file:a.csv=" + threeTowns, 200, "address"},
		{"form with fields", "", "form", "q=id\nlanguage=\nfile:a.csv=" + threeTowns, 200, "id"},
		{"form with ndjson", "", "form", "file:a.jsonl={\"q\":\"x\"}", 200, "q"},
		{"form of unknown type", "", "form", "file:a=" + `{"q":"x"}`, 200, "q"},

		{"curl without a header", "", "application/x-www-form-urlencoded", threeTowns, 415, "unsupported_media_type"},
		{"json", "", "application/json", "{}", 415, "unsupported_media_type"},
		{"nothing said", "", "", threeTowns, 415, "unsupported_media_type"},
		{"compressed", "", "text/csv\nContent-Encoding: gzip", threeTowns, 415, "unsupported_encoding"},
		{"form without file", "", "form", "q=id", 400, "missing_file"},
		{"form with a strange field", "", "form", "x=y\nfile:a.csv=" + threeTowns, 400, "unknown_field"},
		{"form that ends early", "", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; na", 400, "missing_file"},
		{"unknown parameter", "&colums=id", "text/csv", threeTowns, 400, "unknown_parameter"},
		{"unknown mode", "&mode=forward", "text/csv", threeTowns, 400, "invalid_mode"},
		{"limit", "&limit=51", "text/csv", threeTowns, 400, "invalid_limit"},
		{"switch", "&header=maybe", "text/csv", threeTowns, 400, "invalid_switch"},
		{"columns twice", "&q=id&columns=id", "text/csv", threeTowns, 400, "columns_twice"},
		{"unknown column", "&q=ort", "text/csv", threeTowns, 400, "unknown_column"},
		{"no rows", "", "text/csv", "", 400, "no_rows"},
		{"a spreadsheet", "", "form", "file:a.xlsx=PK\x03\x04", 400, "not_text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.contentType == "form" {
				tt.contentType, tt.body = form(strings.SplitN(tt.body, "\n", strings.Count(tt.body[:strings.Index(tt.body+"file:", "file:")], "\n")+1)...)
			}
			headers := strings.Split("Content-Type: "+tt.contentType, "\n")
			res := j.Do(t, "POST /v2/jobs?preview=1"+tt.target, tt.body, headers...)
			var got struct {
				Asked []string
				Code  string
				Hint  string
			}
			res.JSON(t, &got)
			if res.StatusCode != tt.status || strings.Join(got.Asked, ",")+got.Code != tt.want {
				t.Errorf("%d %s, want %d %s", res.StatusCode, res.Text, tt.status, tt.want)
			}
		})
	}
	for name, body := range map[string]string{"bytes": strings.Repeat("x", 1001), "rows": strings.Repeat("x\n", 102)} {
		res := j.Do(t, "POST /v2/jobs", body, "Content-Type: text/csv")
		var p exchange.Problem
		res.JSON(t, &p)
		if res.StatusCode != 413 || p.Code != "upload_too_large" || !strings.Contains(p.Detail, name) {
			t.Errorf("too many %s: %d %s", name, res.StatusCode, res.Text)
		}
	}
	if keys := j.Keys(t); slices.ContainsFunc(keys, func(k string) bool { return strings.Contains(k, ":job") }) {
		t.Errorf("refused uploads and previews left %v", keys)
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

func TestJobEvents(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	read := func(id, last string) (events []jobs.Wire, names []string, status int) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
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

// A client that sends and then stands still is told so, and nothing stays.
func TestUploadThatIsCutOff(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", j.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	fmt.Fprintf(conn, "POST /v2/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n\r\n%s", threeTowns)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 400 || !strings.Contains(string(text), "incomplete_body") {
		t.Errorf("%d %s, %v", res.StatusCode, text, err)
	}
	if keys := j.Keys(t); slices.ContainsFunc(keys, func(k string) bool { return strings.Contains(k, ":job") }) {
		t.Errorf("left: %v", keys)
	}
}

func TestJobsPageIsServed(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	for path, contentType := range map[string]string{
		"/jobs": "text/html; charset=utf-8", "/jobs/jobs.js": "text/javascript; charset=utf-8", "/jobs/jobs.css": "text/css; charset=utf-8",
	} {
		res := j.Do(t, "GET "+path, "")
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != contentType || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s = %d %v", path, res.StatusCode, res.Header)
		}
		if again := j.Do(t, "GET "+path, "", "If-None-Match: "+res.Header.Get("ETag")); again.StatusCode != 304 {
			t.Errorf("%s again = %d, want 304", path, again.StatusCode)
		}
	}
	for _, forbidden := range []string{"<script>", "style=", "onclick", "http://", "https://"} {
		if page := j.Do(t, "GET /jobs", ""); strings.Contains(page.Text, forbidden) {
			t.Errorf("the page holds %q, which its policy forbids", forbidden)
		}
	}
}

// The header of a result is what encoding/csv reads, whatever the cells hold.
func TestResultIsCSV(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	asynctest.Background(t, j.worker.Run)
	id := j.upload(t, "/v2/jobs", "text/csv", "id;\"ad\ndress\"\n1;\"a\r\n\"\"b\"\", c\"\n2;;;\n")
	j.finished(t, id)
	all, err := csv.NewReader(strings.NewReader(j.Do(t, "GET /v2/jobs/"+id+"/result", "").Text)).ReadAll()
	if err != nil || len(all) != 3 || all[1][1] != "a\n\"b\", c" {
		t.Errorf("%q, %v", all, err)
	}
}
