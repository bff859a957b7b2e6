package upstream

import (
	"context"
	"errors"

	"geogate/internal/outbound"
)

// Geocode returns the answer of the first provider that has one. The next one
// is asked when a provider is throttled, unavailable or slow, when its breaker
// is open, when it answers nonsense, and with on_empty=next when it knows
// nothing. A used-up budget of the first choice is no reason to ask the next
// one: the caller waits. Each provider has a turn of its own, in which the
// caller waits for budget at most as long as the chain is configured to, and
// which leaves time for the next.
//
// Providers whose terms forbid the request are passed over; if they all do, the
// error is ErrForbidden.
//
// The answer's After says why the providers before it did not answer, and its
// Unheard why another one could not. The error is that of the first provider
// that failed: an *Error, of any kind.
func (c *Chain) Geocode(ctx context.Context, r Request, lane Lane) (Answer, error) {
	return c.ask(ctx, r, lane, &failover{last: len(c.members)})
}

// errUnasked is why a renewal has not heard a fallback.
var errUnasked = errors.New("fallbacks are not asked for a renewal")

// Renew is Geocode in the lane of Refresh, for an answer that is still good and
// came from the provider of that name. It spends nothing on the fallbacks: only
// when those before it know nothing it asks the one that did, and nobody
// after an error.
func (c *Chain) Renew(ctx context.Context, r Request, from string) (Answer, error) {
	f := &failover{renews: true}
	for i, m := range c.members {
		if m.spec.Name == from {
			f.last = i
		}
	}
	return c.ask(ctx, r, Refresh, f)
}

// ask asks in order until the matter is settled.
func (c *Chain) ask(ctx context.Context, r Request, lane Lane, f *failover) (Answer, error) {
	if c.may != nil {
		if err := c.may(); err != nil {
			return Answer{}, err
		}
	}
	able, forbidden := c.able(r)
	if len(able) == 0 && forbidden == nil {
		return unserved(r), nil
	}
	deadline := until(ctx)
	for n, i := range able {
		m := c.members[i]
		switch {
		case r.Typed() && !m.spec.Policy.Autocomplete:
			forbidden = &Error{Provider: m.spec.Name, Kind: ErrForbidden}
			f.passOver(forbidden)
			continue
		case !f.mayAsk(i):
			f.unheard = errUnasked
			return f.outcome()
		}
		a, err := m.geocode(ctx, r, lane, c.turn(deadline, len(able)-n-1))
		a.Rank = i
		if f.settles(m, a, err) {
			break
		}
	}
	if f.asked == 0 {
		return Answer{}, forbidden
	}
	return f.outcome()
}

// able returns the members that have the request's endpoint and may be asked
// for it, and an error of those that must not.
func (c *Chain) able(r Request) (able []int, forbidden error) {
	for i, m := range c.members {
		switch {
		case !m.serves(r.Endpoint()):
		case m.spec.Policy.Forbids(r.Endpoint()):
			forbidden = &Error{Provider: m.spec.Name, Kind: ErrForbidden}
		default:
			able = append(able, i)
		}
	}
	return able, forbidden
}

// failover collects what the providers of a chain say to one request, in their
// order, until one of them settles it.
type failover struct {
	renews bool // an answer that is still good: nobody is asked after an error,
	last   int  // and nobody after this member at all

	asked   int // providers that had their chance
	settled bool
	answer  *Answer

	empty   *Answer // the first of those who know nothing, where that is no reason to stop
	first   error   // of those who failed
	unheard error   // why somebody was passed over or not asked
}

// mayAsk reports whether the next provider is asked.
func (f *failover) mayAsk(i int) bool {
	return !f.renews || f.asked == 0 || f.first == nil && i <= f.last
}

// passOver notes that a provider's terms forbid the request.
func (f *failover) passOver(why error) { f.unheard = why }

// settles hears what a provider said and reports whether the matter is
// settled, so that nobody else is asked.
//
//   - A place settles it. So does a refusal or "nothing there", unless the
//     provider has on_empty=next.
//   - After somebody said "nothing there", only a place says more.
//   - After an error, only a place is an answer: the provider that failed might
//     have known it.
//   - An error settles it if the caller has left, or if the first choice has no
//     budget.
func (f *failover) settles(m *member, a Answer, err error) bool {
	a.After = f.after()
	f.asked++
	switch {
	case err != nil:
		f.settled = outbound.IsCallerGone(err) || a.After == AfterNothing && !outbound.FailsOver(err)
		if f.first == nil {
			f.first = err
		}
	case a.Outcome == Found || a.After == AfterNothing && (a.Outcome != Empty || !m.spec.OnEmptyNext):
		f.settled, f.answer = true, &a
	case a.After == AfterNothing:
		f.empty = &a
	case a.After == AfterError && f.empty == nil:
		f.settled = a.Outcome == Refused || !m.spec.OnEmptyNext
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
	case f.answer == nil && (f.empty == nil || f.renews && f.first != nil):
		return Answer{}, f.first
	case f.answer == nil:
		f.answer = f.empty
		if f.first != nil {
			f.unheard = f.first
		}
	}
	a := *f.answer
	a.Unheard = f.unheard
	// Others, who are not passed over, might hear another answer.
	a.NoStore = a.NoStore || a.Unheard != nil
	return a, nil
}
