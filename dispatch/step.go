package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"unicode/utf8"
)

// The steps of a ride from the match to its end. Repeating one that was taken changes
// nothing and returns the same ride, so callers who got no answer ask again.

// MaxReasonLen bounds the reason of Cancel and Release, in characters.
const MaxReasonLen = 64

// Released is the reason of a ride that was given back without one.
const Released = "released"

func checkReason(reason string) *InputError {
	if utf8.RuneCountInString(reason) > MaxReasonLen || unprintable(reason) {
		return &InputError{CodeInvalidReason, fmt.Sprintf("reason is at most %d characters of printable UTF-8", MaxReasonLen)}
	}
	return nil
}

// Cancel ends a ride that has not started; an offer under way ends with it, and a
// driver on the way is free at once. Cancelling again returns the same ride. The reason
// is optional. Errors: InputError, ErrNotFound, *StateError when the ride has started
// or has ended otherwise, ErrUnavailable.
func (e *Engine) Cancel(ctx context.Context, id, reason string) (Ride, error) {
	if err := checkReason(reason); err != nil {
		return Ride{}, fmt.Errorf("cancel ride: %w", err)
	}
	region, ok := regionOfRide(id)
	if !ok {
		return Ride{}, fmt.Errorf("cancel ride: %w", ErrNotFound)
	}
	answer, err := e.run(ctx, cancelScript, region, id, OwnerOf(ctx).Rider, reason)
	if err != nil {
		return Ride{}, fmt.Errorf("cancel ride: %w", err)
	}
	ride, err := answer.rideOrRefusal()
	if err != nil {
		return Ride{}, fmt.Errorf("cancel ride: %w", err)
	}
	return ride, nil
}

// Arrive tells that the driver of a matched ride is at the pickup. driver is whose step
// it is; empty: whoever has the ride. Errors: ErrNotFound, also for a ride of another
// driver; *StateError when the ride is not matched or arrived; ErrUnavailable.
func (e *Engine) Arrive(ctx context.Context, id, driver string) (Ride, error) {
	return e.step(ctx, id, driver, Arrived)
}

// Start tells that the rider is on board; it may follow the match directly. Errors: as for
// Arrive.
func (e *Engine) Start(ctx context.Context, id, driver string) (Ride, error) {
	return e.step(ctx, id, driver, Started)
}

// Complete ends a ride under way, whether or not it was told to have arrived and
// started, and frees its driver, who is a candidate at once while heard of within
// DriverTTL. Errors: as for Arrive.
func (e *Engine) Complete(ctx context.Context, id, driver string) (Ride, error) {
	return e.step(ctx, id, driver, Completed)
}

func (e *Engine) step(ctx context.Context, id, driver string, to State) (Ride, error) {
	region, ok := regionOfRide(id)
	if !ok {
		return Ride{}, fmt.Errorf("take ride to %s: %w", to, ErrNotFound)
	}
	answer, err := e.run(ctx, stepScript, region, id, driver, string(to))
	if err != nil {
		return Ride{}, fmt.Errorf("take ride to %s: %w", to, err)
	}
	ride, err := answer.rideOrRefusal()
	if err != nil {
		return Ride{}, fmt.Errorf("take ride to %s: %w", to, err)
	}
	return ride, nil
}

// Release gives a ride back that has not started: it searches again, for as long as a
// new one would, and never asks this driver again. An empty reason is Released. The ride
// returned is the version that this led to, also when Release is repeated and the ride has
// gone on. Errors: InputError, ErrNotFound, also for a ride of another driver;
// *StateError when the ride has started or ended; ErrUnavailable.
func (e *Engine) Release(ctx context.Context, id, driver, reason string) (Ride, error) {
	region, ok := regionOfRide(id)
	if !ok || checkID(driver) != nil {
		return Ride{}, fmt.Errorf("release ride: %w", ErrNotFound)
	}
	if err := checkReason(reason); err != nil {
		return Ride{}, fmt.Errorf("release ride: %w", err)
	}
	answer, err := e.run(ctx, releaseScript, region, id, driver, cmp.Or(reason, Released))
	if err != nil {
		return Ride{}, fmt.Errorf("release ride: %w", err)
	}
	ride, err := answer.rideOrRefusal()
	if err != nil {
		return Ride{}, fmt.Errorf("release ride: %w", err)
	}
	return ride, nil
}
