package geogate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	geogate "geogate/clients/go"
)

// failing is a server that gives its answers one after the other, and the last of them
// for ever.
type failing struct {
	answers []http.HandlerFunc

	mu    sync.Mutex
	asked []*http.Request
	sent  []string // bodies
}

func serve(t *testing.T, answers ...http.HandlerFunc) (*failing, *geogate.Client) {
	t.Helper()
	f := &failing{answers: answers}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, &geogate.Client{BaseURL: server.URL + "/", HTTP: server.Client()}
}

func (f *failing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.asked, f.sent = append(f.asked, r), append(f.sent, string(body))
	answer := f.answers[min(len(f.asked), len(f.answers))-1]
	f.mu.Unlock()
	answer(w, r)
}

// headers are those of a name, of all requests.
func (f *failing) headers(name string) (values []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.asked {
		values = append(values, r.Header.Get(name))
	}
	return values
}

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func problem(status int, code string) http.HandlerFunc {
	return answers(status, fmt.Sprintf(`{"status":%d,"code":%q,"detail":"why"}`, status, code))
}

func cutOff(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestARideIsRequestedOnce(t *testing.T) {
	f, c := serve(t, cutOff, problem(503, "redis_unavailable"), answers(200, `{"request_id":"default.a","state":"searching"}`))
	ride, err := c.RequestRide(t.Context(), geogate.RideRequest{Point: &geogate.Point{Lat: 1, Lng: 2}}, "")
	if err != nil || ride.RequestID != "default.a" || ride.Ended() {
		t.Fatalf("RequestRide = %+v, %v", ride, err)
	}
	keys := f.headers("Idempotency-Key")
	if len(keys) != 3 || len(keys[0]) < 20 || len(slices.Compact(keys)) != 1 {
		t.Errorf("the keys were %q, want three times the same", f.headers("Idempotency-Key"))
	}
	if want := `{"lat":1,"lng":2}`; slices.ContainsFunc(f.sent, func(body string) bool { return body != want }) {
		t.Errorf("sent %q, want %q each time", f.sent, want)
	}
}

func TestWhatIsRepeated(t *testing.T) {
	event := map[string]any{"type": "news.flash", "data": map[string]any{}}
	for name, tt := range map[string]struct {
		method  string
		options []geogate.Option
		first   http.HandlerFunc
		asked   int
		code    string
	}{
		"GET after a loss":             {"GET", nil, cutOff, 2, ""},
		"GET after a 503":              {"GET", nil, problem(503, "starting"), 2, ""},
		"GET after a 404":              {"GET", nil, problem(404, "not_found"), 1, "not_found"},
		"GET after a 500":              {"GET", nil, problem(500, "internal"), 1, "internal"},
		"POST after a 503":             {"POST", nil, problem(503, "starting"), 1, "starting"},
		"POST after a 429":             {"POST", nil, problem(429, "rate_limited"), 2, ""},
		"repeatable POST after a 503":  {"POST", []geogate.Option{geogate.Repeatable()}, problem(503, "starting"), 2, ""},
		"POST with a key after a loss": {"POST", []geogate.Option{geogate.IdempotencyKey("k")}, cutOff, 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, c := serve(t, tt.first, answers(200, `{}`))
			err := c.Call(t.Context(), tt.method, "/events", event, nil, tt.options...)
			if geogate.Code(err) != tt.code || (err == nil) != (tt.code == "") {
				t.Errorf("error %v, want code %q", err, tt.code)
			}
			if got := len(f.headers("Host")); got != tt.asked {
				t.Errorf("asked %d times, want %d", got, tt.asked)
			}
		})
	}
	t.Run("not for ever", func(t *testing.T) {
		f, c := serve(t, problem(503, "starting"))
		c.Retries = 1
		var refused *geogate.Error
		if err := c.Call(t.Context(), "GET", "/version", nil, nil); !errors.As(err, &refused) || refused.StatusCode != 503 {
			t.Errorf("error %v, want the 503", err)
		}
		if got := len(f.headers("Host")); got != 2 {
			t.Errorf("asked %d times, want 2", got)
		}
	})
}

func TestEachAttemptAsksForAToken(t *testing.T) {
	f, c := serve(t, cutOff, answers(200, `{}`))
	n := 0
	c.Token = func(context.Context) (string, error) {
		n++
		return fmt.Sprint("t", n), nil
	}
	if err := c.Call(t.Context(), "GET", "/version", nil, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := f.headers("Authorization"), []string{"Bearer t1", "Bearer t2"}; !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// events answers with a part of a stream, and breaks the connection behind it.
func events(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, text)
		_ = http.NewResponseController(w).Flush()
		cutOff(w, r)
	}
}

func TestAStreamGoesOnBehindItsLastEvent(t *testing.T) {
	f, c := serve(t,
		events("retry: 10\n\nid: 1\nevent: searching\ndata: {\"version\":1}\n\nid: 2\nevent: matched\ndata: half an ev"),
		problem(503, "starting"),
		events("id: 2\r\nevent: matched\r\ndata: a\r\ndata: b\r\n\r\nevent: position\ndata: {}\n\n: nothing\n\nid: 3\nevent: completed\ndata: {}\n\n"))
	var got []string
	for event, err := range c.FollowRide(t.Context(), "default.a") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %q", event.ID, event.Type, event.Data))
	}
	if want := []string{`1 searching "{\"version\":1}"`, `2 matched "a\nb"`, `2 position "{}"`, `3 completed "{}"`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := f.headers("Last-Event-Id"), []string{"", "1", "1"}; !slices.Equal(got, want) {
		t.Errorf("came back behind %q, want %q", got, want)
	}
}

func TestAStreamThatIsOverOrForbidden(t *testing.T) {
	_, over := serve(t, answers(204, ""))
	for event, err := range over.Stream(t.Context(), "/v2/requests/a/events", "7") {
		t.Errorf("got %+v, %v, want nothing", event, err)
	}
	_, forbidden := serve(t, problem(403, "insufficient_scope"))
	n := 0
	for _, err := range forbidden.Stream(t.Context(), "/events", "") {
		if n++; geogate.Code(err) != "insufficient_scope" {
			t.Errorf("error %v, want insufficient_scope", err)
		}
	}
	if n != 1 {
		t.Errorf("%d errors, want one", n)
	}
}
