package outbound

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The kinds of failure, to be told apart with errors.Is.
var (
	// ErrThrottled: the provider said that we ask too often, or blocked us.
	ErrThrottled = errors.New("throttled by the provider")
	// ErrUnavailable: no connection, a server error, or the breaker is open.
	ErrUnavailable = errors.New("provider unavailable")
	// ErrTimeout: no complete answer in time.
	ErrTimeout = errors.New("provider timed out")
	// ErrInvalidAnswer: something that is not an answer: HTML with status 200, cut
	// off, a redirect, larger than the cap, not the format asked for.
	ErrInvalidAnswer = errors.New("invalid answer")
	// ErrBudget: our own budget for the provider is used up.
	ErrBudget = errors.New("budget used up")
	// ErrForbidden: the provider's terms do not allow the request.
	ErrForbidden = errors.New("forbidden by the provider's terms")
)

// An Error is a failed call, or one that was not made. errors.Is finds its
// Kind. It never holds the URL: that has keys and people's addresses in it.
type Error struct {
	Provider   string
	Kind       error         // one of the sentinels above, or context.Canceled
	RetryAfter time.Duration // when asking again makes sense; 0: not known
	Err        error         // detail, may be nil

	CallerGone bool // the caller left: this says nothing about the provider
	Transient  bool // may well be gone a moment later: asking again at once makes sense
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("ask %s: %v", e.Provider, e.Kind)
	}
	return fmt.Sprintf("ask %s: %v: %v", e.Provider, e.Kind, e.Err)
}

// Unwrap returns the kind and the detail.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// ForbiddenError is a call that was not made because none may be at present.
type ForbiddenError struct{ Err error }

func (e *ForbiddenError) Error() string { return e.Err.Error() }

// Unwrap returns why.
func (e *ForbiddenError) Unwrap() error { return e.Err }

// IsCallerGone reports whether a call ended because of its caller.
func IsCallerGone(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.CallerGone
}

// CallerGone is the error of a call whose caller left or ran out of time.
func CallerGone(ctx context.Context, provider string) *Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Provider: provider, Kind: ErrTimeout, Err: ctx.Err(), CallerGone: true}
	}
	return &Error{Provider: provider, Kind: context.Canceled, CallerGone: true}
}

// FailsOver reports whether an error is a reason to ask the next provider.
func FailsOver(err error) bool {
	return !IsCallerGone(err) && (errors.Is(err, ErrThrottled) || errors.Is(err, ErrUnavailable) ||
		errors.Is(err, ErrTimeout) || errors.Is(err, ErrInvalidAnswer))
}

// The labels of a call that failed, for metrics.
const (
	labelThrottled   = "throttled"
	labelUnavailable = "unavailable"
	labelTimeout     = "timeout"
	labelInvalid     = "invalid"
	labelCanceled    = "canceled"
)

// Labels are those that Label returns.
func Labels() []string {
	return []string{labelThrottled, labelUnavailable, labelTimeout, labelInvalid, labelCanceled}
}

// Label names the kind of a failure for metrics.
func Label(err error) string {
	switch {
	case IsCallerGone(err):
		return labelCanceled
	case errors.Is(err, ErrThrottled):
		return labelThrottled
	case errors.Is(err, ErrTimeout):
		return labelTimeout
	case errors.Is(err, ErrInvalidAnswer):
		return labelInvalid
	}
	return labelUnavailable
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
