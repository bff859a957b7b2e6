package upstreamtest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"geogate/internal/asynctest"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

// ask sends a request as it stands and returns status, content type and body.
func ask(t *testing.T, s *Server, method, url string, header map[string]string) (int, string, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(body)
}

// Whatever was recorded comes back as recorded, the faults of that Nominatim
// version included.
func TestServerAnswersAsRecorded(t *testing.T) {
	s := New(t)
	all := Recordings()
	if len(all) != 183 {
		t.Fatalf("%d recordings, want 183", len(all))
	}
	for _, rec := range all {
		status, contentType, body := ask(t, s, rec.Method, rec.URL, rec.ReqHeader)
		if status != rec.Status || contentType != rec.Header["content-type"] || body != rec.Body {
			t.Errorf("%s %s = %d, %s, %.100q\nwant %d, %s, %.100q", rec.Method, rec.URL,
				status, contentType, body, rec.Status, rec.Header["content-type"], rec.Body)
		}
	}
	if s.Calls() != len(all) {
		t.Errorf("Calls() = %d, want %d", s.Calls(), len(all))
	}
	if n := s.CallsFor("/status"); n != 4 {
		t.Errorf("CallsFor(/status) = %d, want 4", n)
	}
	if n := s.CallsFor("/reverse?lon=9.520&lat=47.14&format=jsonv2"); n != 2 {
		t.Errorf("CallsFor a position in two spellings = %d, want 2", n)
	}
	s.Reset()
	if s.Calls() != 0 || s.CallsFor("/status") != 0 {
		t.Error("Reset did not forget the counts")
	}
}

func TestServerUnknownQueries(t *testing.T) {
	tests := []struct {
		url, contentType, body string
		status                 int
	}{
		{"/search?q=nowhere+at+all", "application/json; charset=utf-8", "[]", 200},
		{"/search?q=nowhere+at+all&format=geojson", "application/json; charset=utf-8", `{"type":"FeatureCollection"`, 200},
		{"/search?q=nowhere+at+all&format=xml", "text/xml; charset=utf-8", "<?xml", 200},
		{"/reverse?lat=1&lon=2", "text/xml; charset=utf-8", "<?xml", 200},
		{"/reverse?lat=1&lon=2&format=json", "application/json; charset=utf-8", `{"error":"Unable to geocode"}`, 200},
		{"/lookup?osm_ids=N1&format=json", "application/json; charset=utf-8", "[]", 200},
		{"/search?q=nowhere+at+all&format=yaml", "text/plain; charset=utf-8", "ERROR 400: Parameter 'format'", 400},
		{"/details?place_id=9", "application/json; charset=utf-8", `{"error":{"code":404`, 404},
	}
	s := New(t)
	for _, tt := range tests {
		status, contentType, body := ask(t, s, "GET", tt.url, nil)
		if status != tt.status || contentType != tt.contentType || !strings.HasPrefix(body, tt.body) {
			t.Errorf("%s = %d, %s, %q; want %d, %s, %q", tt.url, status, contentType, body, tt.status, tt.contentType, tt.body)
		}
	}
	s.SetAnswer(&Fixed{ContentType: "application/json", Body: `[{"a":1}]`})
	if _, _, body := ask(t, s, "GET", "/search?q=nowhere", nil); body != `[{"a":1}]` {
		t.Errorf("fixed answer = %q", body)
	}
	if _, _, body := ask(t, s, "GET", "/search?q=VADUZ&format=jsonv2", nil); !strings.Contains(body, "Vaduz") {
		t.Errorf("recorded answer in another spelling = %q", body)
	}
}

func TestServerFaultsAndDelay(t *testing.T) {
	s := New(t)
	s.SetFaultFor(Failing(500), 2)
	for i, want := range []int{500, 500, 200} {
		if status, _, _ := ask(t, s, "GET", "/search?q=x", nil); status != want {
			t.Errorf("call %d: status %d, want %d", i+1, status, want)
		}
	}
	s.SetDelay(50 * time.Millisecond)
	begin := time.Now()
	ask(t, s, "GET", "/search?q=x", nil)
	if took := time.Since(begin); took < 50*time.Millisecond {
		t.Errorf("answered after %s, want at least 50ms", took)
	}
	if s.MostAtOnce() != 1 {
		t.Errorf("MostAtOnce() = %d, want 1", s.MostAtOnce())
	}
}
