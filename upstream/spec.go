package upstream

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"geogate/upstream/provider"
)

// DefaultTimeout bounds one call to a provider unless its timeout= says
// otherwise.
const DefaultTimeout = 5 * time.Second

// A Rate is a number of calls in a time. The zero Rate is no limit.
type Rate struct {
	Calls int
	Per   time.Duration
}

// String writes a rate as UPSTREAMS spells it, such as "5/s".
func (r Rate) String() string {
	for unit, d := range rateUnits {
		if d == r.Per {
			return strconv.Itoa(r.Calls) + "/" + unit
		}
	}
	return fmt.Sprintf("%d/%s", r.Calls, r.Per)
}

// interval is the time from one call to the next, 0 for no limit.
func (r Rate) interval() time.Duration {
	if r.Calls <= 0 {
		return 0
	}
	return r.Per / time.Duration(r.Calls)
}

var rateUnits = map[string]time.Duration{
	"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
}

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

	base   string // scheme, user information, host and path, without a trailing slash
	host   string // lower case, without the port
	shown  string // scheme, host and path
	secret string // query of the URL, where API keys are
}

// String describes the spec without user information and query, where keys are.
func (s Spec) String() string {
	out := s.Kind
	if s.shown != "" {
		out += "+" + s.shown
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
	var specs []Spec
	var errs []error
	names := make(map[string]bool)
	n := 0
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		n++
		s, mistakes := parseSpec(entry)
		for _, err := range mistakes {
			errs = append(errs, fmt.Errorf("upstream %d (%s): %w", n, s.Kind, err))
		}
		if s.Name != "" && names[s.Name] {
			errs = append(errs, fmt.Errorf("upstream %d (%s): name: %q is taken, give it another by #name=", n, s.Kind, s.Name))
		}
		names[s.Name] = true
		specs = append(specs, s)
	}
	if n == 0 {
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
	errs = append(errs, s.setOptions(fragment)...)
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
	s.base, s.shown = address, address
	return nil
}

func (s *Spec) setAddress(address string) []error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return []error{fmt.Errorf("expected an http or https URL after %q", s.Kind+"+")}
	}
	s.host = strings.ToLower(u.Hostname())
	s.secret = u.RawQuery
	base := url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	s.base = base.String()
	base.User = nil
	s.shown = base.String()
	return nil
}

func (s *Spec) setOptions(fragment string) []error {
	options, err := url.ParseQuery(fragment)
	if err != nil {
		return []error{errors.New("options: expected name=value pairs joined by &")}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(options)) {
		set, ok := specOptions[name]
		if !ok {
			errs = append(errs, fmt.Errorf("%s: unknown option, expected one of: %s",
				name, strings.Join(slices.Sorted(maps.Keys(specOptions)), ", ")))
			continue
		}
		if len(options[name]) > 1 {
			errs = append(errs, fmt.Errorf("%s: given more than once", name))
			continue
		}
		if err := set(s, options.Get(name)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errs
}

var specOptions = map[string]func(s *Spec, value string) error{
	"name": func(s *Spec, value string) error {
		if value == "" || len(value) > 32 || strings.Trim(value, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			return errors.New("expected up to 32 of a-z, 0-9, dash, underscore and dot")
		}
		s.Name = value
		return nil
	},
	"rate": func(s *Spec, value string) error {
		calls, unit, _ := strings.Cut(value, "/")
		n, err := strconv.Atoi(calls)
		per, ok := rateUnits[unit]
		if err != nil || !ok || n < 1 {
			return errors.New("expected calls per second, minute, hour or day, such as 5/s, 100/m or 2500/d")
		}
		s.Rate = Rate{n, per}
		return nil
	},
	"burst":       positive(func(s *Spec, n int) { s.Burst = n }),
	"concurrency": positive(func(s *Spec, n int) { s.Concurrency = n }),
	"timeout":     duration(func(s *Spec, d time.Duration) { s.Timeout = d }),
	"max_ttl":     duration(func(s *Spec, d time.Duration) { s.MaxTTL = d }),
	"on_empty": func(s *Spec, value string) error {
		if value != "next" {
			return errors.New(`expected "next"`)
		}
		s.OnEmptyNext = true
		return nil
	},
}

func positive(set func(*Spec, int)) func(*Spec, string) error {
	return func(s *Spec, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return errors.New("expected a whole number above 0")
		}
		set(s, n)
		return nil
	}
}

func duration(set func(*Spec, time.Duration)) func(*Spec, string) error {
	return func(s *Spec, value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return errors.New("expected a time such as 500ms, 5s or 48h")
		}
		set(s, d)
		return nil
	}
}
