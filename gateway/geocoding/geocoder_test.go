package geocoding

import (
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"geogate/cache"
	"geogate/internal/asynctest"
	"geogate/internal/redistest"
	"geogate/upstream"
	"geogate/upstream/upstreamtest"
)

// A fallback's answer lives short, and never takes the place of a better one.
func TestFallback(t *testing.T) {
	first, second := upstreamtest.New(t), upstreamtest.New(t)
	const jsonType = "application/json; charset=utf-8"
	first.SetAnswer(&upstreamtest.Fixed{ContentType: jsonType, Body: `[{"place_id":1}]`})
	second.SetAnswer(&upstreamtest.Fixed{ContentType: jsonType, Body: `[{"place_id":2}]`})
	specs, err := upstream.ParseSpecs("nominatim+" + first.URL + "#name=first,nominatim+" + second.URL + "#name=second")
	if err != nil {
		t.Fatal(err)
	}
	chain, err := upstream.New(specs, upstream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(chain.Close)
	var ahead atomic.Int64
	store := cache.New(redistest.Start(t).Client(t), cache.Config{
		Memory: 1 << 20, RedisBudget: time.Minute,
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	asynctest.Background(t, store.Run)
	g := NewGeocoder(chain, store, Lifetimes{Fresh: time.Hour, Empty: 10 * time.Minute, Stale: 24 * time.Hour})
	lookup := func(q string) cache.Result {
		t.Helper()
		req, err := upstream.Canonical(upstream.Search, url.Values{"q": {q}}, "")
		if err != nil {
			t.Fatal(err)
		}
		res, err := g.Lookup(t.Context(), req, upstream.People, cache.Directives{})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}

	if res := lookup("ruggell"); res.Provider != "first" {
		t.Fatalf("%s answered, want first", res.Provider)
	}
	first.SetFault(upstreamtest.Failing(500))
	ahead.Store(int64(2 * time.Hour))
	for range 3 { // the refresh in the background finds a fallback only
		if res := lookup("ruggell"); res.Provider != "first" || res.Class != cache.Stale {
			t.Errorf("%s %s, want the stale answer of first", res.Class, res.Provider)
		}
	}
	if res := lookup("schaan"); res.Provider != "second" || res.Fresh != 10*time.Minute || res.Stale != 0 {
		t.Errorf("%s for %s and %s, want second for 10 minutes and no longer", res.Provider, res.Fresh, res.Stale)
	}
	first.SetFault(upstreamtest.Fault{})
	ahead.Store(int64(2*time.Hour + 11*time.Minute))
	deadline := time.After(time.Minute)
	for lookup("schaan").Provider != "first" { // as soon as its breaker lets it
		ahead.Add(int64(11 * time.Minute))
		select {
		case <-deadline:
			t.Fatal("the better source was not asked again")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestLife(t *testing.T) {
	chain, err := upstream.New(mustSpecs(t, "nominatim+http://127.0.0.1:9"), upstream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	g := NewGeocoder(chain, nil, Lifetimes{Fresh: 24 * time.Hour, Empty: 10 * time.Minute, Stale: 168 * time.Hour})
	search, status := mustCanonical(t, upstream.Search), mustCanonical(t, upstream.Status)
	tests := []struct {
		name         string
		req          upstream.Request
		answer       upstream.Answer
		fresh, stale time.Duration
	}{
		{"found", search, upstream.Answer{Outcome: upstream.Found}, 24 * time.Hour, 168 * time.Hour},
		{"empty", search, upstream.Answer{Outcome: upstream.Empty}, 10 * time.Minute, 168 * time.Hour},
		{"refused", search, upstream.Answer{Outcome: upstream.Refused}, 10 * time.Minute, 168 * time.Hour},
		{"of a fallback", search, upstream.Answer{Outcome: upstream.Found, After: upstream.AfterError}, 10 * time.Minute, 0},
		{"status", status, upstream.Answer{Outcome: upstream.Found}, statusTTL, 0},
		{"48 hours allowed", search, upstream.Answer{Outcome: upstream.Found, MaxTTL: 48 * time.Hour}, 24 * time.Hour, 24 * time.Hour},
		{"1 hour allowed", search, upstream.Answer{Outcome: upstream.Found, MaxTTL: time.Hour}, time.Hour, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if fresh, stale := g.life(tt.req, tt.answer); fresh != tt.fresh || stale != tt.stale {
				t.Errorf("fresh %s and stale %s, want %s and %s", fresh, stale, tt.fresh, tt.stale)
			}
		})
	}
}

func mustSpecs(t *testing.T, list string) []upstream.Spec {
	t.Helper()
	specs, err := upstream.ParseSpecs(list)
	if err != nil {
		t.Fatal(err)
	}
	return specs
}

func mustCanonical(t *testing.T, endpoint upstream.Endpoint) upstream.Request {
	t.Helper()
	req, err := upstream.Canonical(endpoint, url.Values{"q": {"a"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	return req
}
