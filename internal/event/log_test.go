package event_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/event"
	"geogate/internal/redistest"
)

func TestPublishIsIdempotent(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		l := event.New(rdb, event.Config{})
		flash := event.Publication{Type: "news.flash", Data: []byte(`{"n":1}`), Key: "k"}
		first := publish(t, l, flash)
		flash.Data = []byte("{ \"n\" : 1 }\n")
		id, replayed, err := l.Publish(t.Context(), flash)
		if err != nil || id != first || !replayed {
			t.Errorf("the same key again = %q, %v, %v, want %q, true", id, replayed, err, first)
		}
		flash.Data = []byte(`{"n":2}`)
		if _, _, err := l.Publish(t.Context(), flash); !errors.Is(err, event.ErrKeyReused) {
			t.Errorf("the key with other data: %v, want ErrKeyReused", err)
		}

		ride := event.Publication{Type: event.RequestMatched, Source: "default", Position: "9-9", Subject: "ride:1"}
		nine := publish(t, l, ride)
		ride.Position = "10-0"
		ten := publish(t, l, ride)
		if ten == nine {
			t.Errorf("a later position of the source was taken for an earlier one")
		}
		if again := publish(t, l, ride); again != ten {
			t.Errorf("the last position again = %q, want %q", again, ten)
		}
		ride.Position = "9-9"
		id, replayed, err = l.Publish(t.Context(), event.Publication{Type: ride.Type, Subject: ride.Subject, Data: []byte(`{}`), Source: ride.Source, Position: ride.Position})
		if err != nil || id != "" || !replayed {
			t.Errorf("an old position = %q, %v, %v, want nothing, replayed", id, replayed, err)
		}
		ride.Source = "other"
		publish(t, l, ride)

		events, err := l.Read(t.Context(), "", 100)
		if err != nil || len(events) != 4 {
			t.Fatalf("Read = %v, %v, want 4 events", events, err)
		}
		if got := events[0]; got.ID != first || got.Type != "news.flash" || string(got.Data) != `{"n":1}` || time.Since(got.At).Abs() > time.Minute {
			t.Errorf("first event = %+v", got)
		}
		if got := events[1]; got.ID != nine || got.Subject != "ride:1" {
			t.Errorf("second event = %+v", got)
		}
	})
}

func TestPublishRefuses(t *testing.T) {
	l := event.New(redistest.Start(t).Client(t), event.Config{})
	for _, row := range []struct {
		name string
		p    event.Publication
	}{
		{"no data", event.Publication{Type: "a"}},
		{"broken data", event.Publication{Type: "a", Data: []byte(`{`)}},
		{"too much data", event.Publication{Type: "a", Data: []byte(`"` + strings.Repeat("x", event.MaxData) + `"`)}},
		{"no type", event.Publication{Data: []byte(`1`)}},
		{"no position", event.Publication{Type: "a", Data: []byte(`1`), Source: "s"}},
	} {
		if _, _, err := l.Publish(t.Context(), row.p); !errors.Is(err, event.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", row.name, err)
		}
	}
	if _, err := l.Read(t.Context(), "evt_x", 1); !errors.Is(err, event.ErrInvalid) {
		t.Errorf("Read after a wrong id: %v, want ErrInvalid", err)
	}
}

func TestListenersReadEveryEvent(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		l := event.New(rdb, event.Config{})
		before := publish(t, l, event.Publication{Type: "before"})
		asynctest.Background(t, l.Run)

		const listeners, events = 5, 600 // more than the process remembers
		var group sync.WaitGroup
		for range listeners {
			wake, stop := l.Listen()
			group.Go(func() {
				defer stop()
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				for last, n := before, 0; n < events; {
					batch, err := l.Read(ctx, last, 7)
					if err != nil {
						t.Errorf("Read: %v", err)
						return
					}
					for _, e := range batch {
						if want := fmt.Sprintf(`{"n":%d}`, n); string(e.Data) != want {
							t.Errorf("event %d = %s, want %s", n, e.Data, want)
							return
						}
						last = e.ID
						n++
					}
					if len(batch) > 0 {
						continue
					}
					select {
					case <-wake:
					case <-ctx.Done():
						t.Errorf("no wake after %d events", n)
						return
					}
				}
			})
		}
		for n := range events {
			publish(t, l, event.Publication{Type: "a", Data: fmt.Appendf(nil, `{"n":%d}`, n)})
		}
		group.Wait()
	})
}

func TestListenersAreWokenAfterRedisWasAway(t *testing.T) {
	s := redistest.Start(t)
	l := event.New(s.Client(t), event.Config{})
	asynctest.Background(t, l.Run)
	wake, stop := l.Listen()
	defer stop()
	asynctest.Eventually(t, "first wake", func() bool {
		publish(t, l, event.Publication{Type: "a"})
		return poked(wake)
	})
	s.Stop()
	if _, _, err := l.Publish(t.Context(), event.Publication{Type: "a", Data: []byte(`1`)}); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("Publish without Redis: %v, want ErrUnavailable", err)
	}
	s.Restart(t)
	for poked(wake) {
	}
	asynctest.Eventually(t, "wake after the restart", func() bool {
		// The client library may need a second to notice that Redis is back.
		_, _, _ = l.Publish(t.Context(), event.Publication{Type: "a", Data: []byte(`1`)})
		return poked(wake)
	})
}

func poked(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
