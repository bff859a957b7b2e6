package upstream

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"geogate/internal/outbound"
	"geogate/upstream/provider"
)

// A Spec is one entry of UPSTREAMS, checked, with the terms of the provider
// settled. Its String shows no secrets.
type Spec struct {
	Kind        string
	Name        string
	Rate        Rate
	Burst       int // calls that may be made at once when the budget has rested; at least 1
	Concurrency int // 0: no bound
	Timeout     time.Duration
	MaxTTL      time.Duration // 0: no limit
	OnEmptyNext bool          // an empty answer sends the question to the next provider
	Policy      Policy

	// Files are what a kind that reads files reads.
	Files []string

	address outbound.Address
}

// String describes the spec without user information and query, where keys are.
func (s Spec) String() string {
	out := s.Kind
	if s.address.Shown != "" {
		out += "+" + s.address.Shown
	}
	return out + "#name=" + s.Name
}

// localKinds need no URL.
var localKinds = []string{"gazetteer"}

// fileKinds read files: their address is file:PATH, or file:PATH;PATH for
// several.
var fileKinds = []string{"streets"}

// local tells a provider that answers from this machine's own data.
func (s Spec) local() bool {
	return slices.Contains(localKinds, s.Kind) || slices.Contains(fileKinds, s.Kind)
}

// maxFiles is the most files that one upstream reads.
const maxFiles = 16

// Kinds lists the kinds of upstream that UPSTREAMS may name.
func Kinds() []string {
	return slices.Sorted(slices.Values(slices.Concat(provider.Kinds(), localKinds, fileKinds)))
}

// ParseSpecs reads UPSTREAMS: entries separated by commas, each a kind, '+' and
// a URL, with options in the fragment:
//
//	nominatim+https://geo.example.org#name=own&rate=5/s&concurrency=2&timeout=5s&max_ttl=48h
//
// Options: name; rate, such as 5/s, 100/m, 2500/d; burst, the calls that may
// be made at once after a rest (1); concurrency; timeout (5s); max_ttl, the
// longest life of an answer, stale time included; on_empty=next, to ask the
// next upstream when this one knows nothing. The error holds all mistakes, each
// by entry and expected form, and no secrets.
func ParseSpecs(list string) ([]Spec, error) {
	specs, errs := outbound.ParseEntries(list, "upstream", parseSpec, func(s Spec) (kind, name string) { return s.Kind, s.Name })
	if len(specs) == 0 {
		errs = append(errs, errors.New(`no upstream given, expected for example "gazetteer"`))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return specs, nil
}

func parseSpec(entry string) (Spec, []error) {
	entry, fragment, _ := strings.Cut(entry, "#")
	kind, address, hasAddress := strings.Cut(entry, "+")
	s := Spec{Kind: kind, Name: kind, Burst: 1, Timeout: DefaultTimeout}
	var errs []error
	_, network := provider.KindOf(kind)
	switch {
	case slices.Contains(localKinds, kind):
		if hasAddress {
			errs = append(errs, errors.New("it is built in and takes no URL"))
		}
	case slices.Contains(fileKinds, kind):
		errs = append(errs, s.setFiles(address)...)
	case network:
		errs = append(errs, s.setAddress(address)...)
	default:
		// It may be a URL with a key in it, so it is not repeated.
		s.Kind, s.Name = "unknown kind", ""
		return s, []error{fmt.Errorf("expected kind+URL, the kind one of: %s", strings.Join(Kinds(), ", "))}
	}
	errs = append(errs, outbound.SetOptions(&s, fragment, specOptions)...)
	s.Policy = policyOf(s)
	errs = append(errs, s.Policy.settle(&s)...)
	return s, errs
}

func (s *Spec) setFiles(address string) []error {
	list, ok := strings.CutPrefix(address, "file:")
	s.Files = strings.Split(strings.TrimPrefix(list, "//"), ";")
	if !ok || slices.Contains(s.Files, "") || len(s.Files) > maxFiles {
		return []error{fmt.Errorf("expected file:PATH after %q, or file:PATH;PATH for up to %d files", s.Kind+"+", maxFiles)}
	}
	s.address = outbound.Address{Base: address, Shown: address}
	return nil
}

func (s *Spec) setAddress(address string) []error {
	var ok bool
	if s.address, ok = outbound.ParseAddress(address); !ok {
		return []error{fmt.Errorf("expected an http or https URL after %q", s.Kind+"+")}
	}
	return nil
}

var specOptions = map[string]outbound.Option[Spec]{
	"name":        outbound.NameOption(func(s *Spec, name string) { s.Name = name }),
	"rate":        outbound.RateOption(func(s *Spec, r Rate) { s.Rate = r }),
	"burst":       outbound.CountOption(func(s *Spec, n int) { s.Burst = n }),
	"concurrency": outbound.CountOption(func(s *Spec, n int) { s.Concurrency = n }),
	"timeout":     outbound.DurationOption(func(s *Spec, d time.Duration) { s.Timeout = d }),
	"max_ttl":     outbound.DurationOption(func(s *Spec, d time.Duration) { s.MaxTTL = d }),
	"on_empty": func(s *Spec, value string) error {
		if value != "next" {
			return errors.New(`expected "next"`)
		}
		s.OnEmptyNext = true
		return nil
	},
}
