package outbound

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DefaultTimeout bounds one call to a server unless its timeout= says otherwise.
const DefaultTimeout = 5 * time.Second

// A Rate is a number of calls in a time. The zero Rate is no limit.
type Rate struct {
	Calls int
	Per   time.Duration
}

// String writes a rate as an operator spells it, such as "5/s".
func (r Rate) String() string {
	for unit, d := range rateUnits {
		if d == r.Per {
			return strconv.Itoa(r.Calls) + "/" + unit
		}
	}
	return fmt.Sprintf("%d/%s", r.Calls, r.Per)
}

// Interval is the time from one call to the next, 0 for no limit.
func (r Rate) Interval() time.Duration {
	if r.Calls <= 0 {
		return 0
	}
	return r.Per / time.Duration(r.Calls)
}

var rateUnits = map[string]time.Duration{
	"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
}

// An Option sets what an operator wrote as name=value in the fragment of a URL.
// Its error names the expected form.
type Option[S any] func(s *S, value string) error

// SetOptions reads the fragment of a URL into s. It returns all mistakes.
func SetOptions[S any](s *S, fragment string, known map[string]Option[S]) []error {
	options, err := url.ParseQuery(fragment)
	if err != nil {
		return []error{errors.New("options: expected name=value pairs joined by &")}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(options)) {
		set, ok := known[name]
		if !ok {
			errs = append(errs, fmt.Errorf("%s: unknown option, expected one of: %s",
				name, strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
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

// NameOption takes a word that is fit for keys and metrics.
func NameOption[S any](set func(*S, string)) Option[S] {
	return func(s *S, value string) error {
		if value == "" || len(value) > 32 || strings.Trim(value, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			return errors.New("expected up to 32 of a-z, 0-9, dash, underscore and dot")
		}
		set(s, value)
		return nil
	}
}

// RateOption takes calls in a time.
func RateOption[S any](set func(*S, Rate)) Option[S] {
	return func(s *S, value string) error {
		calls, unit, _ := strings.Cut(value, "/")
		n, err := strconv.Atoi(calls)
		per, ok := rateUnits[unit]
		if err != nil || !ok || n < 1 {
			return errors.New("expected calls per second, minute, hour or day, such as 5/s, 100/m or 2500/d")
		}
		set(s, Rate{n, per})
		return nil
	}
}

// CountOption takes a whole number above 0.
func CountOption[S any](set func(*S, int)) Option[S] {
	return func(s *S, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return errors.New("expected a whole number above 0")
		}
		set(s, n)
		return nil
	}
}

// DurationOption takes a time above 0.
func DurationOption[S any](set func(*S, time.Duration)) Option[S] {
	return func(s *S, value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return errors.New("expected a time such as 500ms, 5s or 48h")
		}
		set(s, d)
		return nil
	}
}

// ParseEntries reads a list of servers as an operator writes it, separated by commas. It
// returns all mistakes, each by what an entry is called, its number and its kind; a name
// may be used once.
func ParseEntries[S any](list, what string, parse func(entry string) (S, []error), called func(S) (kind, name string)) (specs []S, errs []error) {
	names := make(map[string]bool)
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		s, mistakes := parse(entry)
		specs = append(specs, s)
		kind, name := called(s)
		for _, err := range mistakes {
			errs = append(errs, fmt.Errorf("%s %d (%s): %w", what, len(specs), kind, err))
		}
		if name != "" && names[name] {
			errs = append(errs, fmt.Errorf("%s %d (%s): name: %q is taken, give it another by #name=", what, len(specs), kind, name))
		}
		names[name] = true
	}
	return specs, errs
}
