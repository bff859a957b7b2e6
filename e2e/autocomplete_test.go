package e2e

import (
	"net/http"
	"net/url"
	"testing"

	"geogate/upstream/upstreamtest"
)

// TestAutocompleteGuard types into a search box in front of a provider whose
// terms forbid that. What is cached is answered all the same.
func TestAutocompleteGuard(t *testing.T) {
	t.Parallel()
	upstream := upstreamtest.NewKind(t, "opencage")
	g := start(t, settings("UPSTREAMS", "opencage+"+upstream.URL+"?key=k#rate=100/s", "TRUSTED_PROXIES", "1"))
	search := func(client, q string) answer {
		return g.get(t, "/search?format=jsonv2&q="+url.QueryEscape(q), "X-Forwarded-For", client)
	}
	wantPlaces(t, search("192.0.2.1", "berlin"), "MISS")

	const typist = "192.0.2.2"
	for _, prefix := range []string{"b", "be", "ber"} { // as people correct themselves
		if a := search(typist, prefix); a.Status != http.StatusOK {
			t.Errorf("%q: %s", prefix, a)
		}
	}
	before := upstream.Calls()
	for _, prefix := range []string{"berl", "berli"} {
		if a := search(typist, prefix); a.Status != http.StatusTooManyRequests {
			t.Errorf("%q: %s, want 429", prefix, a)
		}
	}
	wantPlaces(t, search(typist, "berlin"), "HIT")
	p := wantProblem(t, g.get(t, "/api?q=berlin%20m", "X-Forwarded-For", typist), http.StatusTooManyRequests)
	if p.Code != "autocomplete_forbidden" || p.Hint == "" {
		t.Errorf("problem %+v, want autocomplete_forbidden with a hint", p)
	}
	if n := upstream.Calls() - before; n != 0 {
		t.Errorf("%d calls for what is typed, want none", n)
	}
	if a := search("192.0.2.3", "berl"); a.Status != http.StatusOK {
		t.Errorf("another client: %s", a)
	}
}
