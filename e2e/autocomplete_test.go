package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

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
	const pause = 2 * time.Second // whoever pauses so long is not typing
	typed := false
	for n := byte(0); !typed && n < 10; n++ { // until the machine does not pause
		word, typist := string('b'+n)+"erlin", fmt.Sprint("192.0.2.", 10+n)
		a := search("192.0.2.1", word)
		if a.Status == http.StatusServiceUnavailable {
			continue // it stood still for so long that calls could not be counted
		}
		if a.Status != http.StatusOK || a.Header.Get("X-Cache") != "MISS" {
			t.Errorf("%q: X-Cache %q, %s, want a miss", word, a.Header.Get("X-Cache"), a)
		}
		began := time.Now()
		for length := 1; length <= 3; length++ { // as people correct themselves
			if a := search(typist, word[:length]); a.Status != http.StatusOK {
				t.Errorf("%q: %s", word[:length], a)
			}
		}
		before := upstream.Calls()
		refused := []answer{search(typist, word[:4]), search(typist, word[:5])}
		whole, longer := search(typist, word), g.get(t, "/api?q="+word+"%20m", "X-Forwarded-For", typist)
		calls := upstream.Calls() - before
		if typed = time.Since(began) < pause; !typed {
			continue
		}
		for i, a := range refused {
			if a.Status != http.StatusTooManyRequests {
				t.Errorf("%q: %s, want 429", word[:4+i], a)
			}
		}
		if whole.Status != http.StatusOK || whole.Header.Get("X-Cache") != "HIT" {
			t.Errorf("%q: X-Cache %q, %s, want a hit", word, whole.Header.Get("X-Cache"), whole)
		}
		if p := wantProblem(t, longer, http.StatusTooManyRequests); p.Code != "autocomplete_forbidden" || p.Hint == "" {
			t.Errorf("problem %+v, want autocomplete_forbidden with a hint", p)
		}
		if calls != 0 {
			t.Errorf("%d calls for what is typed, want none", calls)
		}
		if a := search("192.0.2.99", word[:4]); a.Status != http.StatusOK {
			t.Errorf("another client: %s", a)
		}
	}
	if !typed {
		t.Error("the machine was never quick enough to type")
	}
}
