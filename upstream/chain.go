package upstream

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/budget"
	"geogate/internal/outbound"
	"geogate/upstream/provider"
)

// DefaultWait is how long a request may wait for budget.
const DefaultWait = 5 * time.Second

// Config holds the optional parts of a chain.
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
	// Gazetteer answers for the kind of that name, and makes suggestions whatever
	// the specs are. It must be set where a spec has that kind.
	Gazetteer Provider
	// Files makes the providers of the kinds that read files. It must be set
	// where a spec has such a kind.
	Files func(Spec) (Provider, error)
	// May returns an error while no upstream may be asked: it is what Geocode and
	// Renew then return, and Suggest makes do with what this machine knows by
	// itself. nil: they always may.
	May func() error
	// Observe is told of each call that was made; nil: nobody is. It must not
	// block.
	Observe func(Call)
	// Log gets the changes of breakers. The zero Logger writes nothing.
	Log zerolog.Logger
}

// A Chain asks providers in order. It is safe for concurrent use and starts no
// goroutines.
type Chain struct {
	members  []*member
	places   Provider // the built-in ones; nil: there are none
	wait     time.Duration
	may      func() error // nil: upstreams may always be asked
	client   *http.Client
	identity atomic.Pointer[identity]

	suggestIdentity atomic.Pointer[identity]
}

// New returns the chain for specs, which come from [ParseSpecs]. It sends
// nothing. The error names everything that is missing.
func New(specs []Spec, cfg Config) (*Chain, error) {
	if len(specs) == 0 {
		return nil, errors.New("make upstream chain: no upstreams")
	}
	c := &Chain{places: cfg.Gazetteer, wait: cfg.Wait, may: cfg.May, client: outbound.NewClient()}
	if c.wait == 0 {
		c.wait = DefaultWait
	}
	observe := cfg.Observe
	if observe == nil {
		observe = func(Call) {}
	}
	budgets := budget.Pool{Redis: cfg.Redis, Patience: cfg.RedisPatience}
	// Entries may share a budget: the lease of a call outlasts the slowest.
	lease := slices.MaxFunc(specs, func(a, b Spec) int { return cmp.Compare(a.Timeout, b.Timeout) }).Timeout + budget.LeaseMargin
	var errs []error
	for _, s := range specs {
		if s.NeedsContact() && cfg.Contact == "" {
			errs = append(errs, fmt.Errorf("%s: the terms of %s ask for a contact, set UPSTREAM_CONTACT to an e-mail address or URL", s.Name, s.address.Host))
		}
		var p Provider
		if s.Kind == "gazetteer" {
			p = cfg.Gazetteer
		}
		if k, ok := provider.KindOf(s.Kind); ok {
			p = k.New(provider.Server{
				Provider:  s.Name,
				Base:      s.address.Base,
				Secret:    s.address.Secret,
				Client:    c.client,
				UserAgent: outbound.UserAgent(cfg.Version, cfg.Contact),
				Timeout:   s.Timeout,
			})
		}
		if len(s.Files) > 0 && cfg.Files != nil {
			var err error
			if p, err = cfg.Files(s); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", s.Name, err))
				continue
			}
		}
		if p == nil {
			errs = append(errs, fmt.Errorf("%s: no provider of kind %q", s.Name, s.Kind))
			continue
		}
		c.members = append(c.members, newMember(s, p, s.budgetOf(&budgets, lease), c.may, observe, cfg.Log))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("make upstream chain: %w", errors.Join(errs...))
	}
	return c, nil
}

// NeedsContact reports whether the provider's terms ask for a contact in the
// User-Agent.
func (s Spec) NeedsContact() bool { return s.Policy.needsContact }

// budgetOf returns the budget of a spec, nil where nothing limits it.
func (s Spec) budgetOf(pool *budget.Pool, lease time.Duration) *budget.Budget {
	server := s.address.Shown
	if s.Policy.Public {
		server = s.address.Host
	}
	return pool.Of(server, s.limits(lease), s.Policy.Public)
}

func (s Spec) limits(lease time.Duration) budget.Limits {
	return budget.Limits{
		Interval:     s.Rate.Interval(),
		Burst:        max(s.Burst, 1),
		Concurrency:  s.Concurrency,
		BulkInterval: s.Policy.bulkInterval,
		Lease:        lease,
	}
}

// Primary returns the name of the first provider.
func (c *Chain) Primary() string { return c.members[0].spec.Name }

// Identity tells apart what answers of different configurations must not be
// mixed: it changes with the kind and the address of the first provider, and
// with its data where this process knows of that, also while it runs. It is
// cheap as long as it stays the same.
func (c *Chain) Identity() string {
	data := dataVersion(c.members[0].provider)
	if known := c.identity.Load(); known != nil && known.data == data {
		return known.text
	}
	s := c.members[0].spec
	whole := s.Kind + "+" + s.address.Base
	if data != "" {
		whole += " " + data
	}
	sum := sha256.Sum256([]byte(whole))
	text := s.Name + "-" + hex.EncodeToString(sum[:3])
	c.identity.Store(&identity{data, text})
	return text
}

// dataVersion tells states of a provider's data apart, where this process knows
// of them.
func dataVersion(p Provider) string {
	if p, ok := p.(interface{ DataVersion() string }); ok {
		return p.DataVersion()
	}
	return ""
}

// identity is the last one that was made, and of which data.
type identity struct{ data, text string }

// Autocomplete reports whether the terms of all providers, and of at least one,
// allow search-as-you-type.
func (c *Chain) Autocomplete() (all, some bool) {
	all = true
	for _, m := range c.members {
		all = all && m.spec.Policy.Autocomplete
		some = some || m.spec.Policy.Autocomplete
	}
	return all, some
}

// Allows reports whether the terms of at least one provider allow the endpoint.
func (c *Chain) Allows(ep Endpoint) bool {
	return slices.ContainsFunc(c.members, func(m *member) bool { return !m.spec.Policy.Forbids(ep) })
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
