package event_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/event"
	"geogate/internal/faultproxy"
	"geogate/internal/redistest"
)

func TestFollowTellsOfGaps(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		l := event.New(rdb, event.Config{MaxLen: 2, MaxUnread: 2})
		var ids []string
		for range 5 {
			ids = append(ids, publish(t, l, event.Publication{Type: "a"}))
		}
		if err := l.Trim(t.Context()); err != nil { // three go
			t.Fatal(err)
		}
		for _, row := range []struct {
			name  string
			after string
			gap   bool
			first string
		}{
			{"from the beginning", "", false, ids[3]},
			{"the event before was removed too", ids[1], true, ids[3]},
			{"the last that was removed", ids[2], false, ids[3]},
			{"one that is kept", ids[3], false, ids[4]},
			{"one that Redis has lost, among those it has", ids[3] + "99", true, ""},
			{"one that Redis has lost, beyond those it has", "evt_9999999999999-0", true, ""},
		} {
			page, err := l.Follow(t.Context(), row.after, 10)
			if err != nil || page.Gap != row.gap {
				t.Errorf("%s: gap %v, %v, want %v", row.name, page.Gap, err, row.gap)
			}
			if row.first != "" && (len(page.Events) == 0 || page.Events[0].ID != row.first) {
				t.Errorf("%s: it goes on with %v, want %s", row.name, page.Events, row.first)
			}
			if page.Next != ids[4] {
				t.Errorf("%s: Next = %s, want the newest, %s", row.name, page.Next, ids[4])
			}
		}
	})
}

// The reply to a publication without a key is lost, and the client library repeats it.
func TestPublishingWithoutAKeyIsNotRepeated(t *testing.T) {
	server := redistest.Start(t)
	proxy := faultproxy.New(t, server.Addr, 0, 1)
	l := event.New(redistest.ClientAt(t, proxy.Addr, func(o *redis.Options) { o.MaxRetries = 1 }), event.Config{})
	publish(t, l, event.Publication{Type: "a"}) // loads the script
	proxy.LoseNext()
	id, replayed, err := l.Publish(t.Context(), event.Publication{Type: "a", Data: []byte(`{}`)})
	if err != nil || replayed || id == "" || proxy.Lost() != 1 {
		t.Fatalf("Publish = %q, %v, %v with %d replies lost", id, replayed, err, proxy.Lost())
	}
	if n := server.Client(t).XLen(t.Context(), event.StreamKey).Val(); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

// A source lost its last events in a failover, and the clock of the server that took over
// is behind: what is new has positions that were used before.
func TestASlowerClockSwallowsNothing(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		l := event.New(rdb, event.Config{})
		handOver := func(subjects map[string]string, positions ...string) {
			t.Helper()
			var batch []event.Publication
			for _, position := range positions {
				batch = append(batch, event.Publication{
					Type: event.RequestMatched, Source: "default", Position: position,
					Subject: subjects[position], Data: []byte(`{}`), At: time.UnixMilli(1),
				})
			}
			if err := l.PublishAll(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
		lost := map[string]string{"1-0": "a", "2-0": "b", "9-0": "c"}
		handOver(lost, "1-0", "2-0", "9-0")
		present := map[string]string{"1-0": "a", "2-0": "b", "8-0": "d", "9-0": "e"}
		handOver(present, "2-0", "8-0") // b was handed over before
		handOver(present, "2-0", "8-0", "9-0")
		handOver(lost, "1-0", "2-0", "9-0")
		events, err := l.Read(t.Context(), "", 100)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for _, e := range events {
			got += e.Subject
		}
		if got != "abcde" {
			t.Errorf("the log has %s, want abcde: each event once", got)
		}
	})
}

// NATS_URL was taken out of the configuration: its group must not pin the log.
func TestAGroupThatNobodyReadsPinsNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	l := event.New(rdb, event.Config{MaxLen: 10, MaxUnread: 1000, GroupLife: time.Hour})
	var left, stays collector
	stop := consume(t, l, "left", &left)
	consume(t, l, "stays", &stays)
	publish(t, l, event.Publication{Type: "a", Data: []byte("0")})
	asynctest.Eventually(t, "both groups read", func() bool { return len(left.seen()) == 1 && len(stays.seen()) == 1 })
	stop()
	for range 100 {
		publish(t, l, event.Publication{Type: "a"})
	}
	// A stop of the reader that is shorter than GroupLife costs nothing.
	if err := l.Trim(t.Context()); err != nil || rdb.XLen(t.Context(), event.StreamKey).Val() < 100 {
		t.Fatalf("after a moment: %v, %d events kept, want those unread", err, rdb.XLen(t.Context(), event.StreamKey).Val())
	}
	l = event.New(rdb, event.Config{MaxLen: 10, MaxUnread: 1000, GroupLife: 4 * time.Second})
	asynctest.Eventually(t, "the log is trimmed", func() bool {
		return l.Trim(t.Context()) == nil && rdb.XLen(t.Context(), event.StreamKey).Val() == 10
	})
	groups, err := l.Groups(t.Context())
	if err != nil || len(groups) != 1 || groups[0].Name != "stays" {
		t.Errorf("Groups = %+v, %v, want the one that is read", groups, err)
	}
	asynctest.Eventually(t, "the group that stays has every event", func() bool { return len(stays.seen()) == 101 })
}
