package gateway

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

func (f *fixture) publish(t *testing.T, kind string, n int) (id string) {
	t.Helper()
	var event struct{ ID string }
	answer := f.do(t, "POST /events", fmt.Sprintf(`{"type":%q,"data":%d}`, kind, n))
	if answer.StatusCode != 202 {
		t.Fatalf("publish = %d %s", answer.StatusCode, answer.body)
	}
	answer.json(t, &event)
	return event.ID
}

func TestStreamOfEvents(t *testing.T) {
	f := newFixture(t)
	f.publish(t, "news.flash", 0)
	s := f.open(t, "/events/stream?types=news.*,weather")
	blocks := s.blocks
	if s.status != 200 || s.header.Get("Content-Type") != "text/event-stream" || s.header.Get("Cache-Control") != "no-store" {
		t.Errorf("stream = %d %v", s.status, s.header)
	}
	first := f.publish(t, "news.flash", 1)
	f.publish(t, "sport", 2)
	second := f.publish(t, "weather", 3)
	got := nextEvent(t, blocks)
	var envelope struct {
		ID, Type  string
		Timestamp time.Time
		Data      int
	}
	if err := json.Unmarshal([]byte(got.data), &envelope); err != nil {
		t.Fatal(err)
	}
	if got.id != first || got.event != "news.flash" || envelope.ID != first || envelope.Type != "news.flash" || envelope.Data != 1 || envelope.Timestamp.IsZero() {
		t.Errorf("first event = %+v", got)
	}
	if got := nextEvent(t, blocks); got.id != second || got.event != "weather" {
		t.Errorf("second event = %+v, want the one of the types asked for", got)
	}
}

// A client that comes again, at whichever process, misses nothing.
func TestStreamOfEventsResumes(t *testing.T) {
	f := newFixture(t)
	first := f.publish(t, "a", 1)
	second, third := f.publish(t, "a", 2), f.publish(t, "a", 3)
	for _, where := range []*fixture{f, f.sibling(t)} {
		blocks := where.open(t, "/events/stream", "Last-Event-ID: "+first).blocks
		for _, want := range []string{second, third} {
			if got := nextEvent(t, blocks); got.id != want {
				t.Errorf("resumed with %s, want %s", got.id, want)
			}
		}
		blocks = where.open(t, "/events/stream?lastEventId="+second).blocks
		if got := nextEvent(t, blocks); got.id != third {
			t.Errorf("resumed with %s, want %s", got.id, third)
		}
	}
	// An event that is no longer kept: what there is follows, and a comment says so.
	blocks := f.open(t, "/events/stream", "Last-Event-ID: evt_1-0").blocks
	if opening := <-blocks; !opening.comment || !opening.retry {
		t.Errorf("opening = %+v, want it to tell of the gap", opening)
	}
	if got := nextEvent(t, blocks); got.id != first {
		t.Errorf("resumed with %s, want the oldest, %s", got.id, first)
	}
}

func TestStreamOfEventsOutlivesRedis(t *testing.T) {
	f := newFixture(t)
	blocks := f.open(t, "/events/stream").blocks
	f.publish(t, "a", 1)
	nextEvent(t, blocks)
	f.redis.Stop()
	f.redis.Restart(t)
	eventually(t, "published again", func() error {
		if got := f.do(t, "POST /events", `{"type":"b"}`); got.StatusCode != 202 {
			return fmt.Errorf("publish = %d", got.StatusCode)
		}
		return nil
	})
	if got := nextEvent(t, blocks); got.event != "b" {
		t.Errorf("event after the outage = %+v", got)
	}
}

func TestStreamOfEventsBeatsAndDrains(t *testing.T) {
	f := newFixture(t)
	f.gateway.heartbeat = 20 * time.Millisecond
	blocks := f.open(t, "/events/stream").blocks
	if hint := <-blocks; !hint.retry {
		t.Errorf("first block = %+v, want a retry hint", hint)
	}
	if beat := <-blocks; !beat.comment {
		t.Errorf("second block = %+v, want a comment", beat)
	}
	f.gateway.startDraining()
	all := rest(t, blocks)
	if last := all[len(all)-1]; !last.retry || !last.comment {
		t.Errorf("last block = %+v, want a retry hint", last)
	}
}
