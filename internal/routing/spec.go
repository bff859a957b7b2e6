package routing

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"geogate/internal/outbound"
)

// A Spec is one entry of ROUTER, checked. Its String shows no secrets.
type Spec struct {
	Kind        string
	Name        string
	Profile     string // profile= of OSRM, costing= of Valhalla
	Rate        outbound.Rate
	Burst       int // calls that may be made at once when the budget has rested; at least 1
	Concurrency int // 0: no bound
	Timeout     time.Duration
	MaxPairs    int     // pairs that one call may ask for
	MaxKM       float64 // straight-line distance of a pair that is asked for; 0: any

	address outbound.Address
}

// String describes the spec without user information and query, where keys are.
func (s Spec) String() string { return s.Kind + "+" + s.address.Shown + "#name=" + s.Name }

// A kind is one sort of engine.
type kind struct {
	profile  string // name of the option
	fallback string // its default
	maxPairs int    // of an engine that is configured as it comes
	maxKM    float64
	ask      asker
	locate   asker // names the points near no road; nil: a refusal of ask does
}

var kinds = map[string]kind{
	// --max-table-size is 100, which means 100 by 100.
	"osrm": {profile: "profile", fallback: "driving", maxPairs: MaxEnds * MaxEnds, ask: askOSRM},
	// service_limits of auto: max_matrix_location_pairs, max_matrix_distance.
	"valhalla": {profile: "costing", fallback: "auto", maxPairs: 2500, maxKM: 400, ask: askValhalla, locate: locateValhalla},
}

// Kinds lists the kinds of engine that ROUTER may name.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// ParseSpecs reads ROUTER: entries separated by commas, each a kind, '+' and a
// URL, with options in the fragment:
//
//	osrm+http://osrm:5000#profile=driving&concurrency=4,valhalla+http://valhalla:8002#costing=auto
//
// Options: name; profile (OSRM) or costing (Valhalla); rate, burst, concurrency
// and timeout as in UPSTREAMS; max_pairs and max_km, what one call may ask for,
// where the engine is not configured as it comes. An empty list is no mistake:
// times are estimated. The error holds all mistakes, each by entry and expected
// form, and no secrets.
func ParseSpecs(list string) ([]Spec, error) {
	specs, errs := outbound.ParseEntries(list, "router", parseSpec, func(s Spec) (kind, name string) { return s.Kind, s.Name })
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return specs, nil
}

func parseSpec(entry string) (Spec, []error) {
	entry, fragment, _ := strings.Cut(entry, "#")
	name, address, _ := strings.Cut(entry, "+")
	k, known := kinds[name]
	if !known {
		// It may be a URL with a key in it, so it is not repeated.
		return Spec{Kind: "unknown kind"}, []error{fmt.Errorf("expected kind+URL, the kind one of: %s", strings.Join(Kinds(), ", "))}
	}
	s := Spec{Kind: name, Name: name, Burst: 1, Timeout: outbound.DefaultTimeout, MaxPairs: k.maxPairs, MaxKM: k.maxKM}
	var errs []error
	var ok bool
	if s.address, ok = outbound.ParseAddress(address); !ok {
		errs = append(errs, fmt.Errorf("expected an http or https URL after %q", name+"+"))
	}
	options := maps.Clone(specOptions)
	options[k.profile] = profileOption
	errs = append(errs, outbound.SetOptions(&s, fragment, options)...)
	s.Profile = cmp.Or(s.Profile, k.fallback)
	return s, errs
}

// maxPairsOption is far above what any engine answers in time.
const maxPairsOption = MaxEnds * MaxEnds

var specOptions = map[string]outbound.Option[Spec]{
	"name":        outbound.NameOption(func(s *Spec, name string) { s.Name = name }),
	"rate":        outbound.RateOption(func(s *Spec, r outbound.Rate) { s.Rate = r }),
	"burst":       outbound.CountOption(func(s *Spec, n int) { s.Burst = n }),
	"concurrency": outbound.CountOption(func(s *Spec, n int) { s.Concurrency = n }),
	"timeout":     outbound.DurationOption(func(s *Spec, d time.Duration) { s.Timeout = d }),
	"max_pairs":   outbound.CountOption(func(s *Spec, n int) { s.MaxPairs = min(n, maxPairsOption) }),
	"max_km":      outbound.CountOption(func(s *Spec, n int) { s.MaxKM = float64(n) }),
}

// profileOption takes a word that is fit for a path: OSRM has it there.
func profileOption(s *Spec, value string) error {
	if value == "" || len(value) > 32 || strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return errors.New("expected up to 32 letters, digits, dashes and underscores")
	}
	s.Profile = value
	return nil
}
