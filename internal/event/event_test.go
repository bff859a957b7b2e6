package event_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"geogate/internal/event"
)

func TestBodyAndEnvelope(t *testing.T) {
	e := event.Event{
		ID: "evt_1763709000123-0", Type: "news.flash", Data: []byte(`{"a":1}`),
		At: time.Date(2025, 11, 21, 9, 10, 0, 123_999_999, time.FixedZone("", 3600)),
	}
	want := `{"type":"news.flash","timestamp":"2025-11-21T08:10:00.123Z","data":{"a":1}}`
	if got := string(e.Body()); got != want {
		t.Errorf("Body = %s, want %s", got, want)
	}
	want = `{"id":"evt_1763709000123-0",` + want[1:]
	if got := string(e.Envelope()); got != want {
		t.Errorf("Envelope = %s, want %s", got, want)
	}
}

func TestCheckType(t *testing.T) {
	for _, row := range []struct {
		name string
		want error
	}{
		{"news.flash", nil},
		{"news", nil},
		{"request.note", nil},
		{"request.matched", event.ErrReserved},
		{"driver.offline", event.ErrReserved},
		{"", event.ErrInvalid},
		{".news", event.ErrInvalid},
		{"news.", event.ErrInvalid},
		{"news..flash", event.ErrInvalid},
		{"news flash", event.ErrInvalid},
		{"news.*", event.ErrInvalid},
		{"news\nflash", event.ErrInvalid},
		{"nëws", event.ErrInvalid},
		{strings.Repeat("a", 129), event.ErrInvalid},
	} {
		if err := event.CheckType(row.name); !errors.Is(err, row.want) {
			t.Errorf("CheckType(%q) = %v, want %v", row.name, err, row.want)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, row := range []struct {
		patterns event.Patterns
		name     string
		want     bool
	}{
		{nil, "request.matched", true},
		{event.Patterns{"*"}, "request.matched", true},
		{event.Patterns{"request.*"}, "request.matched", true},
		{event.Patterns{"request.*"}, "request.matched.twice", true},
		{event.Patterns{"request.*"}, "request", false},
		{event.Patterns{"request.*"}, "requests.matched", false},
		{event.Patterns{"request.matched"}, "request.matched", true},
		{event.Patterns{"request.matched"}, "request.matched.twice", false},
		{event.Patterns{"driver.*", "news.flash"}, "news.flash", true},
		{event.Patterns{"driver.*"}, "news.flash", false},
	} {
		if got := row.patterns.Match(row.name); got != row.want {
			t.Errorf("%q.Match(%q) = %v, want %v", row.patterns, row.name, got, row.want)
		}
	}
	for _, bad := range []string{"", "*.matched", "request*", "re quest", "request.*.x", "**"} {
		if err := (event.Patterns{bad}).Check(); !errors.Is(err, event.ErrInvalid) {
			t.Errorf("Check(%q) = %v, want ErrInvalid", bad, err)
		}
	}
	if err := make(event.Patterns, event.MaxPatterns+1).Check(); !errors.Is(err, event.ErrInvalid) {
		t.Errorf("Check of too many = %v, want ErrInvalid", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, id := range []string{"", "evt_1-0", "evt_", "evt_-", "1-0", "evt_18446744073709551615-1", "evt_1-0-0"} {
		f.Add(id)
	}
	f.Fuzz(func(_ *testing.T, id string) {
		event.Before(id, "evt_1-1") // must not panic whatever a client sends
	})
}
