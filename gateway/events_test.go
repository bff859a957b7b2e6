package gateway

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// streamed is one block of a stream: an event, a hint or a comment.
type streamed struct {
	id, event, data string
	retry           bool
	comment         bool
}

// stream is what a client sees of one.
type stream struct {
	status int
	header http.Header
	blocks <-chan streamed // closed when the stream ends
	leave  context.CancelFunc
}

// openStream asks for the events of a ride. The stream ends with the test.
func (f *fixture) openStream(t *testing.T, ride string, headers ...string) stream {
	t.Helper()
	return f.open(t, "/v2/requests/"+ride, headers...)
}

// open is openStream for any target; headers are lines.
func (f *fixture) open(t *testing.T, target string, headers ...string) stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", f.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		if name, value, found := strings.Cut(h, ": "); found {
			req.Header.Set(name, value)
		}
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req) //nolint:bodyclose // closed where it is read
	if err != nil {
		t.Fatal(err)
	}
	blocks := make(chan streamed, 64)
	go func() {
		defer close(blocks)
		defer func() { _ = res.Body.Close() }()
		lines := bufio.NewScanner(res.Body)
		var b streamed
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case lines.Text() == "":
				blocks <- b
				b = streamed{}
			case strings.HasPrefix(lines.Text(), ":"):
				b.comment = true
			case name == "id":
				b.id = value
			case name == "event":
				b.event = value
			case name == "data":
				b.data = value
			case name == "retry":
				b.retry = true
			}
		}
	}()
	return stream{res.StatusCode, res.Header, blocks, cancel}
}

// nextEvent skips hints and comments. It fails when the stream ends.
func nextEvent(t *testing.T, blocks <-chan streamed) streamed {
	t.Helper()
	for {
		select {
		case b, open := <-blocks:
			if !open {
				t.Fatal("the stream has ended")
			}
			if b.event != "" {
				return b
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no event within 10 s")
		}
	}
}

// rest collects what comes until the stream ends by itself.
func rest(t *testing.T, blocks <-chan streamed) []streamed {
	t.Helper()
	var all []streamed
	deadline := time.After(10 * time.Second)
	for {
		select {
		case b, open := <-blocks:
			if !open {
				return all
			}
			all = append(all, b)
		case <-deadline:
			t.Fatalf("the stream goes on after %+v", all)
		}
	}
}

// events leaves out hints and comments.
func events(blocks []streamed) []string {
	var seen []string
	for _, b := range blocks {
		if b.event != "" {
			seen = append(seen, b.id+" "+b.event)
		}
	}
	return seen
}

func TestRideEvents(t *testing.T) {
	f := newFixture(t)
	var ride rideBody
	f.do(t, "POST /v2/search", riderInSantiago).json(t, &ride)
	s := f.openStream(t, ride.RequestID+"/events")
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
	} {
		if got := s.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if first := <-s.blocks; !first.retry {
		t.Errorf("the stream begins with %+v, want a hint when to come again", first)
	}
	snapshot := nextEvent(t, s.blocks)
	plain := f.do(t, "GET /v2/requests/"+ride.RequestID, "")
	if snapshot.id != "1" || snapshot.event != "searching" || snapshot.data != strings.TrimSpace(plain.body) {
		t.Errorf("first event %+v, want the ride as it is: %s", snapshot, plain.body)
	}

	f.do(t, "POST /tracking", driverInSantiago)
	matched := nextEvent(t, s.blocks)
	if matched.id != "2" || matched.event != "matched" || !strings.Contains(matched.data, `"driver":{"id":"1"`) {
		t.Errorf("second event %+v, want the match", matched)
	}
	f.do(t, "POST /v2/complete", `{"request_id":"`+ride.RequestID+`"}`)
	if got := events(rest(t, s.blocks)); !slices.Equal(got, []string{"3 completed"}) {
		t.Errorf("the stream went on with %q, want the end and nothing after it", got)
	}
}

// A stream goes on after the version that the client names, without a gap.
func TestRideEventsResume(t *testing.T) {
	f := newFixture(t)
	f.do(t, "POST /tracking", driverInSantiago)
	var ride rideBody
	f.do(t, "POST /v2/search", riderInSantiago).json(t, &ride) // versions 1 and 2
	f.do(t, "POST /v2/complete", `{"request_id":"`+ride.RequestID+`"}`)
	tests := []struct {
		name, query, header string
		want                []string
	}{
		{"from the start", "", "", []string{"3 completed"}},
		{"the first seen", "", "Last-Event-ID: 1", []string{"2 matched", "3 completed"}},
		{"two seen", "", "Last-Event-ID: 2", []string{"3 completed"}},
		{"by query", "?last_event_id=1", "", []string{"2 matched", "3 completed"}},
		{"by the polyfill's query", "?lastEventId=1&r=0.5", "", []string{"2 matched", "3 completed"}},
		{"the header counts", "?last_event_id=1", "Last-Event-ID: 2", []string{"3 completed"}},
		{"zero is none", "", "Last-Event-ID: 0", []string{"3 completed"}},
		{"from a future that was lost", "", "Last-Event-ID: 9", []string{"3 completed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := f.openStream(t, ride.RequestID+"/events"+tt.query, tt.header)
			if got := events(rest(t, s.blocks)); s.status != 200 || !slices.Equal(got, tt.want) {
				t.Errorf("%d %q, want %q", s.status, got, tt.want)
			}
		})
	}
	// A browser comes again after every end, unless it is told 204.
	if got := f.do(t, "GET /v2/requests/"+ride.RequestID+"/events", "", "Last-Event-ID: 3"); got.StatusCode != 204 {
		t.Errorf("after the end was seen: %d, want 204", got.StatusCode)
	}
	if got := f.do(t, "HEAD /v2/requests/"+ride.RequestID+"/events", ""); got.StatusCode != 200 || got.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", got.StatusCode, got.Header)
	}
}

// Silent streams stay open, whatever time limits the server has for answers
// that are whole at some time, and end cleanly when the gateway drains.
func TestRideEventsHeartbeatAndDrain(t *testing.T) {
	f := newFixture(t)
	f.gateway.heartbeat = 40 * time.Millisecond
	server := httptest.NewUnstartedServer(f.gateway)
	server.Config.ReadTimeout = 100 * time.Millisecond
	server.Config.WriteTimeout = 100 * time.Millisecond
	server.Start()
	defer server.Close()
	limited := *f
	limited.Server = server

	var ride rideBody
	f.do(t, "POST /v2/search", riderInSantiago).json(t, &ride)
	s := limited.openStream(t, ride.RequestID+"/events")
	nextEvent(t, s.blocks)
	for n := 0; n < 10; {
		select {
		case b, open := <-s.blocks:
			if !open {
				t.Fatalf("the stream ended after %d comments", n)
			}
			if b.comment {
				n++
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%d comments and no more", n)
		}
	}
	f.gateway.startDraining()
	all := rest(t, s.blocks)
	if last := all[len(all)-1]; !last.retry {
		t.Errorf("the stream ends with %+v, want a hint when to come again", last)
	}
}

// A stream outlives an outage of Redis, and ends when its ride has vanished.
func TestRideEventsWithoutRedis(t *testing.T) {
	f := newFixture(t)
	var ride, other rideBody
	f.do(t, "POST /v2/search", riderInSantiago).json(t, &ride)
	f.do(t, "POST /v2/search", `{"lat":10,"lng":10}`).json(t, &other)
	f.gateway.heartbeat = 50 * time.Millisecond
	s := f.openStream(t, ride.RequestID+"/events")
	nextEvent(t, s.blocks)
	f.redis.Stop()
	for comments := 0; comments < 3; {
		select {
		case b, open := <-s.blocks:
			if !open {
				t.Fatal("the stream ended with Redis")
			}
			if b.comment {
				comments++
			}
		case <-time.After(20 * time.Second):
			t.Fatal("no comments while Redis is down")
		}
	}
	if got := f.do(t, "GET /v2/requests/"+other.RequestID+"/events", ""); got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("a new stream without Redis: %d, want 503 with Retry-After", got.StatusCode)
	}
	f.redis.Restart(t) // empty: the ride has vanished
	if got := events(rest(t, s.blocks)); len(got) != 0 {
		t.Errorf("events %q of a ride that is gone", got)
	}
	eventually(t, "the stream of a ride that is gone is 404", func() error { // connections come back one by one
		if got := f.do(t, "GET /v2/requests/"+ride.RequestID+"/events", "", "Last-Event-ID: 1"); got.StatusCode != 404 {
			return fmt.Errorf("it is %d", got.StatusCode)
		}
		return nil
	})
}

// The number of streams is bounded, and a client that goes away frees its one.
func TestRideEventsBound(t *testing.T) {
	f := newFixture(t, func(cfg *Config) { cfg.MaxStreams = 2 })
	var ride rideBody
	f.do(t, "POST /v2/search", riderInSantiago).json(t, &ride)
	var leave []context.CancelFunc
	for range 2 {
		s := f.openStream(t, ride.RequestID+"/events")
		nextEvent(t, s.blocks)
		leave = append(leave, s.leave)
	}
	refused := f.do(t, "GET /v2/requests/"+ride.RequestID+"/events", "")
	var p problemBody
	refused.json(t, &p)
	if refused.StatusCode != 503 || p.Code != "too_many_streams" || refused.Header.Get("Retry-After") == "" {
		t.Errorf("the third stream: %d %s, want 503 too_many_streams with Retry-After", refused.StatusCode, refused.body)
	}
	for _, cancel := range leave {
		cancel()
	}
	eventually(t, "streams are freed", func() error {
		if n := f.gateway.streams.open.Load(); n != 0 {
			return fmt.Errorf("%d are open", n)
		}
		return nil
	})
}

// eventually polls until condition returns nil.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within 10 s: %s: %v", what, err)
		}
	}
}
