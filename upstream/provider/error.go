package provider

import (
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
