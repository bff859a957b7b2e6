package upstream_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"geogate/upstream"
	"geogate/upstream/upstreamtest"
)

// newChain returns a chain over the given UPSTREAMS.
func newChain(t *testing.T, upstreams string, cfg upstream.Config) *upstream.Chain {
	t.Helper()
	specs, err := upstream.ParseSpecs(upstreams)
	if err != nil {
		t.Fatal(err)
	}
	c, err := upstream.New(specs, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// request returns the canonical request of a path and query such as
// "search?q=Vaduz".
func request(t *testing.T, url string) upstream.Request {
	t.Helper()
	path, query, _ := strings.Cut(url, "?")
	r, err := upstream.Canonical(upstream.Endpoint(path), upstream.ParseQuery(query), "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCallerLeaving(t *testing.T) {
	server := upstreamtest.New(t)
	server.SetFault(upstreamtest.Hang)
	fallback := upstreamtest.New(t)
	chain := newChain(t, "nominatim+"+server.URL+",nominatim+"+fallback.URL+"#name=other", upstream.Config{})
	for range 10 { // more than would open the breaker
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		before := server.Calls()
		go func() {
			_, err := chain.Geocode(ctx, request(t, "search?q=x"), upstream.People)
			left <- err
		}()
		eventually(t, func() bool { return server.Calls() > before })
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("Geocode: %v, want %v", err, context.Canceled)
		}
	}
	if n := fallback.Calls(); n != 0 {
		t.Errorf("the fallback was asked %d times for callers that had left", n)
	}
	s := chain.States()[0]
	if s.State != "up" || s.Calls["canceled"] != 10 {
		t.Errorf("State = %+v, want it up after 10 canceled calls", s)
	}
}

func TestUpstreamErrorsOfUsers(t *testing.T) {
	server := upstreamtest.New(t)
	chain := newChain(t, "nominatim+"+server.URL, upstream.Config{})
	for range 20 {
		a, err := chain.Geocode(t.Context(), request(t, "search?format=json"), upstream.People)
		if err != nil || a.Status != 400 || a.Outcome != upstream.Refused {
			t.Fatalf("Geocode = %+v, %v, want a refusal", a, err)
		}
	}
	if s := chain.States()[0]; s.State != "up" || s.Calls["refused"] != 20 {
		t.Errorf("State = %+v, want it up after 20 refusals", s)
	}
}
