// Package upstreamtest has what tests of a geocoding gateway need of the other
// side: a stand-in Nominatim that answers as a real one was recorded to answer,
// counts its calls and fails on demand.
package upstreamtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"geogate/internal/place"
	"geogate/upstream"
)

// Server is a stand-in Nominatim on a loopback port. A request that was
// recorded, in whatever spelling, is answered as recorded, byte for byte; any
// other one with the empty answer in the format asked for. It is safe for
// concurrent use.
type Server struct {
	URL string // without a trailing slash

	http *httptest.Server
	done chan struct{} // closed by Close; ends calls that hang

	dialect   dialect              // nil: Nominatim's
	exact     map[string]Recording // of recordedAnswers
	canonical map[string]Recording

	mu       sync.Mutex
	calls    int
	byPath   map[string]int
	byKey    map[string]int
	running  int
	maxAtOne int
	last     *http.Request
	delay    time.Duration
	fault    Fault
	faults   int // how many calls the fault still hits; negative: all
	fixed    *Fixed
}

// Fixed is an answer for any question.
type Fixed struct {
	Status      int // 0: 200
	ContentType string
	Body        string
}

// Places is an answer in JSON with places of these ids.
func Places(ids ...int) *Fixed {
	places := make([]string, len(ids))
	for i, id := range ids {
		places[i] = fmt.Sprintf(`{"place_id":%d,"lat":"47.14","lon":"9.52","display_name":"Place %d"}`, id, id)
	}
	return &Fixed{ContentType: "application/json; charset=utf-8", Body: "[" + strings.Join(places, ",") + "]"}
}

// New starts a stand-in and stops it when the test ends.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := Start()
	tb.Cleanup(s.Close)
	return s
}

// Start starts a stand-in for programs that are not tests. Close it.
func Start() *Server {
	s := &Server{
		done:   make(chan struct{}),
		byPath: make(map[string]int),
		byKey:  make(map[string]int),
	}
	s.exact, s.canonical = recordedAnswers()
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	return s
}

// NewKind starts a stand-in for another kind of geocoder, which answers in the
// shape of that kind's documentation. It knows Berlin, by name, and what lies at
// [KnownPoint]; the rest it has never heard of. It refuses the question
// [RefusedText].
func NewKind(tb testing.TB, kind string) *Server {
	tb.Helper()
	d, ok := dialects[kind]
	if !ok {
		tb.Fatalf("no stand-in for %q", kind)
	}
	s := Start()
	s.dialect = d
	tb.Cleanup(s.Close)
	return s
}

// recordedAnswers are all recordings, by method, URL and language as recorded, and by
// upstream.Request.Key. All servers of a process share them: read only.
var recordedAnswers = sync.OnceValues(func() (exact, canonical map[string]Recording) {
	exact, canonical = make(map[string]Recording), make(map[string]Recording)
	for _, r := range Recordings() {
		setFirst(exact, exactKey(r.Method, r.URL, r.ReqHeader["Accept-Language"]), r)
		if req, ok := r.Canonical(); ok {
			setFirst(canonical, req.Key(), r)
		}
	}
	return exact, canonical
})

func setFirst(m map[string]Recording, key string, r Recording) {
	if _, ok := m[key]; !ok {
		m[key] = r
	}
}

func exactKey(method, url, language string) string { return method + " " + url + " " + language }

// Close ends running calls and stops the server.
func (s *Server) Close() {
	s.mu.Lock()
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	s.mu.Unlock()
	s.http.CloseClientConnections()
	s.http.Close()
}

// Calls returns how many requests have come in, failed ones included.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// CallsFor returns how many requests have come in for a path, such as
// "/search", or, if there is a '?' in it, for a request with that meaning.
func (s *Server) CallsFor(pathOrURL string) int {
	path, query, isURL := strings.Cut(pathOrURL, "?")
	s.mu.Lock()
	defer s.mu.Unlock()
	if !isURL {
		return s.byPath[path]
	}
	return s.byKey[keyOf(path, query, "")]
}

// MostAtOnce returns how many requests were under way at one time at most.
func (s *Server) MostAtOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.maxAtOne
}

// Last returns the request that came in last, without its body.
func (s *Server) Last() *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Reset forgets the counts.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.maxAtOne = 0, 0
	clear(s.byPath)
	clear(s.byKey)
}

// SetDelay makes every answer take at least d.
func (s *Server) SetDelay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

// SetFault makes every answer fail in the given way. The zero Fault heals.
func (s *Server) SetFault(f Fault) { s.SetFaultFor(f, -1) }

// SetFaultFor makes the next n answers fail.
func (s *Server) SetFaultFor(f Fault, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.faults = f, n
}

// SetAnswer makes the server answer every question that was not recorded with
// a; nil brings the empty answers back.
func (s *Server) SetAnswer(a *Fixed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fixed = a
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	delay, fault, fixed := s.enter(r)
	defer s.leave()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		case <-s.done:
			return
		}
	}
	if fault.kind != faultNone {
		fault.serve(w, r, s.done)
		return
	}
	if s.dialect != nil {
		status, body := s.dialect(r)
		write(w, status, "application/json; charset=utf-8", body)
		return
	}
	s.answer(w, r, fixed)
}

func (s *Server) enter(r *http.Request) (time.Duration, Fault, *Fixed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.byPath[r.URL.Path]++
	if key := keyOf(r.URL.Path, r.URL.RawQuery, r.Header.Get("Accept-Language")); key != "" {
		s.byKey[key]++
	}
	s.running++
	s.maxAtOne = max(s.maxAtOne, s.running)
	s.last = r.Clone(r.Context())
	fault := s.fault
	switch {
	case s.faults == 0:
		fault = Fault{}
	case s.faults > 0:
		s.faults--
	}
	return s.delay, fault, s.fixed
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
}

func keyOf(path, query, language string) string {
	ep, ok := endpointOf(path)
	if !ok {
		return ""
	}
	req, err := upstream.Canonical(ep, upstream.ParseQuery(query), language)
	if err != nil {
		return ""
	}
	return req.Key()
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, fixed *Fixed) {
	language := r.Header.Get("Accept-Language")
	if rec, ok := s.exact[exactKey(r.Method, r.URL.RequestURI(), language)]; ok {
		write(w, rec.Status, rec.Header["content-type"], rec.Body)
		return
	}
	ep, ok := endpointOf(r.URL.Path)
	switch {
	case !ok:
		write(w, http.StatusNotFound, "application/json", `{"title": "404 Not Found"}`)
		return
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", "GET, OPTIONS")
		write(w, http.StatusMethodNotAllowed, "application/json", `{"title": "405 Method Not Allowed"}`)
		return
	}
	req, err := upstream.Canonical(ep, upstream.ParseQuery(r.URL.RawQuery), language)
	if err != nil {
		write(w, http.StatusInternalServerError, "application/json", `{"title": "500 Internal Server Error"}`)
		return
	}
	if rec, ok := s.canonical[req.Key()]; ok {
		contentType, body := rec.Unwrapped()
		write(w, rec.Status, contentType, body)
		return
	}
	if fixed != nil {
		status := fixed.Status
		if status == 0 {
			status = http.StatusOK
		}
		write(w, status, fixed.ContentType, fixed.Body)
		return
	}
	status, contentType, body := empty(req)
	write(w, status, contentType, body)
}

func write(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// empty is what Nominatim answers when it knows nothing.
func empty(r upstream.Request) (status int, contentType, body string) {
	status = http.StatusOK
	var b []byte
	if f := r.Format(); !f.Known() && f != place.Text {
		contentType, b = place.RenderError(place.Text, http.StatusBadRequest, place.BadFormatMessage(place.Formats()...))
		return http.StatusBadRequest, contentType, string(b)
	}
	switch r.Endpoint() {
	case upstream.Status:
		contentType, b = place.RenderStatus(r.Format(), place.Status{Message: "OK"})
	case upstream.Reverse:
		contentType, b = place.RenderOne(r.Format(), nil, place.Options{})
	case upstream.Details:
		status = http.StatusNotFound
		contentType, b = place.RenderError(r.Format(), status, "No place with that OSM ID found.")
	default:
		contentType, b = place.RenderList(r.Format(), nil, place.Options{})
	}
	return status, contentType, string(b)
}
