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

// Subscribed reports whether wake-ups arrive.
func (e *Engine) Subscribed() bool { return e.subscribed.Load() }

// LookEvery is how often a waiting call looks without a wake-up.
const LookEvery = lookEvery

// WorkDue does what is due as Run does.
func (e *Engine) WorkDue(ctx context.Context) (time.Duration, error) {
	return e.workDue(ctx, DefaultRegion)
}
