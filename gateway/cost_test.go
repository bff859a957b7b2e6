package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/asynctest"
	"geogate/internal/identity"
	"geogate/internal/identity/identitytest"
)

// What a credential costs: the same request without one and with one by turns, so
// that both meet the same machine. "ratio" is how many of the one go into the time of
// the other.
func BenchmarkCredentials(b *testing.B) {
	f := gatewaytest.New(b)
	keys := identity.NewKeys(f.Redis.Client(b), zerolog.Nop())
	key, _, err := keys.Create(b.Context(), identity.Request{Role: identity.Driver, Subject: "7"})
	if err != nil {
		b.Fatal(err)
	}
	provider := identitytest.NewProvider(b)
	authority := identity.New(keys, identity.Config{
		Log: zerolog.Nop(), Provider: identity.ProviderConfig{Issuer: provider.URL, Audience: identitytest.Audience},
	})
	asynctest.Background(b, authority.Run)
	everything, err := identity.ParseAnonymous("all")
	if err != nil {
		b.Fatal(err)
	}
	f = f.Sibling(b, func(c *gateway.Config) {
		c.TryingOut, c.Log = false, zerolog.New(discard{})
		c.RateLimit = gateway.RateLimit{Requests: 1 << 40, Per: time.Minute}
		c.Identity = gateway.Identity{Authority: authority, Anonymous: everything, Ledger: identity.NewLedger(f.Redis.Client(b), zerolog.Nop())}
	})
	for _, row := range []struct{ name, method, target, body, credential string }{
		{"hit with a key", http.MethodGet, gatewaytest.Vaduz, "", key},
		{"hit with a token", http.MethodGet, gatewaytest.Vaduz, "", provider.Token(b, nil)},
		{"position with a key", http.MethodPost, "/tracking", `{"id":"7","lat":1,"lng":1}`, key},
		{"position with a token", http.MethodPost, "/tracking", `{"id":"7","lat":1,"lng":1}`, provider.Token(b, nil)},
	} {
		b.Run(row.name, func(b *testing.B) {
			took := map[string]time.Duration{}
			ask := func(credential string) {
				req := httptest.NewRequestWithContext(b.Context(), row.method, row.target, strings.NewReader(row.body))
				if credential != "" {
					req.Header.Set("Authorization", "Bearer "+credential)
				}
				w := &nowhere{header: http.Header{}}
				began := time.Now()
				f.Gateway.ServeHTTP(w, req)
				took[credential] += time.Since(began)
				if w.status != http.StatusOK {
					b.Fatalf("status %d", w.status)
				}
			}
			for range 100 { // what is fetched and remembered once
				ask("")
				ask(row.credential)
			}
			clear(took)
			for b.Loop() {
				ask("")
				ask(row.credential)
			}
			b.ReportMetric(float64(took[""].Nanoseconds())/float64(b.N), "ns/without")
			b.ReportMetric(float64(took[row.credential].Nanoseconds())/float64(b.N), "ns/with")
			b.ReportMetric(float64(took[""])/float64(took[row.credential]), "ratio")
		})
	}
}

// Somebody else's ride and one that does not exist take equally long to refuse, so
// that time tells nothing either. "ratio" is of the medians.
func BenchmarkForeignRide(b *testing.B) {
	h := newHouse(b)
	w := h.newWorld(b, gateway.RouteView{Method: http.MethodGet, Pattern: "/v2/requests/{id}"}, trial{})
	took := map[string][]time.Duration{}
	ask := func(id string) {
		req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v2/requests/"+id, nil)
		req.Header.Set("Authorization", "Bearer "+w.as["bob"])
		out := &nowhere{header: http.Header{}}
		began := time.Now()
		h.Gateway.ServeHTTP(out, req)
		took[id] = append(took[id], time.Since(began))
		if out.status != http.StatusNotFound {
			b.Fatalf("status %d", out.status)
		}
	}
	foreign, unknown := w.made["ride"], w.strangers.Replace("{ride}")
	for b.Loop() {
		ask(foreign)
		ask(unknown)
	}
	for _, times := range took {
		slices.Sort(times)
	}
	median := func(id string) float64 { return float64(took[id][len(took[id])/2]) }
	b.ReportMetric(median(foreign), "ns/foreign")
	b.ReportMetric(median(unknown), "ns/unknown")
	b.ReportMetric(median(foreign)/median(unknown), "ratio")
}
