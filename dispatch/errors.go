package dispatch

import (
	"errors"
	"fmt"
)

// Errors that callers branch on. Those about one ride are wrapped in a StateError.
var (
	// ErrNotFound: no such ride, driver or offer, or not this driver's offer.
	ErrNotFound = errors.New("not found")
	// ErrTooLate: the ride's state does not allow it any more; see StateError.
	ErrTooLate = errors.New("too late")
	// ErrDriverEngaged: the driver is reserved for a ride or busy with one.
	ErrDriverEngaged = errors.New("driver is reserved or busy")
	// ErrUnavailable: Redis is down, slow or refuses writes. Repeating is safe.
	ErrUnavailable = errors.New("dispatch store unavailable")
	// ErrRiderCap: the rider has as many live rides as they may have.
	ErrRiderCap = errors.New("too many live rides of this rider")
	// ErrRideCap: the region has as many live rides as it may have.
	ErrRideCap = errors.New("too many live rides")
	// ErrBacklog: so many events of the region wait to be handed on that no ride may begin.
	ErrBacklog = errors.New("too many events wait to be handed on")
	// ErrKeyReused: the idempotency key came before with a different request.
	ErrKeyReused = errors.New("idempotency key was used for a different request")
	// ErrKeyInFlight: another request with the idempotency key is under way.
	ErrKeyInFlight = errors.New("idempotency key is in use by a request under way")
	// ErrInvalid: input that must be changed before it is tried again; see InputError.
	ErrInvalid = errors.New("invalid input")
)

// StateError is ErrTooLate together with the ride as it is now.
type StateError struct{ Ride Ride }

func (e *StateError) Error() string {
	return fmt.Sprintf("ride is %s", e.Ride.State)
}

// Is makes errors.Is(err, ErrTooLate) hold.
func (e *StateError) Is(target error) bool { return target == ErrTooLate }

// InputError is ErrInvalid with what is wrong.
type InputError struct {
	Code   string // stable and machine-readable, one of the Code constants
	Detail string // for people, without the offending value
}

func (e *InputError) Error() string { return e.Detail }

// Is makes errors.Is(err, ErrInvalid) hold.
func (e *InputError) Is(target error) bool { return target == ErrInvalid }

// Codes of refused input.
const (
	CodeInvalidID       = "invalid_id"
	CodeInvalidPosition = "invalid_position"
	CodeFuture          = "future" // a ts further ahead than clocks differ
	CodeOlder           = "older"  // a newer position is known; this one has no effect
	CodeInvalidVehicle  = "invalid_vehicle"
	CodeInvalidTags     = "invalid_tags"
	CodeUnknownRegion   = "unknown_region"
	CodeOutside         = "outside_service_area" // in none of the regions
	CodeDriverCap       = "driver_cap"           // there are as many drivers as there may be
	CodeBacklog         = "events_backlog"       // too many events wait to be handed on
	CodeInvalidRadius   = "invalid_radius"
	CodeInvalidLimit    = "invalid_limit"
	CodeInvalidCursor   = "invalid_cursor"
	CodeInvalidKey      = "invalid_idempotency_key"
	CodeInvalidReason   = "invalid_reason"
	CodeInvalidMotion   = "invalid_motion" // a heading, speed or accuracy
	CodeInvalidNote     = "invalid_note"
	CodeInvalidMetadata = "invalid_metadata"
	CodeInvalidPickupAt = "invalid_pickup_at" // in the past, or too far ahead
)

// refusal is what a code of track.lua means.
func refusal(code string) *InputError {
	switch code {
	case CodeFuture:
		return &InputError{CodeFuture, fmt.Sprintf("ts is more than %s in the future", tsAhead)}
	case CodeDriverCap:
		return &InputError{CodeDriverCap, "there are as many drivers as this geogate allows"}
	case CodeBacklog:
		return &InputError{CodeBacklog, "too many events wait to be handed on; nobody can come on duty"}
	}
	return &InputError{CodeOlder, "a newer position of this driver is known"}
}
