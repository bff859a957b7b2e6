package outbound

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"
	"github.com/sony/gobreaker/v2"

	"geogate/internal/budget"
)

const (
	// BreakerFailures in a row open the breaker.
	BreakerFailures = 5
	// BreakerPause is how long it stays open, and how long a server that
	// throttles us is left alone, unless the server says another time.
	BreakerPause = 5 * time.Second
)

// A Guard stands before one server, whose answers are of type A. It is safe for
// concurrent use and starts no goroutines.
type Guard[A any] struct {
	name    string
	budget  *budget.Budget // nil: unlimited
	may     func() error
	breaker *gobreaker.CircuitBreaker[A]
	retries retryBudget
	failed  atomic.Pointer[error] // the last that counted for the breaker

	openUntil   atomic.Int64 // Unix nanoseconds; when the breaker tries again
	pausedUntil atomic.Int64 // Unix nanoseconds; the server sent us away until then
}

// NewGuard returns the guard of the server with that name. Without a budget
// nothing limits the calls. While may returns an error no call is made, nor waited
// for, and a *ForbiddenError holds it; nil: calls may always be made. The log gets
// the changes of the breaker.
func NewGuard[A any](name string, b *budget.Budget, may func() error, log zerolog.Logger) *Guard[A] {
	g := &Guard[A]{name: name, budget: b, may: may}
	g.breaker = gobreaker.NewCircuitBreaker[A](gobreaker.Settings{
		Name:        name,
		Timeout:     BreakerPause,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= BreakerFailures },
		OnStateChange: func(name string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				g.openUntil.Store(time.Now().Add(BreakerPause).UnixNano())
			}
			line := log.Warn().Str("upstream", name).Str("breaker", to.String())
			if cause := g.failed.Load(); to == gobreaker.StateOpen && cause != nil {
				line.Err(*cause)
			}
			line.Msg("breaker changed")
		},
		// A caller who leaves says nothing about the server, and neither does a
		// call that was not made.
		IsExcluded: func(err error) bool { return IsCallerGone(err) || notAsked(err) },
	})
	return g
}

// blocked returns an error while no call may be made, the breaker is open or the
// server has sent us away.
func (g *Guard[A]) blocked() error {
	if g.may != nil {
		if err := g.may(); err != nil {
			return &ForbiddenError{err}
		}
	}
	now := time.Now().UnixNano()
	if until := g.pausedUntil.Load(); until > now {
		return &Error{
			Provider: g.name, Kind: ErrUnavailable, Err: budget.ErrPaused,
			RetryAfter: time.Duration(until - now),
		}
	}
	if g.breaker.State() == gobreaker.StateOpen {
		return &Error{
			Provider: g.name, Kind: ErrUnavailable, Err: gobreaker.ErrOpenState,
			RetryAfter: max(time.Duration(g.openUntil.Load()-now), time.Millisecond),
		}
	}
	return nil
}

// Ask makes a call once breaker and budget let it, for which it waits until
// patience at most, and charges it to whom ctx names. call is told how long that
// took, and sends the question. It is made once more after a failure that may be
// gone a moment later: only if somebody waits for the answer, and only as long
// as such retries are rare. The error is an *Error, a *ChargeError or a *ForbiddenError.
func (g *Guard[A]) Ask(ctx context.Context, lane budget.Lane, patience time.Time, call func(waited time.Duration) (A, error)) (A, error) {
	g.retries.earn()
	var first error
	a, err := backoff.Retry(ctx, func() (A, error) {
		a, err := g.attempt(ctx, lane, patience, call)
		switch {
		case first != nil && err != nil:
			// The second attempt may have failed for want of budget. The first
			// error says what is wrong.
			return a, backoff.Permanent(first)
		case err != nil && (!isTransient(err) || lane.Present(ctx) == budget.Refresh || !g.retries.spend()):
			return a, backoff.Permanent(err)
		}
		first = err
		return a, err
	}, backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: retryPause, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: retryPause,
	}), backoff.WithMaxTries(2))
	if err != nil && first != nil && ctx.Err() != nil {
		return a, CallerGone(ctx, g.name)
	}
	return a, err
}

// attempt makes one call.
//
// The breaker comes first: a half-open one lets a single call try the server,
// and those that it turns away must not take the budget of that call.
func (g *Guard[A]) attempt(ctx context.Context, lane budget.Lane, patience time.Time, call func(time.Duration) (A, error)) (A, error) {
	var none A
	if err := g.blocked(); err != nil {
		return none, err
	}
	asked := time.Now()
	a, err := g.breaker.Execute(func() (A, error) {
		release, err := g.acquire(ctx, lane, patience)
		if err != nil {
			return none, err
		}
		defer release()
		if err := charged(ctx); err != nil {
			return none, err
		}
		a, err := call(time.Since(asked))
		g.heed(err)
		if err != nil && !IsCallerGone(err) {
			g.failed.Store(&err)
		}
		return a, err
	})
	if err == gobreaker.ErrOpenState || err == gobreaker.ErrTooManyRequests { //nolint:errorlint // the breaker's own, not that of blocked
		return none, &Error{Provider: g.name, Kind: ErrUnavailable, RetryAfter: time.Second, Err: err}
	}
	if err != nil {
		return none, err
	}
	return a, nil
}

// acquire waits for budget, as long as the server may be asked at all.
func (g *Guard[A]) acquire(ctx context.Context, lane budget.Lane, patience time.Time) (release func(), err error) {
	if g.budget == nil {
		return func() {}, nil
	}
	release, err = g.budget.AcquireWhile(ctx, lane, patience, g.blocked)
	if err != nil {
		return nil, g.noBudget(ctx, err)
	}
	return release, nil
}

// noBudget returns the error of a call that the budget did not let through.
func (g *Guard[A]) noBudget(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*budget.Error](err)
	switch {
	case notAsked(err) && !ok: // blocked meanwhile
		return err
	case !ok:
		return CallerGone(ctx, g.name)
	case errors.Is(err, budget.ErrUsedUp):
		return &Error{Provider: g.name, Kind: ErrBudget, RetryAfter: refused.RetryAfter}
	default:
		return &Error{Provider: g.name, Kind: ErrUnavailable, RetryAfter: refused.RetryAfter, Err: err}
	}
}

// notAsked reports whether a call ended before the server was asked.
func notAsked(err error) bool {
	_, uncharged := errors.AsType[*ChargeError](err)
	_, forbidden := errors.AsType[*ForbiddenError](err)
	return uncharged || forbidden || errors.Is(err, ErrBudget) || errors.Is(err, budget.ErrPaused) ||
		errors.Is(err, budget.ErrUncounted) || errors.Is(err, gobreaker.ErrOpenState)
}

// heed leaves a server alone that throttles us or says when to come back.
func (g *Guard[A]) heed(err error) {
	pause := retryAfter(err)
	switch {
	case errors.Is(err, ErrThrottled):
		if pause == 0 {
			pause = BreakerPause
		}
	case !errors.Is(err, ErrUnavailable) || pause == 0:
		return
	}
	if g.budget != nil {
		pause = g.budget.Pause(pause)
	}
	g.pauseUntil(time.Now().Add(pause).UnixNano())
}

// pauseUntil leaves the server alone until then, in Unix nanoseconds. A pause
// never gets shorter: the server may have said "ten minutes" to one call and "a
// second" to another one that was under way.
func (g *Guard[A]) pauseUntil(then int64) {
	for {
		now := g.pausedUntil.Load()
		if now >= then || g.pausedUntil.CompareAndSwap(now, then) {
			return
		}
	}
}

// State is "up", "open" or "half-open" (the breaker), or "paused" (by the
// server).
func (g *Guard[A]) State() string {
	switch {
	case g.pausedUntil.Load() > time.Now().UnixNano():
		return "paused"
	case g.breaker.State() == gobreaker.StateOpen:
		return "open"
	case g.breaker.State() == gobreaker.StateHalfOpen:
		return "half-open"
	}
	return "up"
}

// Budget tells how scarce the calls are; nil where nothing limits them.
func (g *Guard[A]) Budget() *budget.State {
	if g.budget == nil {
		return nil
	}
	s := g.budget.State()
	return &s
}
