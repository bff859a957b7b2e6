package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Sampler decides which traces spans are sent of. The zero value wants all of them, and
// goes by the caller's decision where there is one.
type Sampler struct {
	rootOnly bool    // callers decide nothing
	dropped  float64 // share of traces that are not wanted
}

// ErrSampler means that OTEL_TRACES_SAMPLER or its argument is none of those known.
var ErrSampler = errors.New("want always_on, always_off, traceidratio, or parentbased_ and one of these")

// ParseSampler reads a sampler by OpenTelemetry's names. An empty name is
// parentbased_always_on. The argument, the share of traces from 0 to 1, counts for
// traceidratio only; empty: 1.
func ParseSampler(name, argument string) (Sampler, error) {
	share := 1.0 // of the traces
	if argument != "" {
		var err error
		share, err = strconv.ParseFloat(argument, 64)
		if err != nil || !(share >= 0 && share <= 1) { // the negation also refuses NaN
			return Sampler{}, fmt.Errorf("want a number from 0 to 1, not %q", argument)
		}
	}
	switch name {
	case "", "parentbased_always_on":
		return Sampler{}, nil
	case "always_on":
		return Sampler{rootOnly: true}, nil
	case "parentbased_always_off":
		return Sampler{dropped: 1}, nil
	case "always_off":
		return Sampler{rootOnly: true, dropped: 1}, nil
	case "parentbased_traceidratio":
		return Sampler{dropped: 1 - share}, nil
	case "traceidratio":
		return Sampler{rootOnly: true, dropped: 1 - share}, nil
	}
	return Sampler{}, fmt.Errorf("%w, not %q", ErrSampler, name)
}

// wants decides about a trace. The same one is wanted by every process with the same
// share, because its id decides.
func (s Sampler) wants(parent, c Context) bool {
	if parent.Valid() && !s.rootOnly {
		return parent.sampled
	}
	if s.dropped <= 0 || s.dropped >= 1 {
		return s.dropped <= 0
	}
	place := float64(binary.BigEndian.Uint64(c.trace[8:])>>1) / math.MaxInt64
	return place < 1-s.dropped
}
