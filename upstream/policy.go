package upstream

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Policy is what a provider's terms ask of a gateway, kept in code so that
// no configuration can break it by accident. Sources: the usage policy of
// operations.osmfoundation.org for nominatim.openstreetmap.org, the front page
// of photon.komoot.io, the terms of LocationIQ and OpenCage.
type Policy struct {
	// Autocomplete: search-as-you-type may be sent there.
	Autocomplete bool
	// Export: stored answers may be handed on in bulk.
	Export bool
	// MaxTTL is the longest an answer may be kept, stale time included; 0: any.
	MaxTTL time.Duration
	// Public: somebody else's server. Nothing is sent while its budget cannot
	// be counted.
	Public bool

	needsContact bool
	rate         Rate // unless the operator sets another
	strict       bool // the operator may not set more than rate and concurrency
	concurrency  int  // 0: no bound
	bulkInterval time.Duration
	forbidden    []Endpoint
}

// policyOf returns the terms for what a spec points at.
func policyOf(s Spec) Policy {
	switch {
	case s.Kind == "nominatim" && s.hostIs("nominatim.openstreetmap.org"):
		return Policy{
			Public:       true,
			needsContact: true,
			rate:         Rate{Calls: 1, Per: time.Second},
			strict:       true,
			concurrency:  1,
			bulkInterval: time.Minute / 4,
			forbidden:    []Endpoint{Details},
		}
	case s.Kind == "photon" && s.hostIs("photon.komoot.io"):
		return Policy{Public: true, Autocomplete: true, Export: true, rate: Rate{Calls: 1, Per: time.Second}}
	case s.Kind == "locationiq":
		return Policy{Public: true, Autocomplete: true, MaxTTL: 48 * time.Hour, rate: Rate{Calls: 2, Per: time.Second}}
	case s.Kind == "opencage":
		return Policy{Public: true, Export: true, rate: Rate{Calls: 1, Per: time.Second}}
	default:
		return Policy{Autocomplete: true, Export: true}
	}
}

// hostIs reports whether the spec's host is name or below it.
func (s Spec) hostIs(name string) bool {
	host := strings.TrimSuffix(s.address.Host, ".")
	return host == name || strings.HasSuffix(host, "."+name)
}

// settle fills in from the policy what the spec leaves open, and reports where
// the spec asks for more than the terms allow.
func (p Policy) settle(s *Spec) []error {
	var errs []error
	if s.Rate == (Rate{}) {
		s.Rate = p.rate
	}
	if s.Concurrency == 0 {
		s.Concurrency = p.concurrency
	}
	if s.MaxTTL == 0 {
		s.MaxTTL = p.MaxTTL
	}
	if p.strict {
		if s.Rate.Interval() < p.rate.Interval() {
			errs = append(errs, fmt.Errorf("rate: the terms of %s allow at most %s", s.address.Host, p.rate))
		}
		if s.Concurrency > p.concurrency {
			errs = append(errs, fmt.Errorf("concurrency: the terms of %s allow at most %d", s.address.Host, p.concurrency))
		}
		if s.Burst > 1 {
			errs = append(errs, fmt.Errorf("burst: the terms of %s allow none", s.address.Host))
		}
	}
	return errs
}

// Forbids reports whether the terms keep an endpoint from being asked.
func (p Policy) Forbids(ep Endpoint) bool { return slices.Contains(p.forbidden, ep) }
