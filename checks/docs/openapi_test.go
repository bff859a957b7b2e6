package docs

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"geogate/checks/geogate"
)

func description(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(geogate.Root, "docs", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestDescriptionIsValid checks docs/openapi.yaml against OpenAPI 3.1 and its
// examples against its own schemas.
func TestDescriptionIsValid(t *testing.T) {
	doc := description(t)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("openapi is %s", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// problemCode matches a problem with a code of its own.
const problemCode = `(?:NewProblem\([^"\n]*|BadRequest\()"([a-z0-9_]+)"`

// Where the program makes the codes of its problems.
var codeSources = []struct{ glob, pattern string }{
	{"gateway/*.go", problemCode},
	{"gateway/*/*.go", problemCode},
	{"gateway/errors.go", `\{\w+\.\w+, http\.Status\w+, "([a-z0-9_]+)"`},
	{"dispatch/errors.go", `Code\w+\s*= "([a-z0-9_]+)"`},
	{"internal/bulk/*.go", `InputError\{\s*"([a-z0-9_]+)"`},
}

// TestDescriptionNamesEveryCode compares the codes that the program can answer
// with the ones that the description lists.
func TestDescriptionNamesEveryCode(t *testing.T) {
	listed := description(t).Components.Schemas["Problem"].Value.Properties["code"].Value.Description
	for _, source := range codeSources {
		found := false
		files, err := filepath.Glob(filepath.Join(geogate.Root, source.glob))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range regexp.MustCompile(source.pattern).FindAllSubmatch(text, -1) {
				found = true
				if code := string(match[1]); !strings.Contains(listed, "`"+code+"`") {
					t.Errorf("%s answers with code %s, which docs/openapi.yaml does not name", filepath.Base(file), code)
				}
			}
		}
		if !found {
			t.Errorf("no code found in %s: the pattern no longer fits the source", source.glob)
		}
	}
}

// A call is one request to the running program. {ride} stands for the ride
// that the call named ride created.
type call struct {
	name, request string // method and path
	body          string
	header        string
	status        int
}

// Where drivers are asked, {offer} stands for the offer that the call named
// offer listed.
var offerCalls = []call{
	{"driver", "POST /tracking", `{"id":"1","lat":-33.44091,"lng":-70.6301}`, "", 200},
	{"ride", "POST /v2/search", `{"lat":-33.44262,"lng":-70.63054}`, "", 200},
	{"offer", "GET /v2/drivers/1/offers?wait=5s", "", "", 200},
	{"reserved driver", "GET /v2/drivers/1", "", "", 200},
	{"somebody else's offer", "POST /v2/offers/{offer}/accept", `{"driver_id":"2"}`, "", 404},
	{"accepted", "POST /v2/offers/{offer}/accept", `{"driver_id":1}`, "", 200},
	{"declined too late", "POST /v2/offers/{offer}/decline", `{"driver_id":1}`, "", 409},
	{"completed", "POST /v2/requests/{ride}/complete", `{"driver_id":"1"}`, "", 200},
	{"completed, by its older path", "POST /v2/complete", `{"request_id":"{ride}"}`, "", 200},
	{"ride", "POST /v2/search", `{"lat":-33.44262,"lng":-70.63054}`, "", 200},
	{"offer", "GET /v2/drivers/1/offers?wait=5s", "", "", 200},
	{"declined", "POST /v2/offers/{offer}/decline", `{"driver_id":1}`, "", 200},
}

// {subscriber} and {delivery} stand for what the calls of these names answered.
var eventCalls = []call{
	{"subscriber", "POST /events/subscribers", `{"url":"http://127.0.0.1:9/event","types":["news.*"],"ttl":"1m"}`, "", 201},
	{"renewed", "POST /events/subscribers", `{"url":"http://127.0.0.1:9/event","ttl":90}`, "", 200},
	{"without keepalives", "POST /events/subscribers", `{"url":"http://127.0.0.1:9/forever","keepalive":false}`, "", 201},
	{"ttl without keepalives", "POST /events/subscribers", `{"url":"http://127.0.0.1:9/forever","keepalive":false,"ttl":"1m"}`, "", 400},
	{"private address", "POST /events/subscribers", `{"url":"https://10.0.0.1/"}`, "", 422},
	{"no url", "POST /events/subscribers", `{}`, "", 400},
	{"kept alive", "POST /events/subscribers/{subscriber}/keepalive", "", "", 200},
	{"new secret", "POST /events/subscribers/{subscriber}/rotate", "", "", 200},
	{"published", "POST /events", `{"type":"news.flash","data":[1]}`, "Idempotency-Key: k", 202},
	{"own type", "POST /events", `{"type":"request.matched"}`, "", 422},
	{"delivery", "POST /events/subscribers/{subscriber}/test", "", "", 202},
	{"deliveries", "GET /events/subscribers/{subscriber}/deliveries?limit=10", "", "", 200},
	{"delivered again", "POST /events/subscribers/{subscriber}/deliveries/{delivery}/redeliver", "", "", 202},
	{"list", "GET /events/subscribers", "", "", 200},
	{"one of them", "GET /events/subscribers/{subscriber}", "", "", 200},
	{"stream of wrong types", "GET /events/stream?types=a+b", "", "", 400},
	{"through a proxy", "GET /events/subscribers", "", "X-Forwarded-For: 192.0.2.1", 401},
	{"ended", "DELETE /events/subscribers/{subscriber}", "", "", 204},
	{"ended already", "DELETE /events/subscribers/{subscriber}", "", "", 404},
}

var jobCalls = []call{
	{"preview", "POST /v2/jobs?preview=1", "id;address\n1;Vaduz\n", "Content-Type: text/csv", 200},
	{"job", "POST /v2/jobs?columns=address&limit=1", "id;address\n1;Vaduz\n2;Schaan\n", "Content-Type: text/csv", 202},
	{"job of JSON", "POST /v2/jobs", `{"q":"Vaduz"}`, "Content-Type: application/x-ndjson", 202},
	{"job of a form without a file", "POST /v2/jobs", "--x\r\n\r\n\r\n--x--\r\n", "Content-Type: multipart/form-data; boundary=x", 400},
	{"job of an unknown column", "POST /v2/jobs?q=ort", "address\nVaduz\n", "Content-Type: text/csv", 400},
	{"job of too many bytes", "POST /v2/jobs", strings.Repeat("Vaduz\n", 20_000), "Content-Type: text/csv", 413},
	{"job of a web form", "POST /v2/jobs", "q=Vaduz", "Content-Type: application/x-www-form-urlencoded", 415},
	{"job as it stands", "GET /v2/jobs/{job}?wait=1s", "", "", 200},
	{"job followed", "GET /v2/jobs/{job}/events", "", "", 200},
	{"job that has ended", "GET /v2/jobs/{job}", "", "", 200},
	{"result", "GET /v2/jobs/{job}/result", "", "", 200},
	{"result as NDJSON", "GET /v2/jobs/{job}/result?format=ndjson", "", "", 200},
	{"result as GeoJSON", "GET /v2/jobs/{job}/result?format=geojson&partial=1", "", "", 200},
	{"rest of a result", "GET /v2/jobs/{job}/result?safe=1", "", "Range: bytes=10-", 206},
	{"behind a result", "GET /v2/jobs/{job}/result", "", "Range: bytes=1000000-", 416},
	{"result of what form", "GET /v2/jobs/{job}/result?format=pdf", "", "", 400},
	{"deleted job", "DELETE /v2/jobs/{job}", "", "", 204},
	{"deleted again", "DELETE /v2/jobs/{job}", "", "", 404},
	{"result of a deleted job", "GET /v2/jobs/{job}/result", "", "", 404},
	{"page", "GET /jobs", "", "", 200},
}

var unfinishedCalls = []call{
	{"job", "POST /v2/jobs", "address\nVaduz\n", "Content-Type: text/csv", 202},
	{"unfinished", "GET /v2/jobs/{job}/result", "", "", 409},
}

const admin = "Authorization: Bearer secret"

var calls = []call{
	{"place", "GET /api?q=san+francisco", "", "", 200},
	{"place from the cache", "GET /api?q=san+francisco", "", "", 200},
	{"no place", "GET /api?q=qqqqqqqqqq", "", "", 200},
	{"position", "GET /api?lat=47.14&lon=9.52", "", "", 200},
	{"posted query", "POST /api", `{"q":"北京","limit":1}`, "", 200},
	{"nothing asked", "GET /api", "", "", 400},
	{"unknown parameter", "GET /api?query=vaduz", "", "", 400},
	{"not in the cache", "GET /api?q=paris", "", "Cache-Control: only-if-cached", 504},
	{"suggestions", "GET /suggest?q=vad&lat=47.1&lng=9.5&countrycodes=li&limit=3", "", "", 200},
	{"suggestions from the cache", "GET /suggest?q=vad&lat=47.1&lng=9.5&countrycodes=li&limit=3", "", "", 200},
	{"no suggestions", "GET /suggest?q=qqqqq", "", "", 200},
	{"nothing to complete", "GET /suggest", "", "", 400},
	{"search", "GET /search?q=Vaduz&format=jsonv2", "", "", 200},
	{"search in xml", "GET /search?q=Vaduz&format=xml", "", "", 200},
	{"search in geojson", "GET /search.php?q=Vaduz&format=geojson", "", "", 200},
	{"search for nothing", "GET /search", "", "", 400},
	{"search in a wrong format", "GET /search?q=Vaduz&format=nonsense", "", "", 400},
	{"reverse", "GET /reverse?lat=47.14&lon=9.52", "", "", 200},
	{"reverse in json", "GET /reverse.php?lat=47.14&lon=9.52&format=json", "", "", 200},
	{"look-up", "GET /lookup?osm_ids=&format=json", "", "", 200},
	{"status", "GET /status", "", "", 200},
	{"status in json", "GET /status.php?format=json", "", "", 200},
	{"first driver", "POST /tracking", `{"id":"1","lat":-33.44091,"lng":-70.6301}`, "", 200},
	{"drivers, one of them wrong", "POST /tracking", `[{"id":2,"lat":-33.45,"lng":-70.64},{"id":"3","lat":95,"lng":0}]`, "", 200},
	{"drivers, all of them wrong", "POST /tracking", `[{"id":"3","lat":95,"lng":0}]`, "", 400},
	{"swapped position", "POST /tracking", `{"id":"1","lat":-133.44,"lng":-70.6}`, "", 400},
	{"form", "POST /tracking", `id=1`, "Content-Type: application/x-www-form-urlencoded", 415},
	{"large body", "POST /tracking", `{"id":"` + strings.Repeat("x", 70_000) + `"}`, "", 413},
	{"nearest drivers", "POST /search", `{"lat":-33.44262,"lng":-70.63054,"limit":5}`, "", 200},
	{"nearest drivers to an address", "POST /search", `{"q":"Santiago, Chile"}`, "", 200},
	{"address of no place", "POST /search", `{"q":"qqqqqqqqqq"}`, "", 422},
	{"unknown field", "POST /search", `{"lat":0,"lng":0,"x":1}`, "", 400},
	{"ride", "POST /v2/search", `{"lat":-33.44262,"lng":-70.63054,"rider_id":9}`, "Idempotency-Key: k", 200},
	{"ride again", "POST /v2/search", `{"lat":-33.44262,"lng":-70.63054,"rider_id":9}`, "Idempotency-Key: k", 200},
	{"key for another ride", "POST /v2/search", `{"lat":1,"lng":1,"rider_id":9}`, "Idempotency-Key: k", 422},
	{"ride by address", "POST /v2/search", `{"q":"Santiago, Chile","tags":["child_seat"]}`, "", 200},
	{"ride as it stands", "GET /v2/requests/{ride}", "", "", 200},
	{"unknown ride", "GET /v2/requests/nosuchride", "", "", 404},
	{"wrong wait", "GET /v2/requests/{ride}?wait=1h", "", "", 400},
	{"place and drivers", "GET /v2/nearby?q=Santiago,+Chile&radius_km=50&limit=2", "", "", 200},
	{"place and drivers at a position", "GET /v2/nearby?lat=-33.44&lng=-70.63&tags=a,b", "", "", 200},
	{"drivers where no place is", "GET /v2/nearby?lat=0&lon=-140", "", "", 200},
	{"nearby of nothing", "GET /v2/nearby", "", "", 400},
	{"drivers by time", "GET /v2/nearby?lat=-33.44&lng=-70.63&rank=eta", "", "", 200},
	{"drivers by price", "GET /v2/nearby?lat=-33.44&lng=-70.63&rank=price", "", "", 400},
	{"regions", "GET /v2/regions", "", "", 200},
	{"ways", "POST /v2/eta", `{"from":[{"lat":47.141,"lng":9.5209}],"to":[{"lat":"47.165","lon":"9.5087"}]}`, "", 200},
	{"ways from nowhere", "POST /v2/eta", `{"from":[],"to":[{"lat":47,"lng":9}]}`, "", 400},
	{"nearby of no place", "GET /v2/nearby?q=qqqqqqqqqq", "", "", 422},
	{"busy driver", "GET /v2/drivers/1", "", "", 200},
	{"unknown driver", "GET /v2/drivers/a%2Fb", "", "", 404},
	{"busy driver deleted", "DELETE /v2/drivers/1", "", "", 409},
	{"no offers", "GET /v2/drivers/1/offers?wait=10ms", "", "", 200},
	{"wrong wait for offers", "GET /v2/drivers/1/offers?wait=-1s", "", "", 400},
	{"unknown offer", "POST /v2/offers/nosuchoffer/accept", `{"driver_id":"1"}`, "", 404},
	{"nobody's answer", "POST /v2/offers/nosuchoffer/decline", `{}`, "", 400},
	{"console", "GET /console", "", "", 200},
	{"map of no box", "GET /v2/map/events?bbox=1,2,3", "", "", 400},
	{"unknown stream", "GET /v2/requests/nosuchride/events", "", "", 404},
	{"where the driver is", "GET /v2/requests/{ride}/driver", "", "", 200},
	{"arrived", "POST /v2/requests/{ride}/arrive", `{"driver_id":"1"}`, "", 200},
	{"arrived, but who", "POST /v2/requests/{ride}/arrive", "", "", 400},
	{"started", "POST /v2/requests/{ride}/start", `{"driver_id":1}`, "", 200},
	{"started by another", "POST /v2/requests/{ride}/start", `{"driver_id":"2"}`, "", 404},
	{"released too late", "POST /v2/requests/{ride}/release", `{"driver_id":"1","reason":"flat_tyre"}`, "", 409},
	{"cancelled too late", "POST /v2/requests/{ride}/cancel", `{"reason":"changed_mind"}`, "", 409},
	{"cancelled too late, by its older path", "POST /v2/cancel", `{"request_id":"{ride}","reason":"changed_mind"}`, "", 409},
	{"completed", "POST /v2/requests/{ride}/complete", `{"driver_id":"1"}`, "", 200},
	{"completed, by its older path", "POST /v2/complete", `{"request_id":"{ride}"}`, "", 200},
	{"stream of what has ended", "GET /v2/requests/{ride}/events", "", "", 200},
	{"stream of what the client knows", "GET /v2/requests/{ride}/events", "", "Last-Event-ID: 5", 204},
	{"where the driver was", "GET /v2/requests/{ride}/driver", "", "", 409},
	{"off shift", "POST /v2/drivers/1/offline", "", "", 200},
	{"on shift", "POST /v2/drivers/1/online", "", "", 200},
	{"shift of an unknown driver", "POST /v2/drivers/none/online", "", "", 404},
	{"stream of a driver from nowhere", "GET /v2/drivers/1/events", "", "Last-Event-ID: x", 400},
	{"drivers", "GET /v2/drivers?limit=1", "", "", 200},
	{"drivers in no box", "GET /v2/drivers?bbox=1", "", "", 400},
	{"rides", "GET /v2/requests?state=completed&limit=1", "", "", 200},
	{"rides behind nothing", "GET /v2/requests?after=x", "", "", 400},
	{"driver deleted", "DELETE /v2/drivers/1", "", "", 204},
	{"completed unknown", "POST /v2/complete", `{"request_id":17}`, "", 404},
	{"welcome", "GET /", "", "", 200},
	{"page of the description", "GET /docs", "", "", 200},
	{"description", "GET /openapi.json", "", "", 200},
	{"description in YAML", "GET /openapi.yaml", "", "", 200},
	{"alive", "GET /healthz", "", "", 200},
	{"ready", "GET /readyz", "", "", 200},
	{"version", "GET /version", "", "", 200},
	{"metrics without a token", "GET /metrics", "", "", 401},
	{"metrics", "GET /metrics", "", admin, 200},
	{"explained", "GET /admin/explain?q=san+francisco", "", admin, 200},
	{"explained, nothing cached", "GET /admin/explain?q=nowhere", "", admin, 200},
	{"stats", "GET /admin/stats", "", admin, 200},
	{"stats without a token", "GET /admin/stats", "", "", 401},
	{"export", "GET /admin/export", "", admin, 200},
	{"import of nothing", "POST /admin/import", `{"exported":0,"withheld":0}`, admin, 200},
	{"purge", "POST /admin/purge", `{"outcome":"empty"}`, admin, 204},
	{"purge of what", "POST /admin/purge", `{}`, admin, 400},
	{"fleet", "GET /admin/fleet", "", admin, 200},
	{"mode", "GET /admin/mode", "", admin, 200},
	{"mode without a token", "GET /admin/mode", "", "", 401},
	{"mode set", "PUT /admin/mode", `{"mode":"normal","reason":"as ever"}`, admin, 200},
	{"mode that is none", "PUT /admin/mode", `{"mode":"off"}`, admin, 400},
	{"mode that was changed", "PUT /admin/mode", `{"mode":"normal","if_generation":9}`, admin, 409},
	{"key", "POST /admin/keys", `{"role":"operator","subject":"office","expires":"90d"}`, admin, 201},
	{"key without a subject", "POST /admin/keys", `{"role":"operator"}`, admin, 400},
	{"keys", "GET /admin/keys", "", admin, 200},
	{"keys without a token", "GET /admin/keys", "", "", 401},
	{"unknown key", "DELETE /admin/keys/0000000000", "", admin, 404},
	{"token", "POST /admin/tokens", `{"role":"driver","sub":"7","expires_in":3600}`, admin, 200},
	{"token for ever", "POST /admin/tokens", `{"role":"driver","sub":"7","expires_in":99999999}`, admin, 400},
}

// TestAnswersFitDescription asks the running program, and holds status,
// headers, content type and body of every answer against docs/openapi.yaml.
func TestAnswersFitDescription(t *testing.T) {
	dir := t.TempDir()
	geogate.Build(t, dir)
	operations := map[string]bool{ // the gazetteer has neither lists nor details
		"nominatimDeletable": true, "nominatimDeletablePHP": true, "nominatimPolygons": true, "nominatimPolygonsPHP": true,
		"nominatimDetails": true, "nominatimDetailsPHP": true, "nominatimLookupPHP": true,
	}
	makeCalls(t, geogate.Start(t, dir, "bin/geogate serve", "ADMIN_TOKEN=secret", "RATE_LIMIT=0", "ANONYMOUS=all", "TOKEN_SECRET=0123456789abcdef0123456789abcdef"), calls, operations)
	makeCalls(t, geogate.Start(t, dir, "bin/geogate serve", "DISPATCH_OFFER_TTL=1m"), offerCalls, operations)
	makeCalls(t, geogate.Start(t, dir, "bin/geogate serve", "WEBHOOK_ALLOW_CIDRS=127.0.0.0/8"), eventCalls, operations)
	makeCalls(t, geogate.Start(t, dir, "bin/geogate serve", "JOBS_MAX_BYTES=64KiB"), jobCalls, operations)
	makeCalls(t, geogate.Start(t, dir, "bin/geogate serve", "WORKERS=0"), unfinishedCalls, operations)
	for path, item := range description(t).Paths.Map() {
		for method, operation := range item.Operations() {
			if !operations[operation.OperationID] {
				t.Errorf("%s %s is described and was not asked", method, path)
			}
		}
	}
}

// makeCalls asks the program at base and notes which operations that were.
func makeCalls(t *testing.T, base string, calls []call, operations map[string]bool) {
	t.Helper()
	router := routesOf(t, base)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)

	var ride, offer, subscriber, delivery, job string
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			fill := strings.NewReplacer("{ride}", ride, "{offer}", offer, "{subscriber}", subscriber, "{delivery}", delivery, "{job}", job)
			method, path, _ := strings.Cut(fill.Replace(c.request), " ")
			body := fill.Replace(c.body)
			req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body != "" {
				req.Header.Set("Content-Type", "application/json")
			}
			if name, value, found := strings.Cut(c.header, ": "); found {
				req.Header.Set(name, value)
			}
			route, parameters, err := router.FindRoute(req)
			if err != nil {
				t.Fatalf("%s is not described: %v", c.request, err)
			}
			operations[route.Operation.OperationID] = true
			answer := ask(t, client, req, c.status)
			if err := fits(t.Context(), req, route, parameters, answer); err != nil {
				t.Errorf("%s: the answer is not as described: %v\n%s", c.request, err, answer.body)
			}
			switch c.name {
			case "ride":
				ride = idOf(t, answer.body, `"request_id":"([^"]+)"`)
			case "job":
				job = idOf(t, answer.body, `"job_id":"([^"]+)"`)
			case "subscriber":
				subscriber = idOf(t, answer.body, `"id":"([^"]+)"`)
			case "delivery":
				delivery = idOf(t, answer.body, `"id":"([^"]+)"`)
			case "offer":
				offer = idOf(t, answer.body, `"offer_id":"([^"]+)"`)
			}
		})
	}
}

type answer struct {
	*http.Response
	body []byte
}

func ask(t *testing.T, client *http.Client, req *http.Request, status int) answer {
	t.Helper()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d\n%s", req.Method, req.URL.Path, res.StatusCode, status, body)
	}
	if res.Header.Get("X-Request-Id") == "" {
		t.Errorf("%s %s: no X-Request-Id", req.Method, req.URL.Path)
	}
	return answer{res, body}
}

func fits(ctx context.Context, req *http.Request, route *routers.Route, parameters map[string]string, a answer) error {
	return openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: parameters, Route: route},
		Status:                 a.StatusCode,
		Header:                 a.Header,
		Body:                   io.NopCloser(bytes.NewReader(a.body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	})
}

func idOf(t *testing.T, body []byte, pattern string) string {
	t.Helper()
	match := regexp.MustCompile(pattern).FindSubmatch(body)
	if match == nil {
		t.Fatalf("no %s in %s", pattern, body)
	}
	return string(match[1])
}

// Nominatim's text formats are looked at no closer than as text.
func init() { //nolint:gochecknoinits // kin-openapi keeps its decoders in a global
	for _, mediaType := range []string{"text/xml", "text/html", "application/javascript", "application/x-ndjson", "text/event-stream", "text/csv", "application/yaml"} {
		openapi3filter.RegisterBodyDecoder(mediaType, openapi3filter.FileBodyDecoder)
	}
}
