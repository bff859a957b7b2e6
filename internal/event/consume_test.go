package event_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/event"
	"geogate/internal/redistest"
)

// collector is a handler that notes what it was given.
type collector struct {
	mu   sync.Mutex
	data []string
	fail func(n int) error // n: how many were taken so far
}

func (c *collector) handle(_ context.Context, events []event.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		if err := c.fail(len(c.data)); err != nil {
			return err
		}
	}
	for _, e := range events {
		c.data = append(c.data, string(e.Data))
	}
	return nil
}

func (c *collector) seen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.data)
}

func consume(t *testing.T, l *event.Log, group string, c *collector) (stop func()) {
	t.Helper()
	return asynctest.Background(t, func(ctx context.Context) error { return l.Consume(ctx, group, c.handle) })
}

func numbers(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(i)
	}
	return list
}

func TestConsumeHandsOnInOrderAndOnce(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		const n = 450
		var shared collector // of two processes of one group
		var other collector  // of another group, which fails now and then
		failures := 0
		other.fail = func(int) error {
			if failures++; failures%3 == 1 {
				return errors.New("not now")
			}
			return nil
		}
		logs := []*event.Log{event.New(rdb, event.Config{}), event.New(rdb, event.Config{})}
		for i := range n {
			publish(t, logs[0], event.Publication{Type: "a", Data: fmt.Append(nil, i)})
			if i == n/3 {
				for _, l := range logs {
					asynctest.Background(t, l.Run)
					consume(t, l, "shared", &shared)
				}
				consume(t, logs[0], "other", &other)
			}
		}
		for name, c := range map[string]*collector{"shared": &shared, "other": &other} {
			asynctest.Eventually(t, name+" has everything", func() bool { return len(c.seen()) >= n })
			if got := c.seen(); !slices.Equal(got, numbers(n)) {
				t.Errorf("%s got %d events, not each once and in order", name, len(got))
			}
		}
	})
}

// A process that ends gives its lease back; one that dies keeps it until it lapses.
// Either way, what it had in hand comes first for its successor.
func TestConsumeTakesOver(t *testing.T) {
	for _, row := range []struct {
		name string
		dies bool
	}{{"from one that ends", false}, {"from one that dies", true}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			rdb := s.Client(t)
			first, heir := event.New(rdb, event.Config{}), event.New(s.Client(t), event.Config{})
			for i := range 3 {
				publish(t, first, event.Publication{Type: "a", Data: fmt.Append(nil, i)})
			}
			inHand := make(chan int)
			end := asynctest.Background(t, func(ctx context.Context) error {
				return first.Consume(ctx, "g", func(ctx context.Context, events []event.Event) error {
					select {
					case inHand <- len(events):
					case <-ctx.Done():
					}
					<-ctx.Done()
					return ctx.Err()
				})
			})
			if got := <-inHand; got != 3 {
				t.Fatalf("first process got %d events, want 3", got)
			}
			publish(t, first, event.Publication{Type: "a", Data: []byte("3")})
			var c collector
			consume(t, heir, "g", &c)
			if len(c.seen()) != 0 {
				t.Error("a second process reads while the first holds the lease")
			}
			if row.dies {
				_ = rdb.Close() // from here on it says nothing to Redis
			}
			end()
			asynctest.Eventually(t, "the heir has everything", func() bool { return len(c.seen()) >= 4 })
			if got := c.seen(); !slices.Equal(got, numbers(4)) {
				t.Errorf("the heir got %v, want %v", got, numbers(4))
			}
		})
	}
}

func TestConsumeGoesOnAfterTheStreamVanished(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		l := event.New(rdb, event.Config{})
		asynctest.Background(t, l.Run)
		var c collector
		consume(t, l, "g", &c)
		publish(t, l, event.Publication{Type: "a", Data: []byte("0")})
		asynctest.Eventually(t, "first event", func() bool { return len(c.seen()) == 1 })
		if err := rdb.Del(t.Context(), event.StreamKey).Err(); err != nil {
			t.Fatal(err)
		}
		publish(t, l, event.Publication{Type: "a", Data: []byte("1")})
		asynctest.Eventually(t, "event of the new stream", func() bool { return slices.Equal(c.seen(), numbers(2)) })
	})
}

func TestTrimKeepsWhatIsUnread(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		const n = 700
		l := event.New(rdb, event.Config{MaxLen: 50, MaxUnread: 600})
		var c collector
		stop := consume(t, l, "g", &c)
		publish(t, l, event.Publication{Type: "a", Data: []byte("0")})
		asynctest.Eventually(t, "the group exists", func() bool { return len(c.seen()) == 1 })
		stop()
		for i := 1; i < n; i++ {
			publish(t, l, event.Publication{Type: "a", Data: fmt.Append(nil, i)})
		}
		length := func(what string, want int64) {
			t.Helper()
			if err := l.Trim(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := rdb.XLen(t.Context(), event.StreamKey).Val(); got != want {
				t.Errorf("%s: %d events kept, want %d", what, got, want)
			}
		}
		length("unread", 600)
		groups, err := l.Groups(t.Context())
		if err != nil || len(groups) != 1 || groups[0].Name != "g" || groups[0].Lag <= 0 {
			t.Errorf("Groups = %+v, %v, want g with a lag", groups, err)
		}
		consume(t, l, "g", &c)
		asynctest.Eventually(t, "the rest is read", func() bool { return len(c.seen()) == 601 })
		asynctest.Eventually(t, "the rest is acknowledged", func() bool {
			groups, err := l.Groups(t.Context())
			return err == nil && groups[0].Pending == 0 && groups[0].Lag == 0
		})
		length("read", 50)
		oldest, newest, err := l.Bounds(t.Context())
		if err != nil || !event.Before(oldest, newest) {
			t.Errorf("Bounds = %q, %q, %v", oldest, newest, err)
		}

		l = event.New(rdb, event.Config{MaxAge: 1})
		publish(t, l, event.Publication{Type: "a"})
		asynctest.Eventually(t, "everything is old", func() bool {
			return l.Trim(t.Context()) == nil && rdb.XLen(t.Context(), event.StreamKey).Val() == 0
		})
	})
}
