package geocoding

import (
	"errors"
	"fmt"
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

// pair is two processes with one Redis, in front of a first choice that knows
// place 1 and a fallback that knows place 2, wherever they are asked for it.
type pair struct {
	first, second *upstreamtest.Server
	one, two      *Geocoder
	ahead         atomic.Int64 // how far the clocks of both caches are ahead
}

func newPair(t *testing.T, options string) *pair {
	t.Helper()
	p := &pair{first: upstreamtest.New(t), second: upstreamtest.New(t)}
	p.first.SetAnswer(upstreamtest.Places(1))
	p.second.SetAnswer(upstreamtest.Places(2))
	rs := redistest.Start(t)
	list := fmt.Sprintf("nominatim+%s#name=first%s,nominatim+%s#name=second", p.first.URL, options, p.second.URL)
	for _, g := range []**Geocoder{&p.one, &p.two} {
		chain, err := upstream.New(mustSpecs(t, list), upstream.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(chain.Close)
		store := cache.New(rs.Client(t), cache.Config{
			Memory: 1 << 20, RedisBudget: time.Minute,
			Now: func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) },
		})
		asynctest.Background(t, store.Run)
		asynctest.Eventually(t, "the cache listens", func() bool { return store.Stats().Listening })
		*g = NewGeocoder(chain, store, Lifetimes{Fresh: time.Hour, Empty: 10 * time.Minute, Stale: 168 * time.Hour})
	}
	return p
}

func (p *pair) pass(d time.Duration) { p.ahead.Add(int64(d)) }

func (p *pair) look(t *testing.T, g *Geocoder, d cache.Directives) (cache.Result, error) {
	t.Helper()
	req, err := upstream.Canonical(upstream.Search, url.Values{"q": {"ruggell"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	return g.Lookup(t.Context(), req, upstream.People, d)
}

// want looks and compares who answers, and what the cache did.
func (p *pair) want(t *testing.T, g *Geocoder, d cache.Directives, class cache.Class, from string, outcome upstream.Outcome) {
	t.Helper()
	res, err := p.look(t, g, d)
	if err != nil {
		t.Errorf("Lookup: %v, want %s of %s", err, class, from)
		return
	}
	if res.Class != class || res.Provider != from || res.Outcome != string(outcome) {
		t.Errorf("Lookup = %s %s of %s, want %s %s of %s", res.Class, res.Outcome, res.Provider, class, outcome, from)
	}
}

var (
	plain  = cache.Directives{}
	forced = cache.Directives{NoCache: true}
)

// Whoever forces a refresh while the first choice is down, in whatever way:
// everyone keeps its good answer.
func TestForcedRefreshInAnOutageLeavesTheAnswer(t *testing.T) {
	for name, fault := range map[string]upstreamtest.Fault{
		"500": upstreamtest.Failing(500), "hanging": upstreamtest.Hang, "dripping": upstreamtest.Drip, "HTML": upstreamtest.HTML,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := ""
			if fault == upstreamtest.Hang || fault == upstreamtest.Drip {
				options = "&timeout=2s" // nobody is that slow who answers
			}
			p := newPair(t, options)
			p.want(t, p.one, plain, cache.Miss, "first", upstream.Found)
			p.want(t, p.two, plain, cache.Hit, "first", upstream.Found)
			p.first.SetFault(fault)

			p.second.SetAnswer(nil) // it knows nothing
			p.want(t, p.two, forced, cache.Stale, "first", upstream.Found)
			p.second.SetAnswer(upstreamtest.Places(2))
			res, err := p.look(t, p.two, forced)
			if err != nil || res.Provider != "second" || res.Stored {
				t.Errorf("Lookup = %+v, %v, want what the fallback found, not stored", res.Entry, err)
			}
			for _, g := range []*Geocoder{p.one, p.two} {
				p.want(t, g, plain, cache.Hit, "first", upstream.Found)
			}
		})
	}
}

// That a fallback knows nothing says little after an error, and is not kept.
func TestNothingOfAFallbackIsNoAnswer(t *testing.T) {
	for name, answer := range map[string]*upstreamtest.Fixed{
		"empty":   nil,
		"refused": {Status: 400, ContentType: "application/json", Body: `{"error":{"code":400,"message":"no"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, "")
			p.second.SetAnswer(answer)
			p.first.SetFaultFor(upstreamtest.Failing(500), 1)
			if res, err := p.look(t, p.one, plain); !errors.Is(err, upstream.ErrUnavailable) {
				t.Errorf("Lookup = %+v, %v, want the first one's %v", res.Entry, err, upstream.ErrUnavailable)
			}
			p.want(t, p.two, plain, cache.Miss, "first", upstream.Found)
		})
	}
}

// Refreshes of a key spend nothing on the fallback, and little on a first
// choice that fails.
func TestRefreshesDoNotBurnTheBudget(t *testing.T) {
	p := newPair(t, "")
	p.want(t, p.one, plain, cache.Miss, "first", upstream.Found)
	p.first.SetFault(upstreamtest.Failing(500))
	p.pass(2 * time.Hour)
	before := p.first.Calls()
	for range 600 {
		p.want(t, p.one, plain, cache.Stale, "first", upstream.Found)
		// A refresh, if one is due, is over before the next second.
		asynctest.Eventually(t, "refreshes end", func() bool {
			s := p.one.Cache().Stats()
			return s.RefreshErrors > 0 && s.Refreshes == s.RefreshErrors
		})
		p.pass(time.Second)
	}
	if n := p.first.Calls() - before; n == 0 || n > 9 {
		t.Errorf("%d calls of the first choice in ten minutes, want 1 to 9", n)
	}
	if n := p.second.Calls(); n != 0 {
		t.Errorf("%d calls of the fallback, want none", n)
	}
}

// What only the fallback knows counts in full after an empty answer, and is
// renewed by asking both.
func TestRefreshOfWhatOnlyTheFallbackKnows(t *testing.T) {
	p := newPair(t, "&on_empty=next")
	p.first.SetAnswer(nil)
	p.want(t, p.one, plain, cache.Miss, "second", upstream.Found)
	if res, err := p.look(t, p.one, plain); err != nil || res.Fresh != time.Hour || res.Stale != 168*time.Hour {
		t.Errorf("it lives %s and %s, %v, want an hour and 168 h", res.Fresh, res.Stale, err)
	}
	p.pass(2 * time.Hour)
	p.want(t, p.one, plain, cache.Stale, "second", upstream.Found)
	asynctest.Eventually(t, "the refresh succeeds", func() bool {
		res, err := p.look(t, p.one, plain)
		return err == nil && res.Class == cache.Hit
	})
	if a, b := p.first.Calls(), p.second.Calls(); a != 2 || b != 2 {
		t.Errorf("%d and %d calls, want 2 of each", a, b)
	}
}

// The first choice has forgotten a place that the fallback knows. The refresh
// does not ask the fallback; the next person waits until it is asked.
func TestRefreshFindsAnAnswerOutdated(t *testing.T) {
	p := newPair(t, "&on_empty=next")
	p.want(t, p.one, plain, cache.Miss, "first", upstream.Found)
	p.first.SetAnswer(nil)
	p.pass(2 * time.Hour)
	p.want(t, p.one, plain, cache.Stale, "first", upstream.Found)
	asynctest.Eventually(t, "the refresh ends", func() bool { return p.one.Cache().Stats().RefreshErrors == 1 })
	if n := p.second.Calls(); n != 0 {
		t.Errorf("the refresh asked the fallback %d times", n)
	}
	p.want(t, p.one, plain, cache.Miss, "second", upstream.Found)
	p.want(t, p.two, plain, cache.Hit, "second", upstream.Found)
}

// A stale "nothing there" is served only when asking failed.
func TestNothingIsServedStaleAsALastResort(t *testing.T) {
	p := newPair(t, "")
	p.first.SetAnswer(nil)
	p.want(t, p.one, plain, cache.Miss, "first", upstream.Empty)
	p.pass(6 * 24 * time.Hour)
	p.first.SetFault(upstreamtest.Failing(500))
	p.second.SetFault(upstreamtest.Failing(500))
	p.want(t, p.one, plain, cache.Stale, "first", upstream.Empty)
	p.want(t, p.two, plain, cache.Stale, "first", upstream.Empty)
	p.first.SetFault(upstreamtest.Fault{})
	p.first.SetAnswer(upstreamtest.Places(1))
	p.want(t, p.two, plain, cache.Miss, "first", upstream.Found)
	p.want(t, p.one, plain, cache.Hit, "first", upstream.Found)
}

// A first choice that knows nothing is not the last word while the fallback
// that would be asked next cannot be.
func TestNothingWhileTheFallbackIsDownIsNotKept(t *testing.T) {
	p := newPair(t, "&on_empty=next")
	p.first.SetAnswer(nil)
	p.second.SetFaultFor(upstreamtest.Failing(500), 1)
	p.want(t, p.one, plain, cache.Bypass, "first", upstream.Empty)
	p.want(t, p.two, plain, cache.Miss, "second", upstream.Found)
}

// What is typed reaches only those whose terms allow it, wherever in the chain
// they are, and others do not suffer for it.
func TestTypedPrefixesReachOnlyWhoAllowsThem(t *testing.T) {
	tests := []struct {
		name        string
		own         *upstreamtest.Fixed
		list        string // with the addresses of own, which allows it, and public, which does not
		typed       upstream.Outcome
		whole, from string // who answers somebody who searches, and who what is typed
	}{
		{"behind an own server", nil, "nominatim+%s#name=own&on_empty=next,opencage+%s?key=k#name=public&rate=100/s", upstream.Empty, "public", "own"},
		{"in front of one", upstreamtest.Places(1), "opencage+%[2]s?key=k#name=public&rate=100/s,nominatim+%[1]s#name=own", upstream.Found, "public", "own"},
		{"not needed", upstreamtest.Places(1), "nominatim+%s#name=own&on_empty=next,opencage+%s?key=k#name=public&rate=100/s", upstream.Found, "own", "own"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			own, public := upstreamtest.New(t), upstreamtest.NewKind(t, "opencage")
			own.SetAnswer(tt.own)
			chain, err := upstream.New(mustSpecs(t, fmt.Sprintf(tt.list, own.URL, public.URL)), upstream.Config{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(chain.Close)
			store := cache.New(redistest.Start(t).Client(t), cache.Config{Memory: 1 << 20, RedisBudget: 5 * time.Second})
			asynctest.Background(t, store.Run)
			a := New(NewGeocoder(chain, store, Lifetimes{Fresh: time.Hour, Empty: time.Minute, Stale: time.Hour}), nil, nil)
			req, err := upstream.Canonical(upstream.Search, url.Values{"q": {"berlin"}, "format": {"json"}}, "")
			if err != nil {
				t.Fatal(err)
			}
			res, err := a.look(t.Context(), req, cache.Directives{}, true)
			if err != nil || res.Provider != tt.from || res.Outcome != string(tt.typed) {
				t.Fatalf("typed: %+v, %v, want %s of %s", res.Entry, err, tt.typed, tt.from)
			}
			if n := public.Calls(); n != 0 {
				t.Errorf("%d calls for what is typed, want none", n)
			}
			if res, err := a.look(t.Context(), req, cache.Directives{}, false); err != nil || res.Provider != tt.whole {
				t.Errorf("not typed: %+v, %v, want the answer of %s", res.Entry, err, tt.whole)
			}
		})
	}
}
