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

// An idempotency key is one over all regions, and no script can look into two. So, where
// there are several, a record outside of them says which one the key belongs to, with a
// turn that rises with each move. A key belongs to the region that uses it first. It moves only from
// a region where nothing came of it, in two steps: out of that region, which
// refuses from then on whoever comes with an older turn, and then the record. DESIGN.md
// says why a crash between any two steps, or a request that was on its way, never makes
// a second ride.
type keyRegion struct {
	record string // as it is kept
	region string
	turn   string
	next   string // the turn of a move from here
}

// keyTries is how often a request begins anew because somebody else moved its key.
const keyTries = 8

var errKeyMoving = errors.New("idempotency key is moved by other requests again and again")

// keyLife is longer than a ride for that time, or for now, is remembered.
func (e *Engine) keyLife(pickup time.Time) time.Duration {
	life := e.cfg.Timeout + e.cfg.RideTTL + e.cfg.Retention + claimLapse
	if !pickup.IsZero() {
		life += max(0, time.Until(pickup))
	}
	return life
}

// claiming runs a script that uses an idempotency key in a region, and makes the key
// that region's before if it is nobody's. The script gets a claim: the
// one given, or the turn alone. The answer is key_reused if something came of the key
// elsewhere.
func (e *Engine) claiming(ctx context.Context, region, key, claim string, pickup time.Time, script func(claim string) (reply, error)) (reply, error) {
	if key == "" || !e.manyRegions() {
		return script(claim)
	}
	life := e.keyLife(pickup)
	if claim != "" { // it has its turn
		if !pickup.IsZero() { // the claim was made for less
			if _, err := e.regionOfKey(ctx, key, region, life); err != nil {
				return reply{}, err
			}
		}
		answer, err := script(claim)
		if err != nil || answer.code != "key_moved" {
			return answer, err
		}
	}
	for range keyTries {
		at, err := e.regionOfKey(ctx, key, region, life)
		if err != nil {
			return reply{}, err
		}
		var answer reply
		if at.region == region {
			answer, err = script(at.turn + ".")
		} else {
			answer, err = e.run(ctx, leaveKeyScript, at.region, key, at.next, life.Milliseconds())
		}
		moves := at.region == region && answer.code == "key_moved" || // by somebody who got no further
			at.region != region && answer.code == "ok"
		switch {
		case err != nil:
			return reply{}, err
		case moves:
			if _, err := e.swap(ctx, recordOfKey(key), at.record, region+" "+at.next, life); err != nil {
				return reply{}, err
			}
		case answer.code != "key_moved":
			return answer, nil
		}
	}
	return reply{}, fmt.Errorf("%w: %w", ErrUnavailable, errKeyMoving)
}

func recordOfKey(key string) string { return "geogate:key:" + key }

// regionOfKey makes a key belong to region unless it belongs to one, and returns which.
func (e *Engine) regionOfKey(ctx context.Context, key, region string, life time.Duration) (keyRegion, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	list, err := keyRegionScript.Run(ctx, e.rdb, []string{recordOfKey(key)}, region, life.Milliseconds()).StringSlice()
	if err != nil || len(list) != 4 {
		return keyRegion{}, fmt.Errorf("%w: read region of key: %w", ErrUnavailable, err)
	}
	return keyRegion{list[0], list[1], list[2], list[3]}, nil
}
