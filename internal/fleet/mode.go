package fleet

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// Mode is what a fleet does and does not do.
type Mode string

// The modes.
const (
	Normal     Mode = "normal"
	CachedOnly Mode = "cached_only" // no upstream is asked
	ReadOnly   Mode = "read_only"   // no new rides are taken
)

// Modes are all of them.
var Modes = []Mode{Normal, CachedOnly, ReadOnly}

// ParseMode reads a mode.
func ParseMode(s string) (Mode, bool) {
	m := Mode(s)
	return m, slices.Contains(Modes, m)
}

// Value is the mode that was set last, and how it came about. The zero Value is
// what a fleet starts with: normal, set by nobody.
type Value struct {
	Mode       Mode
	Generation uint64 // counts the changes
	Reason     string
	SetBy      string
	SetAt      time.Time
}

// beats tells whether v counts where both are known: it is newer, or of the same
// generation and from the later name in the order of bytes. Two values that one name
// has set are told apart by the rest, so that all processes choose the same.
func (v Value) beats(o Value) bool {
	return cmp.Or(
		cmp.Compare(v.Generation, o.Generation),
		cmp.Compare(v.SetBy, o.SetBy),
		cmp.Compare(v.Mode, o.Mode),
		cmp.Compare(v.Reason, o.Reason),
		v.SetAt.Compare(o.SetAt),
	) > 0
}

// Refusals: what the mode forbids.
var (
	ErrCachedOnly = errors.New("the fleet asks no geocoder at present")
	ErrReadOnly   = errors.New("the fleet takes no new rides at present")
)

// AllowsUpstream returns ErrCachedOnly where no upstream is asked.
func (m Mode) AllowsUpstream() error {
	if m == CachedOnly {
		return ErrCachedOnly
	}
	return nil
}

// AllowsRides returns ErrReadOnly where new rides are not taken.
func (m Mode) AllowsRides() error {
	if m == ReadOnly {
		return ErrReadOnly
	}
	return nil
}
