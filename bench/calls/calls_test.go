package main

import (
	"context"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"geogate/cache"
	"geogate/dispatch"
	"geogate/gateway"
	"geogate/internal/asynctest"
	"geogate/internal/event"
	"geogate/internal/identity"
	"geogate/internal/redistest"
	"geogate/upstream"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

// The short form of the benchmark, for geogate alone: nobody gets the answer to
// another question, and fewer calls are made than there are ways of writing.
func TestGeogateGivesNoWrongAnswer(t *testing.T) {
	tests := []struct {
		name  string
		cells []gateway.Cell
	}{
		{"exact positions", nil},
		{"reverse by cells", []gateway.Cell{{Metres: 25}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const seed = 3
			mix := newMix(seed, 1500)
			written, meant := map[string]bool{}, map[string]bool{}
			for _, r := range mix {
				m, err := r.meaning()
				if err != nil {
					t.Fatal(err)
				}
				written[r.target+"|"+r.header.Get("Accept-Language")], meant[m] = true, true
			}
			geocoder, err := startOrigin(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer geocoder.stop()
			s := play(t.Context(), startGeogate(t, geocoder.addr, tt.cells), mix, 100_000, geocoder)
			if s.failed > 0 || s.wrong > 0 {
				t.Errorf("seed %d: %d wrong answers and %d failures in %d, want none: %v", seed, s.wrong, s.failed, len(mix), s.first)
			}
			if s.calls > int64(len(meant)) {
				t.Errorf("seed %d: %d calls for %d questions written in %d ways", seed, s.calls, len(meant), len(written))
			}
		})
	}
}

// startGeogate serves a gateway over real HTTP and a real Redis; it returns its
// URL.
func startGeogate(t *testing.T, originAddr string, cells []gateway.Cell) string {
	t.Helper()
	specs, err := upstream.ParseSpecs("nominatim+http://" + originAddr)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := upstream.New(specs, upstream.Config{Wait: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(chain.Close)
	rdb := redistest.Start(t).Client(t)
	// A machine busy with other tests must not pass for a slow Redis.
	store := cache.New(rdb, cache.Config{Memory: 64 << 20, RedisBudget: 5 * time.Second})
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- store.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	lives := gateway.Lifetimes{Fresh: time.Hour, Empty: time.Hour, Stale: time.Hour}
	server := httptest.NewServer(gateway.New(gateway.NewGeocoder(chain, store, lives), dispatch.New(rdb, dispatch.Config{}),
		gateway.Events{Log: event.New(rdb, event.Config{})},
		func(ctx context.Context) error { return rdb.Ping(ctx).Err() }, gateway.Config{ReverseCells: cells, Identity: gateway.Identity{Anonymous: identity.Geocode}}))
	t.Cleanup(server.Close)
	return server.URL
}

// What the benchmark calls wrong has to be wrong, and nothing else.
func TestMeaning(t *testing.T) {
	tests := []struct {
		name, a, b string
		same       bool
	}{
		{"order", "/search?q=a&limit=1", "/search?limit=1&q=a", true},
		{"defaults", "/search?q=a", "/search?q=a&limit=10&dedupe=1&format=jsonv2&addressdetails=0", true},
		{"spelling", "/search?q=Z%C3%BCrich", "/search?q=zu%CC%88rich%20", true},
		{"noise", "/search?q=a&_=1", "/search?q=a&email=b", true},
		{"digits", "/reverse?lat=1&lon=2", "/reverse?lat=1.00000001&lon=2.0", true},
		{"address", "/search?q=a", "/search?q=b", false},
		{"comma", "/search?q=a,b", "/search?q=a+b", false},
		{"limit", "/search?q=a", "/search?q=a&limit=1", false},
		{"language", "/search?q=a", "/search?q=a&accept-language=de", false},
		{"order of languages", "/search?q=a&accept-language=de,en", "/search?q=a&accept-language=en,de", false},
		{"position", "/reverse?lat=1&lon=2", "/reverse?lat=1.0000001&lon=2", false},
		{"endpoint", "/reverse?lat=1&lon=2", "/lookup?lat=1&lon=2", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var of [2]string
			for i, target := range []string{tt.a, tt.b} {
				if _, err := url.Parse(target); err != nil {
					t.Fatal(err)
				}
				m, err := request{target: target}.meaning()
				if err != nil {
					t.Fatal(err)
				}
				of[i] = m
			}
			if got := of[0] == of[1]; got != tt.same {
				t.Errorf("meaning(%q) = %q, meaning(%q) = %q: same %v, want %v", tt.a, of[0], tt.b, of[1], got, tt.same)
			}
		})
	}
}
