package upstream

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"
	"github.com/sony/gobreaker/v2"

	"geogate/upstream/budget"
	"geogate/upstream/provider"
)

const (
	// breakerFailures in a row open the breaker.
	breakerFailures = 5
	// breakerPause is how long it stays open, and how long a provider that
	// throttles us is left alone, unless the provider says another time.
	breakerPause = 5 * time.Second
)

// member is one provider of a chain with everything that guards it.
type member struct {
	spec     Spec
	provider Provider
	budget   *budget.Budget // nil: unlimited
	breaker  *gobreaker.CircuitBreaker[Answer]
	observe  func(Call)
	retries  retryBudget

	// failed is the last error that counted for the breaker.
	failed atomic.Pointer[error]

	openUntil   atomic.Int64 // Unix nanoseconds; when the breaker tries again
	pausedUntil atomic.Int64 // Unix nanoseconds; the provider sent us away until then
	calls       map[string]*atomic.Uint64
}

func newMember(s Spec, p Provider, b *budget.Budget, observe func(Call), log zerolog.Logger) *member {
	m := &member{spec: s, provider: p, budget: b, observe: observe, calls: newCalls()}
	m.breaker = gobreaker.NewCircuitBreaker[Answer](gobreaker.Settings{
		Name:        s.Name,
		Timeout:     breakerPause,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		OnStateChange: func(name string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				m.openUntil.Store(time.Now().Add(breakerPause).UnixNano())
			}
			line := log.Warn().Str("upstream", name).Str("breaker", to.String())
			if cause := m.failed.Load(); to == gobreaker.StateOpen && cause != nil {
				line.Err(*cause)
			}
			line.Msg("breaker changed")
		},
		// A caller who leaves says nothing about the provider, and neither does a
		// call that was not made.
		IsExcluded: func(err error) bool { return isCallerGone(err) || notAsked(err) },
	})
	return m
}

// serves reports whether the provider has the endpoint at all.
func (m *member) serves(ep Endpoint) bool {
	k, ok := provider.KindOf(m.spec.Kind)
	return !ok || k.Serves(ep)
}

// blocked returns an error while the breaker is open or the provider has sent
// us away.
func (m *member) blocked() error {
	now := time.Now().UnixNano()
	if until := m.pausedUntil.Load(); until > now {
		return &Error{
			Provider: m.spec.Name, Kind: ErrUnavailable, Err: budget.ErrPaused,
			RetryAfter: time.Duration(until - now),
		}
	}
	if m.breaker.State() == gobreaker.StateOpen {
		return &Error{
			Provider: m.spec.Name, Kind: ErrUnavailable, Err: gobreaker.ErrOpenState,
			RetryAfter: max(time.Duration(m.openUntil.Load()-now), time.Millisecond),
		}
	}
	return nil
}

// geocode asks the provider, and once more after a failure that may be gone a
// moment later: only if somebody waits for the answer, and only as long as such
// retries are rare.
func (m *member) geocode(ctx context.Context, r Request, lane Lane, t turn) (Answer, error) {
	m.retries.earn()
	var first error
	a, err := backoff.Retry(ctx, func() (Answer, error) {
		a, err := m.attempt(ctx, r, lane, t)
		switch {
		case first != nil && err != nil:
			// The second attempt may have failed for want of budget. The first
			// error says what is wrong.
			return a, backoff.Permanent(first)
		case err != nil && (!isTransient(err) || lane.Present(ctx) == Refresh || !m.retries.spend()):
			return a, backoff.Permanent(err)
		}
		first = err
		return a, err
	}, backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: retryPause, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: retryPause,
	}), backoff.WithMaxTries(2))
	if err != nil && first != nil && ctx.Err() != nil {
		return a, m.name(callerGone(ctx))
	}
	return a, err
}

// attempt asks the provider once breaker and budget let it, within its turn.
//
// The breaker comes first: a half-open one lets a single call try the provider,
// and those that it turns away must not take the budget of that call.
func (m *member) attempt(ctx context.Context, r Request, lane Lane, t turn) (Answer, error) {
	if err := m.blocked(); err != nil {
		return Answer{}, err
	}
	asked := time.Now()
	a, err := m.breaker.Execute(func() (Answer, error) {
		release, err := m.acquire(ctx, lane, t.wait)
		if err != nil {
			return Answer{}, err
		}
		defer release()
		// What this machine knows by itself costs nobody anything.
		if !m.spec.local() {
			if err := charged(ctx); err != nil {
				return Answer{}, err
			}
		}
		a, err := m.call(ctx, r, lane, t, asked)
		if err != nil && !isCallerGone(err) {
			m.failed.Store(&err)
		}
		return a, err
	})
	if err == gobreaker.ErrOpenState || err == gobreaker.ErrTooManyRequests { //nolint:errorlint // the breaker's own, not that of blocked
		return Answer{}, &Error{Provider: m.spec.Name, Kind: ErrUnavailable, RetryAfter: time.Second, Err: err}
	}
	if err != nil {
		return Answer{}, err
	}
	a.MaxTTL = shorter(a.MaxTTL, m.spec.MaxTTL)
	a.NoStore = a.NoStore || r.Debug()
	return a, nil
}

// acquire waits for budget, as long as the provider may be asked at all.
func (m *member) acquire(ctx context.Context, lane Lane, deadline time.Time) (release func(), err error) {
	if m.budget == nil {
		return func() {}, nil
	}
	release, err = m.budget.AcquireWhile(ctx, lane, deadline, m.blocked)
	if err != nil {
		return nil, m.noBudget(ctx, err)
	}
	return release, nil
}

// call asks the provider, and heeds and counts what it says.
func (m *member) call(ctx context.Context, r Request, lane Lane, t turn, asked time.Time) (Answer, error) {
	began := time.Now()
	inTurn, done := t.call(ctx)
	defer done()
	a, err := m.provider.Geocode(inTurn, r)
	if err != nil && ctx.Err() != nil {
		err = m.name(callerGone(ctx))
	}
	label := m.count(a, err)
	m.observe(Call{
		Provider: m.spec.Name, Outcome: label, Lane: lane.Present(ctx),
		Waited: began.Sub(asked), Took: time.Since(began),
	})
	m.heed(err)
	return a, err
}

// notAsked reports whether a call ended before the provider was asked.
func notAsked(err error) bool {
	_, uncharged := errors.AsType[*ChargeError](err)
	return uncharged || errors.Is(err, ErrBudget) || errors.Is(err, budget.ErrPaused) ||
		errors.Is(err, budget.ErrUncounted) || errors.Is(err, gobreaker.ErrOpenState)
}

// noBudget returns the error of a call that the budget did not let through.
func (m *member) noBudget(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*budget.Error](err)
	switch {
	case notAsked(err) && !ok: // blocked meanwhile
		return err
	case !ok:
		return m.name(callerGone(ctx))
	case errors.Is(err, budget.ErrUsedUp):
		return &Error{Provider: m.spec.Name, Kind: ErrBudget, RetryAfter: refused.RetryAfter}
	default:
		return &Error{Provider: m.spec.Name, Kind: ErrUnavailable, RetryAfter: refused.RetryAfter, Err: err}
	}
}

// heed leaves a provider alone that throttles us or says when to come back.
func (m *member) heed(err error) {
	pause := retryAfter(err)
	switch {
	case errors.Is(err, ErrThrottled):
		if pause == 0 {
			pause = breakerPause
		}
	case !errors.Is(err, ErrUnavailable) || pause == 0:
		return
	}
	if m.budget != nil {
		pause = m.budget.Pause(pause)
	}
	m.pauseUntil(time.Now().Add(pause).UnixNano())
}

// pauseUntil leaves the provider alone until then, in Unix nanoseconds. A pause
// never gets shorter: the provider may have said "ten minutes" to one call and
// "a second" to another one that was under way.
func (m *member) pauseUntil(then int64) {
	for {
		now := m.pausedUntil.Load()
		if now >= then || m.pausedUntil.CompareAndSwap(now, then) {
			return
		}
	}
}

// shorter returns the shorter of two lifetimes, of which 0 is the unlimited.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// name puts the provider's name on an error that was made without it.
func (m *member) name(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Provider == "" {
		e.Provider = m.spec.Name
	}
	return err
}

// isTransient reports whether asking again at once makes sense.
func isTransient(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Transient
}

// retryAfter returns the RetryAfter of the *Error in err.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
