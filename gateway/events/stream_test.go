package events_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/event"
)

func publish(t *testing.T, f *gatewaytest.Fixture, kind string, n int) (id string) {
	t.Helper()
	var event struct{ ID string }
	answer := f.Do(t, "POST /events", fmt.Sprintf(`{"type":%q,"data":%d}`, kind, n))
	if answer.StatusCode != 202 {
		t.Fatalf("publish = %d %s", answer.StatusCode, answer.Text)
	}
	answer.JSON(t, &event)
	return event.ID
}

func TestStreamOfEvents(t *testing.T) {
	f := gatewaytest.New(t)
	publish(t, f, "news.flash", 0)
	s := f.Open(t, "/events/stream?types=news.*,weather")
	blocks := s.Blocks
	if s.Status != 200 || s.Header.Get("Content-Type") != "text/event-stream" || s.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("stream = %d %v", s.Status, s.Header)
	}
	first := publish(t, f, "news.flash", 1)
	publish(t, f, "sport", 2)
	second := publish(t, f, "weather", 3)
	got := gatewaytest.NextEvent(t, blocks)
	var envelope struct {
		ID, Type  string
		Timestamp time.Time
		Data      int
	}
	if err := json.Unmarshal([]byte(got.Data), &envelope); err != nil {
		t.Fatal(err)
	}
	if got.ID != first || got.Event != "news.flash" || envelope.ID != first || envelope.Type != "news.flash" || envelope.Data != 1 || envelope.Timestamp.IsZero() {
		t.Errorf("first event = %+v", got)
	}
	if got := gatewaytest.NextEvent(t, blocks); got.ID != second || got.Event != "weather" {
		t.Errorf("second event = %+v, want the one of the types asked for", got)
	}
}

// A client that comes again, at whichever process, misses nothing.
func TestStreamOfEventsResumes(t *testing.T) {
	f := gatewaytest.New(t)
	first := publish(t, f, "a", 1)
	second, third := publish(t, f, "a", 2), publish(t, f, "a", 3)
	for _, where := range []*gatewaytest.Fixture{f, f.Sibling(t)} {
		blocks := where.Open(t, "/events/stream", "Last-Event-ID: "+first).Blocks
		for _, want := range []string{second, third} {
			if got := gatewaytest.NextEvent(t, blocks); got.ID != want {
				t.Errorf("resumed with %s, want %s", got.ID, want)
			}
		}
		blocks = where.Open(t, "/events/stream?lastEventId="+second).Blocks
		if got := gatewaytest.NextEvent(t, blocks); got.ID != third {
			t.Errorf("resumed with %s, want %s", got.ID, third)
		}
	}
	// An event that is no longer kept: an event says so, and what there is follows.
	blocks := f.Open(t, "/events/stream?types=a", "Last-Event-ID: evt_1-0").Blocks
	if got := gatewaytest.NextEvent(t, blocks); got.Event != "gap" || got.Data != `{"after":"evt_1-0","type":"gap"}` {
		t.Errorf("opening = %+v, want it to tell of the gap", got)
	}
	if got := gatewaytest.NextEvent(t, blocks); got.ID != first {
		t.Errorf("resumed with %s, want the oldest, %s", got.ID, first)
	}
}

// Redis loses the end of the log while a stream is open, as in a failover. The stream
// says so, and goes on with what comes, though the new server's clock may be behind.
func TestStreamOfEventsTellsOfAGapInMidStream(t *testing.T) {
	f := gatewaytest.New(t)
	rdb := f.Redis.Client(t)
	ahead, err := rdb.XAdd(t.Context(), &redis.XAddArgs{
		Stream: event.StreamKey, ID: "9999999999999-0", Values: []string{"type", "a", "at", "1", "subject", "", "data", "1"},
	}).Result()
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]string{"a stream that was open": "", "a client that comes again": "Last-Event-ID: evt_" + ahead} {
		t.Run(name, func(t *testing.T) {
			blocks := f.Open(t, "/events/stream", open).Blocks
			<-blocks
			if err := rdb.Del(t.Context(), event.StreamKey).Err(); err != nil {
				t.Fatal(err)
			}
			first := publish(t, f, "b", 1)
			if got := gatewaytest.NextEvent(t, blocks); got.Event != "gap" {
				t.Errorf("first event = %+v, want one that tells of the gap", got)
			}
			next := publish(t, f, "b", 2)
			got := gatewaytest.NextEvent(t, blocks)
			if got.ID == first { // the stream has looked before it was published
				got = gatewaytest.NextEvent(t, blocks)
			}
			if got.ID != next {
				t.Errorf("next event = %+v, want %s", got, next)
			}
			if _, err := rdb.XAdd(t.Context(), &redis.XAddArgs{
				Stream: event.StreamKey, ID: ahead, Values: []string{"type", "a", "at", "1", "subject", "", "data", "1"},
			}).Result(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestStreamOfEventsOutlivesRedis(t *testing.T) {
	f := gatewaytest.New(t)
	blocks := f.Open(t, "/events/stream").Blocks
	publish(t, f, "a", 1)
	gatewaytest.NextEvent(t, blocks)
	f.Redis.Stop()
	f.Redis.Restart(t)
	gatewaytest.Eventually(t, "published again", func() error {
		if got := f.Do(t, "POST /events", `{"type":"b"}`); got.StatusCode != 202 {
			return fmt.Errorf("publish = %d", got.StatusCode)
		}
		return nil
	})
	got := gatewaytest.NextEvent(t, blocks)
	if got.Event == "gap" { // the stream has looked while Redis was empty
		got = gatewaytest.NextEvent(t, blocks)
	}
	if got.Event != "b" {
		t.Errorf("event after the outage = %+v", got)
	}
}

func TestStreamOfEventsBeatsAndDrains(t *testing.T) {
	f := gatewaytest.New(t, func(c *gateway.Config) { c.Heartbeat = 20 * time.Millisecond })
	blocks := f.Open(t, "/events/stream").Blocks
	if hint := <-blocks; !hint.Retry {
		t.Errorf("first block = %+v, want a retry hint", hint)
	}
	if beat := <-blocks; !beat.Comment {
		t.Errorf("second block = %+v, want a comment", beat)
	}
	f.Gateway.Drain()
	all := gatewaytest.Rest(t, blocks)
	if last := all[len(all)-1]; !last.Retry || !last.Comment {
		t.Errorf("last block = %+v, want a retry hint", last)
	}
}
