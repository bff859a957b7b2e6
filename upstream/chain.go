package upstream

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/place"
)

// DefaultWait is how long a request may wait for budget.
const DefaultWait = 5 * time.Second

// Config holds what a chain can do without.
type Config struct {
	// Version of geogate and Contact of the operator go into the User-Agent.
	// Contact may be empty unless a provider's terms ask for it.
	Version, Contact string
	// Wait is UPSTREAM_WAIT, the longest wait for budget; 0: DefaultWait.
	Wait time.Duration
	// Redis counts the budgets of the fleet; nil: each process counts its own.
	Redis Redis
	// RedisPatience bounds one question to Redis; 0: DefaultRedisPatience.
	RedisPatience time.Duration
	// Gazetteer answers for the kind of that name. It must be set where a spec
	// has that kind.
	Gazetteer Provider
	// Observe is told of each call that was made. It must not block. Nil: nobody is.
	Observe func(Call)
	// Log gets the changes of breakers. The zero Logger writes nothing.
	Log zerolog.Logger
}

// A Call is one call to a provider, for metrics.
type Call struct {
	Provider string
	Outcome  string // an Outcome, or "throttled", "unavailable", "timeout", "invalid", "canceled"
	Lane     Lane
	Waited   time.Duration // for budget
	Took     time.Duration
}

// State tells how a provider is doing.
type State struct {
	Name  string            `json:"name"`
	Kind  string            `json:"kind"`
	State string            `json:"state"` // "up", "open", "half-open" (the breaker), "paused" (by the provider)
	Calls map[string]uint64 `json:"calls"` // made since the start, by outcome
	// Budget is nil where nothing limits the calls.
	Budget *BudgetState `json:"budget,omitempty"`
}

// BudgetState tells how scarce the calls to a provider are, as this process
// last saw it.
type BudgetState struct {
	Left    float64 `json:"left"`    // calls that could be made at once, up to the burst
	Waiting int     `json:"waiting"` // callers of this process in the queue
}

// kind makes providers of one kind that live in the network.
type kind struct {
	make      func(Spec, fetcher) Provider
	endpoints []Endpoint // that it serves; nil: all
}

var networkKinds = map[string]kind{
	"nominatim":  {make: newNominatim},
	"photon":     {make: newForeign(photon), endpoints: foreignEndpoints},
	"pelias":     {make: newForeign(pelias), endpoints: foreignEndpoints},
	"locationiq": {make: newForeign(locationIQ), endpoints: foreignEndpoints},
	"opencage":   {make: newForeign(openCage), endpoints: foreignEndpoints},
}

// A Chain asks providers in order. It is safe for concurrent use and starts no
// goroutines.
type Chain struct {
	members []*member
	wait    time.Duration
	client  *http.Client
}

// New returns the chain for specs, which come from [ParseSpecs]. It sends
// nothing. The error names everything that is missing.
func New(specs []Spec, cfg Config) (*Chain, error) {
	if len(specs) == 0 {
		return nil, errors.New("make upstream chain: no upstreams")
	}
	c := &Chain{wait: cfg.Wait, client: newHTTPClient()}
	if c.wait == 0 {
		c.wait = DefaultWait
	}
	observe := cfg.Observe
	if observe == nil {
		observe = func(Call) {}
	}
	budgets := make(map[string]*budget)
	// Entries may share a budget: the lease of a call outlasts the slowest.
	lease := slices.MaxFunc(specs, func(a, b Spec) int { return cmp.Compare(a.Timeout, b.Timeout) }).Timeout + leaseMargin
	var errs []error
	for _, s := range specs {
		if s.NeedsContact() && cfg.Contact == "" {
			errs = append(errs, fmt.Errorf("%s: the terms of %s ask for a contact, set UPSTREAM_CONTACT to an e-mail address or URL", s.Name, s.host))
		}
		p := cfg.Gazetteer
		if k, ok := networkKinds[s.Kind]; ok {
			p = k.make(s, fetcher{
				provider:  s.Name,
				client:    c.client,
				userAgent: userAgent(cfg.Version, cfg.Contact),
				timeout:   s.Timeout,
			})
		}
		if p == nil {
			errs = append(errs, fmt.Errorf("%s: no provider of kind %q", s.Name, s.Kind))
			continue
		}
		c.members = append(c.members, newMember(s, p, budgetOf(s, lease, budgets, cfg), observe, cfg.Log))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("make upstream chain: %w", errors.Join(errs...))
	}
	return c, nil
}

// NeedsContact reports whether the provider's terms ask for a contact in the
// User-Agent.
func (s Spec) NeedsContact() bool { return s.Policy.needsContact }

// budgetOf returns the budget of a spec, nil where nothing limits it. Entries
// for one server share the budget of the first of them: it is the server that
// does not want more.
func budgetOf(s Spec, lease time.Duration, budgets map[string]*budget, cfg Config) *budget {
	l := s.limits(lease)
	if l.unlimited() {
		return nil
	}
	server := s.shown
	if s.Policy.Public {
		server = s.host
	}
	if b, ok := budgets[server]; ok {
		return b
	}
	var g gate = newLocalGate(l)
	if cfg.Redis != nil {
		g = newFleetGate(cfg.Redis, server, l, cfg.RedisPatience, s.Policy.Public)
	}
	b := newBudget(l, g)
	budgets[server] = b
	return b
}

func (s Spec) limits(lease time.Duration) limits {
	return limits{
		interval:     s.Rate.interval(),
		burst:        max(s.Burst, 1),
		concurrency:  s.Concurrency,
		bulkInterval: s.Policy.bulkInterval,
		lease:        lease,
	}
}

func userAgent(version, contact string) string {
	if version == "" {
		version = "dev"
	}
	if contact == "" {
		return "geogate/" + version
	}
	return "geogate/" + version + " (+" + contact + ")"
}

// Geocode returns the answer of the first provider that has one. The next one
// is asked when a provider is throttled, unavailable or slow, when its breaker
// is open, when it answers nonsense, and with on_empty=next when it knows
// nothing. A used-up budget is no reason to ask the next one: the caller waits,
// at most as long as the chain is configured to and his context lasts.
//
// The error is that of the first provider asked: an *Error, of any kind.
func (c *Chain) Geocode(ctx context.Context, r Request, lane Lane) (Answer, error) {
	deadline := time.Now().Add(c.wait)
	var (
		first  error
		empty  *Answer
		before int // providers that had their chance
	)
	for _, m := range c.members {
		if !m.serves(r.Endpoint()) {
			continue
		}
		if m.spec.Policy.Forbids(r.Endpoint()) {
			if before > 0 {
				continue
			}
			return Answer{}, &Error{Provider: m.spec.Name, Kind: ErrForbidden}
		}
		a, err := m.geocode(ctx, r, lane, deadline)
		switch {
		case err == nil && a.Outcome == Empty && m.spec.OnEmptyNext && empty == nil:
			a.Fallback = before > 0
			empty = &a
		case err == nil && (a.Outcome == Found || empty == nil):
			a.Fallback = before > 0
			return a, nil
		case err == nil:
		case !failsOver(err):
			if empty != nil {
				return *empty, nil
			}
			return Answer{}, err
		case first == nil:
			first = err
		}
		before++
	}
	switch {
	case empty != nil:
		return *empty, nil
	case before == 0:
		return unserved(r), nil
	default:
		return Answer{}, first
	}
}

func failsOver(err error) bool {
	return !isCallerGone(err) && (errors.Is(err, ErrThrottled) || errors.Is(err, ErrUnavailable) ||
		errors.Is(err, ErrTimeout) || errors.Is(err, ErrInvalidAnswer))
}

// unserved is the answer where no provider has the endpoint. For /status the
// gateway speaks for itself; for others it refuses in the shape in which a
// Nominatim without a search index refuses searches.
func unserved(r Request) Answer {
	known := endpoints[r.Endpoint()].formats
	switch {
	case !slices.Contains(known, r.Format()):
		contentType, body := place.RenderError(place.Text, http.StatusBadRequest, place.BadFormatMessage(known...))
		return Answer{
			Status: http.StatusBadRequest, ContentType: contentType, Body: body,
			Outcome: Refused, Provider: "geogate", NoStore: true,
		}
	case r.Endpoint() == Status:
		contentType, body := place.RenderStatus(r.Format(), place.Status{Message: "OK", Software: "geogate"})
		return Answer{
			Status: http.StatusOK, ContentType: contentType, Body: body,
			Outcome: Found, Provider: "geogate", NoStore: true,
		}
	}
	contentType, body := place.RenderError(r.Format(), http.StatusNotFound,
		fmt.Sprintf("The upstream does not offer /%s.", r.Endpoint()))
	return Answer{
		Status: http.StatusNotFound, ContentType: contentType, Body: body,
		Outcome: Refused, Provider: "geogate", NoStore: true,
	}
}

// Primary returns the name of the first provider.
func (c *Chain) Primary() string { return c.members[0].spec.Name }

// Identity tells apart what answers of different configurations must not be
// mixed: it changes with the kind and the address of the first provider.
func (c *Chain) Identity() string {
	s := c.members[0].spec
	sum := sha256.Sum256([]byte(s.Kind + "+" + s.base))
	return s.Name + "-" + hex.EncodeToString(sum[:3])
}

// States tells how the providers are doing, in their order.
func (c *Chain) States() []State {
	states := make([]State, len(c.members))
	for i, m := range c.members {
		states[i] = m.state()
	}
	return states
}

// Policy returns the terms of the first provider.
func (c *Chain) Policy() Policy { return c.members[0].spec.Policy }

// PolicyOf returns the terms of the provider of that name.
func (c *Chain) PolicyOf(name string) (Policy, bool) {
	for _, m := range c.members {
		if m.spec.Name == name {
			return m.spec.Policy, true
		}
	}
	return Policy{}, false
}

// Close drops idle connections. Calls under way are not touched.
func (c *Chain) Close() { c.client.CloseIdleConnections() }
