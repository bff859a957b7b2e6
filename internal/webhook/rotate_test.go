package webhook_test

import (
	"net/http"
	"testing"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/faultproxy"
	"geogate/internal/redistest"
	"geogate/internal/webhook"
)

// verified reports whether the receiver, knowing one secret, finds its signature on the
// next delivery.
func (h *house) verified(t *testing.T, r *receiver, secret string) bool {
	t.Helper()
	r.knows(secret)
	n := len(r.received())
	h.publish(t, "a", "", n)
	asynctest.Eventually(t, "delivered", func() bool { return len(r.received()) > n })
	return r.received()[n].err == nil
}

// The reply to a rotation is lost on its way from Redis, and the client library repeats
// it: the secret that receivers work with goes on working.
func TestRotationWhoseReplyIsLostKeepsTheWorkingSecret(t *testing.T) {
	server := redistest.Start(t)
	proxy := faultproxy.New(t, server.Addr, 0, 1)
	h := newHouse(t, server.Client(t), quick())
	r := newReceiver(t, status(http.StatusNoContent))
	s := h.subscribe(t, r)

	cut := webhook.NewRegistry(redistest.ClientAt(t, proxy.Addr, func(o *redis.Options) { o.MaxRetries = 1 }), nil, quick())
	if _, err := cut.Rotate(t.Context(), s.ID); err != nil { // loads the script
		t.Fatal(err)
	}
	proxy.LoseNext()
	after, err := cut.Rotate(t.Context(), s.ID)
	if err != nil || proxy.Lost() != 1 {
		t.Fatalf("Rotate: %v, %d replies lost", err, proxy.Lost())
	}
	if !h.verified(t, r, after.Secret) {
		t.Error("the new secret does not sign")
	}
	if !h.verified(t, r, s.Secret) {
		t.Error("the secret from before the rotation no longer signs")
	}
}

// The answer to a rotation is lost on its way to the client, who rotates again and never
// sees the secret in between.
func TestRotatingAgainKeepsTheWorkingSecret(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		h := newHouse(t, rdb, quick())
		r := newReceiver(t, status(http.StatusNoContent))
		s := h.subscribe(t, r)
		secrets := []string{s.Secret}
		for range 3 {
			after, err := h.Rotate(t.Context(), s.ID)
			if err != nil {
				t.Fatal(err)
			}
			secrets = append(secrets, after.Secret)
		}
		for i, secret := range secrets {
			if !h.verified(t, r, secret) {
				t.Errorf("secret %d of %d does not sign", i, len(secrets))
			}
		}
	})
}
