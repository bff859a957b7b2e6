package upstream

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"geogate/internal/budget"
	"geogate/internal/outbound"
)

// scripted is a provider that answers what it is told, in the time it is told.
// Time runs faster in these tests than any socket could, so nothing real can
// stand here; the providers themselves are tested over real HTTP.
type scripted struct {
	name   string
	budget *budget.Budget // of the member that asks it

	mu    sync.Mutex
	do    func(ctx context.Context) (Answer, error)
	calls []time.Time
}

func (s *scripted) Name() string { return s.name }

func (s *scripted) Geocode(ctx context.Context, _ Request) (Answer, error) {
	s.mu.Lock()
	s.calls = append(s.calls, time.Now())
	do := s.do
	s.mu.Unlock()
	return do(ctx)
}

func (s *scripted) set(do func(context.Context) (Answer, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.do = do
}

func (s *scripted) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// pass lets time pass, within a synctest bubble.
func pass(d time.Duration) { <-time.After(d) }

func says(o Outcome) func(context.Context) (Answer, error) {
	return func(context.Context) (Answer, error) { return Answer{Status: 200, Outcome: o}, nil }
}

func fails(kind error, after time.Duration) func(context.Context) (Answer, error) {
	return func(context.Context) (Answer, error) { return Answer{}, &Error{Kind: kind, RetryAfter: after} }
}

// scriptedChain returns a chain over scripted providers, each with its spec.
func scriptedChain(specs []Spec, providers ...*scripted) *Chain {
	c := &Chain{wait: DefaultWait, client: outbound.NewClient()}
	for i, s := range specs {
		providers[i].name = s.Name
		var b *budget.Budget
		if l := s.limits(time.Minute); !l.Unlimited() {
			b = budget.New(l)
		}
		providers[i].budget = b
		c.members = append(c.members, newMember(s, providers[i], b, nil, func(Call) {}, Config{}.Log))
	}
	return c
}

// retryAfter is when an error says that asking again makes sense.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

func searchRequest(t *testing.T) Request {
	t.Helper()
	r, err := Canonical(Search, ParseQuery("q=x"), "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestChainBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{do: fails(ErrUnavailable, 0)}
		c := scriptedChain([]Spec{{Name: "p"}}, p)
		ask := func() error {
			_, err := c.Geocode(t.Context(), searchRequest(t), People)
			return err
		}
		for range 9 {
			if err := ask(); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("Geocode: %v, want %v", err, ErrUnavailable)
			}
		}
		if n := p.count(); n != 5 {
			t.Errorf("asked %d times, want 5 before the breaker opens", n)
		}
		if d := retryAfter(ask()); d != 5*time.Second {
			t.Errorf("RetryAfter = %s, want 5s", d)
		}
		if s := c.States()[0].State; s != "open" {
			t.Errorf("State = %q, want open", s)
		}
		pass(5*time.Second + time.Millisecond)
		_ = ask()
		_ = ask()
		if n := p.count(); n != 6 {
			t.Errorf("asked %d times, want one trial after 5 s", n)
		}
		pass(5*time.Second + time.Millisecond)
		p.set(says(Found))
		if err := ask(); err != nil {
			t.Errorf("after the provider came back: %v", err)
		}
		if s := c.States()[0].State; s != "up" {
			t.Errorf("State = %q, want up", s)
		}
	})
}

func TestChainHeedsRetryAfter(t *testing.T) {
	tests := []struct {
		name  string
		kind  error
		after time.Duration
		pause time.Duration
	}{
		{"throttled for a time", ErrThrottled, 30 * time.Second, 30 * time.Second},
		{"throttled without a time", ErrThrottled, 0, 5 * time.Second},
		{"unavailable for a time", ErrUnavailable, 20 * time.Second, 20 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &scripted{do: fails(tt.kind, tt.after)}
				c := scriptedChain([]Spec{{Name: "p"}}, p)
				_, _ = c.Geocode(t.Context(), searchRequest(t), People)
				p.set(says(Found))
				pass(tt.pause - time.Second)
				_, err := c.Geocode(t.Context(), searchRequest(t), People)
				if !errors.Is(err, ErrUnavailable) || retryAfter(err) != time.Second {
					t.Errorf("one second early: %v with RetryAfter %s", err, retryAfter(err))
				}
				if s := c.States()[0].State; s != "paused" {
					t.Errorf("State = %q, want paused", s)
				}
				pass(time.Second)
				if _, err := c.Geocode(t.Context(), searchRequest(t), People); err != nil {
					t.Errorf("after the pause: %v", err)
				}
			})
		})
	}
}

func TestChainLifetimes(t *testing.T) {
	p := &scripted{do: func(context.Context) (Answer, error) {
		return Answer{Outcome: Found, MaxTTL: time.Hour}, nil
	}}
	c := scriptedChain([]Spec{{Name: "p", MaxTTL: 48 * time.Hour}}, p)
	a, err := c.Geocode(t.Context(), searchRequest(t), People)
	if err != nil || a.MaxTTL != time.Hour || a.NoStore {
		t.Errorf("Geocode = %+v, %v, want the shorter life of 1h", a, err)
	}
	debug, err := Canonical(Search, ParseQuery("q=x&debug=1"), "")
	if err != nil {
		t.Fatal(err)
	}
	if a, err := c.Geocode(t.Context(), debug, People); err != nil || !a.NoStore {
		t.Errorf("Geocode of a debug page = %+v, %v, want it not to be stored", a, err)
	}
}

func TestChainIdentity(t *testing.T) {
	identity := func(list string) string {
		specs, err := ParseSpecs(list)
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(specs, Config{})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if c.Primary() != specs[0].Name {
			t.Errorf("Primary() = %q, want %q", c.Primary(), specs[0].Name)
		}
		return c.Identity()
	}
	a := identity("nominatim+https://a.example.org#rate=1/s")
	if b := identity("nominatim+https://a.example.org?key=2"); a != b {
		t.Errorf("Identity changes with a key or a rate: %q, %q", a, b)
	}
	if b := identity("nominatim+https://b.example.org"); a == b {
		t.Errorf("Identity() = %q for two addresses", a)
	}
}

func TestNewNeedsProviders(t *testing.T) {
	specs, err := ParseSpecs("gazetteer")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(specs, Config{}); err == nil {
		t.Error("New took a gazetteer that nobody provides")
	}
	c, err := New(specs, Config{Gazetteer: &scripted{name: "gazetteer", do: says(Found)}})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := c.Geocode(t.Context(), searchRequest(t), People); err != nil || a.Outcome != Found {
		t.Errorf("Geocode = %+v, %v", a, err)
	}
}
