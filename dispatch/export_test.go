package dispatch

import (
	"context"
	"crypto/rand"
	"time"
)

// Reconcile looks for leaks that are older than age.
func (e *Engine) Reconcile(ctx context.Context, age time.Duration) error {
	return e.reconcile(ctx, DefaultRegion, age)
}

// Sweep takes drivers who were not heard of off the map.
func (e *Engine) Sweep(ctx context.Context) error {
	_, err := e.sweep(ctx, DefaultRegion)
	return err
}

// ClaimAndDie leases due rides as a worker that is never heard of again.
func (e *Engine) ClaimAndDie(ctx context.Context) ([]string, error) {
	answer, err := e.run(ctx, claimScript, DefaultRegion, "dead", lease.Milliseconds(), claimMost, rand.Text())
	return answer.strings(0), err
}

// Claim leases due rides as Run does.
func (e *Engine) Claim(ctx context.Context) ([]string, error) {
	rides, _, err := e.claim(ctx, DefaultRegion)
	return rides, err
}

// Renew renews the leases of rides as Run does.
func (e *Engine) Renew(ctx context.Context, rides ...string) {
	e.onLeases(ctx, renewScript, DefaultRegion, rides, e.worker, lease.Milliseconds())
}

// ClaimAndStop leases due rides as Run does and is stopped before it gets to them.
func (e *Engine) ClaimAndStop(ctx context.Context) ([]string, error) {
	rides, err := e.Claim(ctx)
	if err != nil {
		return nil, err
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	return rides, e.workClaimed(stopped, DefaultRegion, rides)
}

// Lease is how long a dead worker holds up its rides.
const Lease = lease

// MaxLooks is how many of those who wait look at a time.
const MaxLooks = maxLooks

// RideScript is the hash of the script that reads a ride.
func RideScript() string { return rideScript.Hash() }

// Subscribed reports whether wake-ups arrive.
func (e *Engine) Subscribed() bool { return e.subscribed.Load() }

// LookEvery is how often a waiting call looks without a wake-up.
const LookEvery = lookEvery

// WorkDue does what is due as Run does.
func (e *Engine) WorkDue(ctx context.Context) (time.Duration, error) {
	return e.workDue(ctx, DefaultRegion)
}

// BeginRequest is Request by a process that pauses before the step that would make the
// ride. finish is that step; it returns the script's answer.
func (e *Engine) BeginRequest(ctx context.Context, r RideRequest) (finish func() (code string, err error), err error) {
	key := digest(r.Subject, r.IdempotencyKey)
	at, err := e.regionOfKey(ctx, key, r.Region, e.keyLife(time.Time{}))
	return func() (string, error) {
		answer, err := e.run(ctx, requestScript, r.Region, newRideID(r.Region), formatFloat(r.Pickup.Lat), formatFloat(r.Pickup.Lon),
			"", "", "", key, r.Fingerprint, at.turn+".", "")
		return answer.code, err
	}, err
}

// LeaveKey is the first step of a move of a key to another region, by a process that dies
// before the second one.
func (e *Engine) LeaveKey(ctx context.Context, key, to string) error {
	at, err := e.regionOfKey(ctx, digest("", key), to, e.keyLife(time.Time{}))
	if err != nil {
		return err
	}
	_, err = e.run(ctx, leaveKeyScript, at.region, digest("", key), at.next, e.keyLife(time.Time{}).Milliseconds())
	return err
}

// MoveHome takes the first steps of a driver's move to a region, by a process that dies
// then: out of their home, or that and the record.
func (e *Engine) MoveHome(ctx context.Context, driver, region string, steps int) error {
	found, err := e.homes(ctx, []string{driver})
	if err != nil {
		return err
	}
	old := found[driver]
	next := &home{Region: region, Turn: old.nextTurn()}
	if _, err := e.leave(ctx, driver, old, next, ""); err != nil || steps == 1 {
		return err
	}
	_, err = e.swapHome(ctx, driver, old, next)
	return err
}
