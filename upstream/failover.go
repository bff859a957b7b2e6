package upstream

import (
	"context"
	"errors"
	"time"
)

// Geocode returns the answer of the first provider that has one. The next one
// is asked when a provider is throttled, unavailable or slow, when its breaker
// is open, when it answers nonsense, and with on_empty=next when it knows
// nothing. A used-up budget is no reason to ask the next one: the caller waits,
// at most as long as the chain is configured to and the context lasts.
//
// The answer's After says why the providers before it did not answer. The error
// is that of the first provider asked: an *Error, of any kind.
func (c *Chain) Geocode(ctx context.Context, r Request, lane Lane) (Answer, error) {
	deadline := time.Now().Add(c.wait)
	var f failover
	for _, m := range c.members {
		if !m.serves(r.Endpoint()) {
			continue
		}
		if m.spec.Policy.Forbids(r.Endpoint()) {
			if f.asked > 0 {
				continue
			}
			return Answer{}, &Error{Provider: m.spec.Name, Kind: ErrForbidden}
		}
		a, err := m.geocode(ctx, r, lane, deadline)
		if f.settles(m, a, err) {
			break
		}
	}
	if f.asked == 0 {
		return unserved(r), nil
	}
	return f.outcome()
}

// failover collects what the providers of a chain say to one request, in their
// order, until one of them settles it.
type failover struct {
	asked   int // providers that had their chance
	settled bool
	answer  Answer
	err     error

	empty *Answer // the first of those who know nothing, where that is no reason to stop
	first error   // of those who failed
}

// settles hears what a provider said and reports whether the matter is
// settled, so that nobody else is asked.
//
//   - A place, or a refusal, settles it; so does "nothing there", unless the
//     provider has on_empty=next.
//   - After somebody said "nothing there", only a place says more.
//   - An error settles it unless it is a reason to ask the next one.
func (f *failover) settles(m *member, a Answer, err error) bool {
	after := f.after()
	f.asked++
	a.After = after
	switch {
	case err == nil && a.Outcome == Empty && m.spec.OnEmptyNext && f.empty == nil:
		f.empty = &a
	case err == nil && (a.Outcome == Found || f.empty == nil):
		f.settled, f.answer = true, a
	case err == nil:
	case !failsOver(err):
		f.settled, f.err = true, err
	case f.first == nil:
		f.first = err
	}
	return f.settled
}

// after says why the next provider is asked. An error counts for more than an
// empty answer: the provider that failed might have known the place.
func (f *failover) after() After {
	switch {
	case f.first != nil:
		return AfterError
	case f.empty != nil:
		return AfterEmpty
	default:
		return AfterNothing
	}
}

// outcome is the best that was heard.
func (f *failover) outcome() (Answer, error) {
	switch {
	case f.settled && f.err == nil:
		return f.answer, nil
	case f.empty != nil:
		return *f.empty, nil
	case f.settled:
		return Answer{}, f.err
	default:
		return Answer{}, f.first
	}
}

// failsOver reports whether an error is a reason to ask the next provider.
func failsOver(err error) bool {
	return !isCallerGone(err) && (errors.Is(err, ErrThrottled) || errors.Is(err, ErrUnavailable) ||
		errors.Is(err, ErrTimeout) || errors.Is(err, ErrInvalidAnswer))
}

// isCallerGone reports whether a call ended because of its caller.
func isCallerGone(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.CallerGone
}

// callerGone is the error of a call whose caller left or ran out of time.
func callerGone(ctx context.Context) *Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Kind: ErrTimeout, Err: ctx.Err(), CallerGone: true}
	}
	return &Error{Kind: context.Canceled, CallerGone: true}
}
