// Package rate reads and writes numbers of requests in a time, such as 600/1m,
// and durations in days, as settings, keys and upstreams spell them.
package rate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is a number of requests in a time; the zero value means no limit.
type Rate struct {
	Requests int
	Per      time.Duration
}

// ErrInvalid is returned for text that is not a rate.
var ErrInvalid = errors.New("want requests/duration such as 600/1m, or 0 for no limit")

const day = 24 * time.Hour

// Parse reads "600/1m", "5/s", "1000/1d", and "0" for no limit. The time is at
// least a second.
func Parse(text string) (Rate, error) {
	if text == "0" {
		return Rate{}, nil
	}
	requests, per, found := strings.Cut(text, "/")
	n, err := strconv.Atoi(requests)
	if !found || err != nil || n < 1 {
		return Rate{}, ErrInvalid
	}
	if len(per) == 1 {
		per = "1" + per
	}
	d, err := ParseDuration(per)
	if err != nil || d < time.Second {
		return Rate{}, ErrInvalid
	}
	return Rate{Requests: n, Per: d}, nil
}

// ParseDuration is time.ParseDuration, and takes whole days too: "90d".
func ParseDuration(text string) (time.Duration, error) {
	days, found := strings.CutSuffix(text, "d")
	if !found {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 15)
	if err != nil {
		return 0, fmt.Errorf("read days: %w", err)
	}
	return time.Duration(n) * day, nil
}

// String writes the rate so that Parse reads it.
func (r Rate) String() string {
	switch {
	case r.Requests == 0:
		return "0"
	case r.Per%day == 0:
		return fmt.Sprintf("%d/%dd", r.Requests, r.Per/day)
	}
	per := r.Per.String()
	if short, found := strings.CutSuffix(per, "m0s"); found { // 1m0s, 1h0m0s
		per = short + "m"
	}
	if short, found := strings.CutSuffix(per, "h0m"); found {
		per = short + "h"
	}
	return fmt.Sprintf("%d/%s", r.Requests, per)
}

// MarshalText implements encoding.TextMarshaler.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	*r, err = Parse(string(text))
	return err
}
