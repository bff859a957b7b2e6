package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
	"geogate/internal/webhook"
)

// A subscription that needs no keepalives ends when its deliveries only fail: nothing
// else would ever end it.
func TestSubscriptionWithoutKeepalives(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		cfg := quick()
		cfg.Retries, cfg.DisableAfter = webhook.Schedule{10 * time.Millisecond}, 3
		h := newHouse(t, rdb, cfg)
		var well atomic.Bool
		well.Store(true)
		r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ received) {
			if !well.Load() {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		forever := true
		s, _, err := h.Register(t.Context(), webhook.Registration{URL: r.URL, Forever: &forever})
		if err != nil || !s.ExpiresAt.IsZero() || !s.Forever {
			t.Fatalf("Register = %+v, %v, want no end", s, err)
		}
		r.knows(s.Secret)
		for name, renew := range map[string]func() (webhook.Subscriber, error){
			"Keepalive": func() (webhook.Subscriber, error) { return h.Keepalive(t.Context(), s.ID) },
			"Register": func() (webhook.Subscriber, error) {
				again, _, err := h.Register(t.Context(), webhook.Registration{URL: r.URL})
				return again, err
			},
		} {
			if got, err := renew(); err != nil || got.ID != s.ID || !got.Forever || !got.ExpiresAt.IsZero() {
				t.Errorf("after %s: %+v, %v, want the same without an end", name, got, err)
			}
		}
		if list, err := h.List(t.Context()); err != nil || len(list) != 1 {
			t.Errorf("List = %+v, %v", list, err)
		}
		h.publish(t, "a", "", 0)
		asynctest.Eventually(t, "delivered", func() bool { return h.subscriber(t, s.ID).Delivered == 1 })
		well.Store(false)
		for i := range 3 {
			h.publish(t, "a", fmt.Sprint("ride:", i), i)
		}
		asynctest.Eventually(t, "removed", func() bool {
			_, err := h.Subscriber(t.Context(), s.ID)
			return errors.Is(err, webhook.ErrNotFound)
		})
		if again, created, err := h.Register(t.Context(), webhook.Registration{URL: r.URL}); err != nil || !created || again.Forever || again.ExpiresAt.IsZero() {
			t.Errorf("Register of the same URL = %+v, %t, %v, want a usual one", again, created, err)
		}
	})
}
