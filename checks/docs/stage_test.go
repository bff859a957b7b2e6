package docs

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// routesOf are the operations of the description, for the program at base.
func routesOf(t *testing.T, base string) routers.Router {
	t.Helper()
	doc := description(t)
	doc.Servers = openapi3.Servers{{URL: base}}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return router
}

// A stage is a running program that is to have what one example presumes.
type stage struct {
	t        *testing.T
	client   *http.Client
	base     string
	routes   routers.Router // of the description
	receiver string         // takes webhooks
	live     []string       // what the example calls it, and what it is
	rides    []string       // to be ended
	mode     bool           // to be set back
}

// do sends a request of the operator and returns the answer, which must be a success.
func (s *stage) do(method, target, contentType, body string) []byte {
	s.t.Helper()
	status, answer := s.send(method, target, contentType, body)
	if status/100 != 2 {
		s.t.Fatalf("%s %s %s: %d\n%s", method, target, body, status, answer)
	}
	s.note(answer)
	return answer
}

func (s *stage) send(method, target, contentType, body string) (status int, answer []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.base+target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err = io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, answer
}

var rideIn = regexp.MustCompile(`"request_id":"([^"]+)"`)

// note remembers what an answer shows that is to be undone.
func (s *stage) note(answer []byte) {
	if ride := rideIn.FindSubmatch(answer); ride != nil {
		s.rides = append(s.rides, string(ride[1]))
	}
	s.mode = s.mode || bytes.Contains(answer, []byte(`"mode":"cached_only"`))
}

// tidy leaves nothing behind that the next example could meet.
func (s *stage) tidy() {
	s.t.Helper()
	for _, ride := range s.rides { // whichever its state lets one do
		s.send("POST", "/v2/cancel", "", `{"request_id":"`+ride+`"}`)
		s.send("POST", "/v2/complete", "", `{"request_id":"`+ride+`"}`)
	}
	s.send("DELETE", "/v2/drivers/1", "", "")
	if s.mode {
		s.do("PUT", "/admin/mode", "", `{"mode":"normal"}`)
	}
}

func (s *stage) is(madeUp, live string) { s.live = append(s.live, madeUp, live) }

func (s *stage) driver() {
	s.do("POST", "/tracking", "", `{"id":"1","lat":-33.44091,"lng":-70.6301}`)
}

func (s *stage) ride() (id string) {
	s.driver()
	return idOf(s.t, s.do("POST", "/v2/search", "", `{"lat":-33.44262,"lng":-70.63054}`), rideIn.String())
}

func (s *stage) matchedRide() {
	id := s.ride()
	if answer := s.do("GET", "/v2/requests/"+id, "", ""); !bytes.Contains(answer, []byte(`"state":"matched"`)) {
		s.t.Fatalf("the ride is %s", answer)
	}
	s.is(exampleRide, id)
}

func (s *stage) endedRide() {
	s.matchedRide()
	s.do("POST", "/v2/complete", "", `{"request_id":"`+s.live[1]+`"}`)
}

// asked has an offer for the driver.
func (s *stage) asked() { s.ride() }

func (s *stage) offer() {
	s.asked()
	s.is(exampleOffer, idOf(s.t, s.do("GET", "/v2/drivers/1/offers?wait=25s", "", ""), `"offer_id":"([^"]+)"`))
}

// job has one that is finished.
func (s *stage) job() {
	id := idOf(s.t, s.do("POST", "/v2/jobs", "text/csv", "id,address\n1,Vaduz\n"), `"job_id":"([^"]+)"`)
	s.do("GET", "/v2/jobs/"+id+"/events", "", "") // ends with the job
	s.is(exampleJob, id)
}

func (s *stage) key() {
	s.is(exampleKey, idOf(s.t, s.do("POST", "/admin/keys", "", `{"role":"operator","subject":"office"}`), `"id":"([^"]+)"`))
}

func (s *stage) host() { s.is(exampleHost, s.receiver) }

func (s *stage) subscriber() {
	answer := s.do("POST", "/events/subscribers", "", `{"url":"`+s.receiver+`/event","types":["news.*"],"ttl":"2m"}`)
	s.is(exampleSubscriber, idOf(s.t, answer, `"id":"([^"]+)"`))
}

func (s *stage) delivery() {
	s.subscriber()
	s.is(exampleDelivery, idOf(s.t, s.do("POST", "/events/subscribers/"+s.live[1]+"/test", "", ""), `"id":"([^"]+)"`))
}
