package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
	"geogate/internal/webhook"
)

func TestRegisterRenewKeepaliveUnregister(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		h := newHouse(t, rdb, quick())
		reg := webhook.Registration{URL: "http://127.0.0.1:9/event", Types: []string{"request.*", "a"}}
		first, created, err := h.Register(t.Context(), reg)
		if err != nil || !created {
			t.Fatalf("Register = %v, %v", created, err)
		}
		if left := time.Until(first.ExpiresAt); left < time.Minute || left > webhook.DefaultTTL+time.Second ||
			!strings.HasPrefix(first.Secret, "whsec_") || first.State != webhook.Active || !slices.Equal(first.Types, reg.Types) {
			t.Errorf("Register = %+v", first)
		}
		again, created, err := h.Register(t.Context(), webhook.Registration{URL: "HTTP://127.0.0.1:9/event", TTL: time.Hour})
		if err != nil || created || again.ID != first.ID || again.Secret != first.Secret ||
			!slices.Equal(again.Types, reg.Types) || time.Until(again.ExpiresAt) < 50*time.Minute {
			t.Errorf("renewed = %+v, %v, %v", again, created, err)
		}
		kept, err := h.Keepalive(t.Context(), first.ID)
		if err != nil || kept.ExpiresAt.Before(again.ExpiresAt) || kept.LastKeepaliveAt.Before(again.LastKeepaliveAt) {
			t.Errorf("Keepalive = %+v, %v", kept, err)
		}
		other := h.register(t, "http://127.0.0.1:9/other")
		list, err := h.List(t.Context())
		if err != nil || len(list) != 2 {
			t.Errorf("List = %+v, %v", list, err)
		}
		if err := h.Unregister(t.Context(), first.ID); err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{
			"Unregister": h.Unregister(t.Context(), first.ID),
			"Keepalive":  second(h.Keepalive(t.Context(), first.ID)),
			"Rotate":     second(h.Rotate(t.Context(), first.ID)),
			"Test":       second(h.Test(t.Context(), first.ID)),
			"Subscriber": second(h.Subscriber(t.Context(), first.ID)),
			"Deliveries": second(h.Deliveries(t.Context(), first.ID, 1)),
			"Redeliver":  h.Redeliver(t.Context(), first.ID, "evt_1-1"),
			"Delivery":   second(h.Delivery(t.Context(), other.ID, "evt_1-1")),
		} {
			if !errors.Is(err, webhook.ErrNotFound) {
				t.Errorf("%s of nobody: %v, want ErrNotFound", name, err)
			}
		}
		if fresh := h.register(t, reg.URL); fresh.ID == first.ID || fresh.Secret == first.Secret {
			t.Error("a new registration has the id or the secret of an ended one")
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t, redistest.Start(t).Client(t), quick())
	for _, row := range []struct {
		name string
		reg  webhook.Registration
	}{
		{"too short", webhook.Registration{URL: "http://127.0.0.1/", TTL: time.Millisecond}},
		{"too long", webhook.Registration{URL: "http://127.0.0.1/", TTL: 25 * time.Hour}},
		{"negative", webhook.Registration{URL: "http://127.0.0.1/", TTL: -time.Hour}},
		{"wrong pattern", webhook.Registration{URL: "http://127.0.0.1/", Types: []string{"request *"}}},
		{"empty pattern", webhook.Registration{URL: "http://127.0.0.1/", Types: []string{""}}},
		{"no url", webhook.Registration{}},
	} {
		if _, _, err := h.Register(t.Context(), row.reg); !errors.Is(err, webhook.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", row.name, err)
		}
	}
	for i := range 1000 {
		h.register(t, fmt.Sprint("http://127.0.0.1:9/", i))
	}
	if _, _, err := h.Register(t.Context(), webhook.Registration{URL: "http://127.0.0.1/"}); !errors.Is(err, webhook.ErrFull) {
		t.Errorf("the 1001st: %v, want ErrFull", err)
	}
	h.register(t, "http://127.0.0.1:9/7") // renewing goes on
}

func TestGhostsAreDropped(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		h := newHouse(t, rdb, quick())
		ghost, _, err := h.Register(t.Context(), webhook.Registration{URL: "http://127.0.0.1:9/ghost", TTL: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		alive, _, err := h.Register(t.Context(), webhook.Registration{URL: "http://127.0.0.1:9/alive", TTL: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		asynctest.Eventually(t, "the ghost is gone and its traces too", func() bool {
			if _, err := h.Keepalive(t.Context(), alive.ID); err != nil {
				t.Fatalf("Keepalive of the living: %v", err)
			}
			keys, err := rdb.Keys(t.Context(), "*"+ghost.ID+"*").Result()
			return err == nil && len(keys) == 0
		})
		if _, err := h.Keepalive(t.Context(), ghost.ID); !errors.Is(err, webhook.ErrNotFound) {
			t.Errorf("Keepalive of the ghost: %v, want ErrNotFound", err)
		}
	})
}

func TestRotationSignsTwice(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		h := newHouse(t, rdb, quick())
		signatures := make(chan string, 10)
		r := newReceiver(t, func(_ http.ResponseWriter, req *http.Request, _ received) {
			signatures <- req.Header.Get("webhook-signature")
		})
		before := h.subscribe(t, r)
		after, err := h.Rotate(t.Context(), before.ID)
		if err != nil || after.Secret == before.Secret || time.Until(after.OldSecretUntil) < 23*time.Hour {
			t.Fatalf("Rotate = %+v, %v", after, err)
		}
		for _, secret := range []string{before.Secret, after.Secret} {
			r.knows(secret)
			n := len(r.received())
			h.publish(t, "a", "", secret[:6])
			asynctest.Eventually(t, "delivered", func() bool { return len(r.received()) > n })
			if err := r.received()[n].err; err != nil {
				t.Errorf("signature: %v", err)
			}
			if got := <-signatures; len(strings.Fields(got)) != 2 {
				t.Errorf("webhook-signature = %q, want two", got)
			}
		}
	})
}
