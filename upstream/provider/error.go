package provider

import "geogate/internal/outbound"

type (
	// Error is a failed call, or one that was not made.
	Error = outbound.Error
	// Server says where a provider of a [Kind] is asked, and how.
	Server = outbound.Server
)

// The kinds of failure, to be told apart with errors.Is.
var (
	ErrThrottled     = outbound.ErrThrottled
	ErrUnavailable   = outbound.ErrUnavailable
	ErrTimeout       = outbound.ErrTimeout
	ErrInvalidAnswer = outbound.ErrInvalidAnswer
	ErrBudget        = outbound.ErrBudget
	ErrForbidden     = outbound.ErrForbidden
)
