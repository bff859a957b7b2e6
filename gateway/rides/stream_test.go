package rides_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
)

func TestRideEvents(t *testing.T) {
	f := gatewaytest.New(t)
	var ride gatewaytest.Ride
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)
	s := f.Open(t, "/v2/requests/"+ride.RequestID+"/events")
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
	} {
		if got := s.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if first := <-s.Blocks; !first.Retry {
		t.Errorf("the stream begins with %+v, want a hint when to come again", first)
	}
	snapshot := gatewaytest.NextEvent(t, s.Blocks)
	plain := f.Do(t, "GET /v2/requests/"+ride.RequestID, "")
	if !strings.HasPrefix(snapshot.ID, "1-") || snapshot.Event != "searching" || snapshot.Data != strings.TrimSpace(plain.Text) {
		t.Errorf("first event %+v, want the ride as it is: %s", snapshot, plain.Text)
	}

	f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago)
	matched := gatewaytest.NextEvent(t, s.Blocks)
	if !strings.HasPrefix(matched.ID, "2-") || matched.Event != "matched" || !strings.Contains(matched.Data, `"driver":{"id":"1"`) {
		t.Errorf("second event %+v, want the match", matched)
	}
	f.Do(t, "POST /v2/complete", `{"request_id":"`+ride.RequestID+`"}`)
	if got := gatewaytest.EventsOf(gatewaytest.Rest(t, s.Blocks)); !slices.Equal(got, []string{"3 completed"}) {
		t.Errorf("the stream went on with %q, want the end and nothing after it", got)
	}
}

// A stream goes on after the version that the client names, without a gap.
func TestRideEventsResume(t *testing.T) {
	f := gatewaytest.New(t)
	f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago)
	var ride gatewaytest.Ride
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride) // versions 1 and 2
	f.Do(t, "POST /v2/complete", `{"request_id":"`+ride.RequestID+`"}`)
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
			s := f.Open(t, "/v2/requests/"+ride.RequestID+"/events"+tt.query, tt.header)
			if got := gatewaytest.EventsOf(gatewaytest.Rest(t, s.Blocks)); s.Status != 200 || !slices.Equal(got, tt.want) {
				t.Errorf("%d %q, want %q", s.Status, got, tt.want)
			}
		})
	}
	// A browser comes again after every end, unless it is told 204.
	if got := f.Do(t, "GET /v2/requests/"+ride.RequestID+"/events", "", "Last-Event-ID: 3"); got.StatusCode != 204 {
		t.Errorf("after the end was seen: %d, want 204", got.StatusCode)
	}
	if got := f.Do(t, "HEAD /v2/requests/"+ride.RequestID+"/events", ""); got.StatusCode != 200 || got.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", got.StatusCode, got.Header)
	}
}

// Silent streams stay open, whatever time limits the server has for answers
// that are whole at some time, and end cleanly when the gateway drains.
func TestRideEventsHeartbeatAndDrain(t *testing.T) {
	const limit = time.Second
	f := gatewaytest.New(t, func(c *gateway.Config) { c.Heartbeat = limit / 20 })
	server := httptest.NewUnstartedServer(f.Gateway)
	server.Config.ReadTimeout, server.Config.WriteTimeout = limit, limit
	server.Start()
	defer server.Close()
	limited := *f
	limited.Server = server

	var ride gatewaytest.Ride
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)
	s := limited.Open(t, "/v2/requests/"+ride.RequestID+"/events")
	gatewaytest.NextEvent(t, s.Blocks)
	opened := time.Now()
	for n := 0; n < 10 || time.Since(opened) < 2*limit; {
		select {
		case b, open := <-s.Blocks:
			if !open {
				t.Fatalf("the stream ended after %d comments", n)
			}
			if b.Comment {
				n++
			}
		case <-time.After(time.Minute):
			t.Fatalf("%d comments and no more", n)
		}
	}
	f.Gateway.Drain()
	all := gatewaytest.Rest(t, s.Blocks)
	if last := all[len(all)-1]; !last.Retry {
		t.Errorf("the stream ends with %+v, want a hint when to come again", last)
	}
}

// A stream outlives an outage of Redis, and ends when its ride has vanished.
func TestRideEventsWithoutRedis(t *testing.T) {
	f := gatewaytest.New(t, func(c *gateway.Config) { c.Heartbeat = 50 * time.Millisecond })
	var ride, other gatewaytest.Ride
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)
	f.Do(t, "POST /v2/search", `{"lat":10,"lng":10}`).JSON(t, &other)
	s := f.Open(t, "/v2/requests/"+ride.RequestID+"/events")
	gatewaytest.NextEvent(t, s.Blocks)
	f.Redis.Stop()
	for comments := 0; comments < 3; {
		select {
		case b, open := <-s.Blocks:
			if !open {
				t.Fatal("the stream ended with Redis")
			}
			if b.Comment {
				comments++
			}
		case <-time.After(time.Minute):
			t.Fatal("no comments while Redis is down")
		}
	}
	if got := f.Do(t, "GET /v2/requests/"+other.RequestID+"/events", ""); got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("a new stream without Redis: %d, want 503 with Retry-After", got.StatusCode)
	}
	f.Redis.Restart(t) // empty: the ride has vanished
	if got := gatewaytest.EventsOf(gatewaytest.Rest(t, s.Blocks)); len(got) != 0 {
		t.Errorf("events %q of a ride that is gone", got)
	}
	gatewaytest.Eventually(t, "the stream of a ride that is gone is 404", func() error { // connections come back one by one
		if got := f.Do(t, "GET /v2/requests/"+ride.RequestID+"/events", "", "Last-Event-ID: 1"); got.StatusCode != 404 {
			return fmt.Errorf("it is %d", got.StatusCode)
		}
		return nil
	})
}

// The number of streams is bounded, and a client that goes away frees its one.
func TestRideEventsBound(t *testing.T) {
	f := gatewaytest.New(t, func(cfg *gateway.Config) { cfg.MaxStreams = 2 })
	var ride gatewaytest.Ride
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)
	var leave []context.CancelFunc
	for range 2 {
		s := f.Open(t, "/v2/requests/"+ride.RequestID+"/events")
		gatewaytest.NextEvent(t, s.Blocks)
		leave = append(leave, s.Leave)
	}
	refused := f.Do(t, "GET /v2/requests/"+ride.RequestID+"/events", "")
	var p gatewaytest.Problem
	refused.JSON(t, &p)
	if refused.StatusCode != 503 || p.Code != "too_many_streams" || refused.Header.Get("Retry-After") == "" {
		t.Errorf("the third stream: %d %s, want 503 too_many_streams with Retry-After", refused.StatusCode, refused.Text)
	}
	for _, cancel := range leave {
		cancel()
	}
	gatewaytest.Eventually(t, "streams are freed", func() error {
		if !strings.Contains(f.Figures(t), "\ngeogate_event_streams 0\n") {
			return errors.New("some are open")
		}
		return nil
	})
}
