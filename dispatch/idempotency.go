package dispatch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// claimLapse is how long a claimed key stays in flight when its process dies.
const claimLapse = 30 * time.Second

func checkKey(key string) *InputError {
	if len(key) > MaxKeyLen || unprintable(key) {
		return &InputError{CodeInvalidKey, fmt.Sprintf("an idempotency key is at most %d bytes of printable UTF-8", MaxKeyLen)}
	}
	return nil
}

// ClaimKey takes a subject's idempotency key before work that comes ahead of Request, such as
// looking up an address. Either it returns the ride that the key led to before, and
// nothing is left to do; or it returns a claim for RideRequest.Claim, which lapses
// after 30 s or by DropKey, and meanwhile others get ErrKeyInFlight. Request without
// ClaimKey is just as safe. Errors: InputError, ErrKeyReused, ErrKeyInFlight,
// ErrUnavailable.
func (e *Engine) ClaimKey(ctx context.Context, region, subject, key, fingerprint string) (claim string, ride *Ride, err error) {
	region, refused := e.regionNamed(region)
	if err := errors.Join(asError(refused), asError(checkKey(key))); err != nil {
		return "", nil, fmt.Errorf("claim idempotency key: %w", err)
	}
	text, named := rand.Text(), digest(subject, key)
	answer, err := e.claiming(ctx, region, named, "", time.Time{}, func(turn string) (reply, error) {
		claim = turn + text
		return e.run(ctx, claimKeyScript, region, named, fingerprint, claim, claimLapse.Milliseconds())
	})
	if err != nil {
		return "", nil, fmt.Errorf("claim idempotency key: %w", err)
	}
	if answer.code == "ok" {
		return claim, nil, nil
	}
	found, err := answer.rideOrRefusal()
	if err != nil {
		return "", nil, fmt.Errorf("claim idempotency key: %w", err)
	}
	return "", &found, nil
}

// DropKey gives a claimed key back after an error. If a ride came of it all the same, the
// key goes on leading to it. Errors: ErrUnavailable.
func (e *Engine) DropKey(ctx context.Context, region, subject, key, claim string) error {
	region, refused := e.regionNamed(region)
	if refused != nil {
		return fmt.Errorf("drop idempotency key: %w", refused)
	}
	if _, err := e.run(ctx, dropKeyScript, region, digest(subject, key), claim); err != nil {
		return fmt.Errorf("drop idempotency key: %w", err)
	}
	return nil
}

// asError returns a plain nil for a nil *InputError.
func asError(err *InputError) error {
	if err == nil {
		return nil
	}
	return err
}
