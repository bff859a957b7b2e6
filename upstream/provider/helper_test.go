package provider_test

import (
	"strings"
	"testing"

	"geogate/upstream"
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
