// Package event is the log of what happened: rides and drivers as dispatch tells
// of them, and what publishers send. One Redis stream holds it for everybody who
// wants to know — webhooks, the bus, server-sent events — so that each of them
// can lag, die and catch up without affecting the others.
//
// It promises: an event is in the log once, however often it is published; its id
// never changes and tells its place in the log; readers see events in the order of
// the log. Everything lies in one hash slot, under Prefix, so that packages that
// deliver events can do so in scripts of their own.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Prefix begins every key that has to do with events; its braces are the hash tag.
const Prefix = "geogate:{events}:"

// StreamKey is the log. An entry has the fields type, at (Unix milliseconds),
// subject and data, and where it is in a trace, trace; its position is the event's id without idPrefix.
const StreamKey = Prefix + "stream"

// Types that geogate itself emits. Publishers cannot use them.
const (
	RequestScheduled = "request.scheduled"
	RequestSearching = "request.searching"
	RequestOffered   = "request.offered"
	RequestMatched   = "request.matched"
	RequestArrived   = "request.arrived"
	RequestStarted   = "request.started"
	RequestCompleted = "request.completed"
	RequestCancelled = "request.cancelled"
	RequestExpired   = "request.expired"
	DriverAvailable  = "driver.available"
	DriverOffline    = "driver.offline"
)

// GapType is what a stream of events sends where events may be missing. It is not in the
// log, and publishers cannot use it.
const GapType = "gap"

var builtIn = []string{
	RequestScheduled, RequestSearching, RequestOffered, RequestMatched, RequestArrived, RequestStarted, RequestCompleted,
	RequestCancelled, RequestExpired, DriverAvailable, DriverOffline,
}

// Limits of what is taken into the log.
const (
	MaxData     = 64 << 10 // bytes of an event's data
	maxType     = 128      // bytes of a type or pattern
	MaxPatterns = 32       // patterns of one listener
)

var (
	// ErrInvalid means that an event, pattern or id is not well-formed.
	ErrInvalid = errors.New("invalid event")
	// ErrReserved means that a publisher used a type of geogate's own.
	ErrReserved = errors.New("event type is reserved")
	// ErrKeyReused means that an idempotency key came again with other content.
	ErrKeyReused = errors.New("idempotency key used for another event")
	// ErrUnavailable means that Redis did not answer, or refused.
	ErrUnavailable = errors.New("event log unavailable")
)

// InputError tells what is wrong with what a client sent. It unwraps to Kind, a
// sentinel of this package or of one that builds on it.
type InputError struct {
	Kind   error
	Detail string // for people, without what the client sent
}

func (e *InputError) Error() string { return e.Kind.Error() + ": " + e.Detail }

func (e *InputError) Unwrap() error { return e.Kind }

func invalid(format string, args ...any) error {
	return &InputError{ErrInvalid, fmt.Sprintf(format, args...)}
}

// Event is one entry of the log. Its fields are not to be changed.
type Event struct {
	ID      string          // idPrefix and the position in the log
	Type    string          // such as request.matched
	At      time.Time       // when it happened, to the millisecond
	Subject string          // what it is about: events of one subject keep their order; may be empty
	Data    json.RawMessage // JSON, what a GET of the subject showed
	Trace   string          // traceparent of what led to it; may be empty
}

// Body is the event as receivers get it, by the Standard Webhooks specification:
// {"type","timestamp","data"}. It is the same bytes every time.
func (e Event) Body() []byte {
	body := make([]byte, 0, len(e.Data)+len(e.Type)+64)
	body = append(body, `{"type":`...)
	body = strconv.AppendQuote(body, e.Type) // a type is plain ASCII, see typeForm
	body = append(body, `,"timestamp":`...)
	body = e.At.UTC().AppendFormat(body, `"2006-01-02T15:04:05.000Z"`)
	body = append(body, `,"data":`...)
	body = append(body, e.Data...)
	return append(body, '}')
}

// Envelope is Body with the id in front, for channels that have no place for an
// id beside the body.
func (e Event) Envelope() []byte {
	return append([]byte(`{"id":`+strconv.Quote(e.ID)+`,`), e.Body()[1:]...)
}

var (
	typeForm    = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	patternForm = regexp.MustCompile(`^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)$`)
)

// CheckType tells whether a publisher may use a type. The error is ErrInvalid or
// ErrReserved.
func CheckType(name string) error {
	if len(name) > maxType || !typeForm.MatchString(name) {
		return invalid("a type is letters, digits, _ and - in parts joined by dots, such as news.flash, at most %d characters", maxType)
	}
	if slices.Contains(builtIn, name) || name == GapType {
		return &InputError{ErrReserved, name + " is reserved for geogate itself"}
	}
	return nil
}

// Patterns select events by type: "request.matched", "request.*", "*". None at all
// selects everything.
type Patterns []string

// Check tells whether patterns are well-formed; the error is ErrInvalid.
func (p Patterns) Check() error {
	if len(p) > MaxPatterns {
		return invalid("more than %d types", MaxPatterns)
	}
	for _, pattern := range p {
		if len(pattern) > maxType || !patternForm.MatchString(pattern) {
			return invalid("a type to listen to is like request.matched, request.* or *")
		}
	}
	return nil
}

// Match reports whether any pattern selects the type. turn.lua in package webhook
// has the same rule.
func (p Patterns) Match(name string) bool {
	if len(p) == 0 {
		return true
	}
	return slices.ContainsFunc(p, func(pattern string) bool {
		stem, open := strings.CutSuffix(pattern, "*") // leaves the dot
		return pattern == name || open && strings.HasPrefix(name, stem)
	})
}

// idPrefix tells an event's id from other ids. Standard Webhooks signs
// "id.timestamp.body", so that an id has no dot.
const idPrefix = "evt_"

// position returns the place in the log that an id names; the empty id is the
// beginning.
func position(id string) (string, error) {
	if id == "" {
		return "0-0", nil
	}
	pos, found := strings.CutPrefix(id, idPrefix)
	if _, err := parsePosition(pos); !found || err != nil {
		return "", invalid("this is not the id of an event")
	}
	return pos, nil
}

// place is a position as numbers: milliseconds and a count within them.
type place [2]uint64

func parsePosition(pos string) (place, error) {
	ms, seq, found := strings.Cut(pos, "-")
	if !found {
		return place{}, errors.New("no dash")
	}
	a, err := strconv.ParseUint(ms, 10, 64)
	if err != nil {
		return place{}, err
	}
	b, err := strconv.ParseUint(seq, 10, 64)
	return place{a, b}, err
}

// placeOf returns the place of an id that this package made.
func placeOf(id string) place {
	p, _ := parsePosition(strings.TrimPrefix(id, idPrefix))
	return p
}

func (p place) after(q place) bool { return p[0] > q[0] || p[0] == q[0] && p[1] > q[1] }

// newEvent decodes an entry of the stream.
func newEvent(pos string, values map[string]any) Event {
	field := func(name string) string { s, _ := values[name].(string); return s }
	ms, _ := strconv.ParseInt(field("at"), 10, 64)
	return Event{
		ID: idPrefix + pos, Type: field("type"), At: time.UnixMilli(ms).UTC(),
		Subject: field("subject"), Data: json.RawMessage(field("data")), Trace: field("trace"),
	}
}
