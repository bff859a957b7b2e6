package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/identity"
	"geogate/internal/rate"
)

// What comes over a bus is answered as over HTTP, and counts for no client.
func TestCall(t *testing.T) {
	f := gatewaytest.New(t, func(c *gateway.Config) { c.RateLimit = gateway.RateLimit{Requests: 1, Per: time.Hour} })
	f.Do(t, "POST /tracking", `{"id":"7","lat":1,"lng":2}`)
	for range 3 {
		if status, body := f.Gateway.Call(t.Context(), "/search", []byte(`{"lat":1,"lng":2}`)); status != 200 || !strings.Contains(string(body), `"id":"7"`) {
			t.Errorf("Call = %d %s", status, body)
		}
	}
	if status, body := f.Gateway.Call(t.Context(), "/search", []byte(`{"lat":91,"lng":2}`)); status != 400 || !strings.Contains(string(body), `"code"`) {
		t.Errorf("Call = %d %s", status, body)
	}
}

// What comes over a bus acts with the key that is named for it: with its scopes, its
// limit and its use, and not at all once it is revoked.
func TestCallsActWithTheKeyOfTheBus(t *testing.T) {
	p := newPeople(t)
	limit := rate.Rate{Requests: 2, Per: time.Hour}
	key, kept, err := p.keys.Create(t.Context(), identity.Request{Role: identity.Rider, Subject: "bus", Rate: &limit})
	if err != nil {
		t.Fatal(err)
	}
	ledger := identity.NewLedger(p.Redis.Client(t), zerolog.Nop())
	bus := p.Sibling(t, func(c *gateway.Config) {
		c.TryingOut = false
		c.Identity = gateway.Identity{Authority: identity.New(p.keys, identity.Config{}), Anonymous: identity.Geocode, BusKey: key, Ledger: ledger}
	})
	p.Do(t, "POST /tracking", `{"lat":1.23456,"lng":2}`, p.as["7"])
	for i, want := range []string{`200 "lat":1.235`, `403 insufficient_scope`, `429 rate_limited`} {
		path := []string{"/search", "/tracking", "/search"}[i]
		status, body := bus.Gateway.Call(t.Context(), path, []byte(`{"lat":1.23456,"lng":2}`))
		if code, text, _ := strings.Cut(want, " "); fmt.Sprint(status) != code || !strings.Contains(string(body), text) {
			t.Errorf("call %d, %s = %d %s, want %s", i+1, path, status, body, want)
		}
	}
	if err := ledger.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := p.keys.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range list {
		if k.ID == kept.ID && k.Today.Requests != 3 {
			t.Errorf("the key of the bus has used %+v, want 3 requests", k.Today)
		}
	}
	if err := p.keys.Revoke(t.Context(), kept.ID); err != nil {
		t.Fatal(err)
	}
	if status, body := bus.Gateway.Call(t.Context(), "/search", []byte(`{"lat":1,"lng":2}`)); status != 401 {
		t.Errorf("with a revoked key = %d %s, want 401", status, body)
	}
	if status, body := p.Gateway.Call(t.Context(), "/search", []byte(`{"lat":1,"lng":2}`)); status != 401 {
		t.Errorf("without a key = %d %s, want 401: anonymous callers may geocode", status, body)
	}
	if status, body := p.Gateway.Call(t.Context(), "/api", []byte(`{"q":"vaduz"}`)); status != 200 {
		t.Errorf("a geocode without a key = %d %s, want 200", status, body)
	}
}
