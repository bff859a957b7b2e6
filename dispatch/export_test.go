package dispatch

import (
	"context"
	"crypto/rand"
	"time"

	"geogate/internal/lua"
)

// DefaultRedisTimeout is what one call to Redis may take outside of tests.
var DefaultRedisTimeout = redisTimeout

// WaitForRedis gives calls to Redis a minute, so that a machine that stands still does not pass
// for a Redis that is down.
func WaitForRedis() { redisTimeout = time.Minute }

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

// Scripts are all there are, and ScriptFiles what they are made of.
var (
	ScriptFiles = scriptFiles
	Scripts     = []lua.Script{
		acceptScript, attemptScript, cancelScript, chooseScript, claimKeyScript, claimScript, declineScript, driverScript,
		dropKeyScript, dutyScript, forgetScript, givebackScript, keyRegionScript, leaveKeyScript, leaveScript, listScript,
		listenScript, nearestScript, offersScript, outboxDoneScript, outboxReadScript, reconcileScript, releaseScript,
		renewScript, requestScript, rideScript, shiftScript, stepScript, swapScript, sweepScript, trackScript, wakeScript,
	}
)

// RideScript is the hash of the script that reads a ride.
func RideScript() string { return rideScript.Hash() }

// Subscribed reports whether wake-ups arrive.
func (e *Engine) Subscribed() bool { return e.subscribed.Load() }

// LookEvery is how often a waiting call looks without a wake-up.
const LookEvery = lookEvery

// WorkDue does what is due as Run does.
func (e *Engine) WorkDue(ctx context.Context) (time.Duration, error) {
	defer e.aside.Wait()
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

// BeginTrack is Track by a process that pauses when it knows which region a position belongs
// to. finish stores it.
func (e *Engine) BeginTrack(ctx context.Context, p Position) (finish func() error, err error) {
	t := tracking{Engine: e, reports: []report{{Position: p, from: p.Region}}, wakes: wakeCalls}
	err = t.settleHomes(ctx, []int{0})
	return func() error {
		moved, err := t.trackRegion(ctx, t.reports[0].region, []int{0})
		if err != nil || len(moved) == 0 {
			return err
		}
		return t.track(ctx, moved)
	}, err
}

// BeginDelete is DeleteDriver by a process that pauses when their home has erased them.
// finish erases the record of their home, or does what DeleteDriver does then.
func (e *Engine) BeginDelete(ctx context.Context, driver string) (finish func() error, err error) {
	known, err := e.homeOf(ctx, driver)
	if err != nil {
		return nil, err
	}
	_, err = e.run(ctx, forgetScript, known.Region, driver, known.nextTurn())
	return func() error {
		done, err := e.swapHome(ctx, driver, known, nil)
		if err != nil || done {
			return err
		}
		return e.DeleteDriver(ctx, "", driver)
	}, err
}

// BeginSweep is what Run does about silent drivers, by a process that pauses when a region
// has forgotten some. finish forgets that it was their home.
func (e *Engine) BeginSweep(ctx context.Context, region string) (forgotten int, finish func() error, err error) {
	answer, err := e.run(ctx, sweepScript, region, sweepMost)
	gone := answer.strings(2)
	return len(gone) / 2, func() error { return e.dropHomes(ctx, region, gone) }, err
}

// Waiting is how many drivers' positions wait for the script ahead of them.
func (e *Engine) Waiting() int { return e.line(DefaultRegion).Waiting() }

// LiveWait is in how long a follower tells of a position.
func LiveWait(p, last LivePosition, quiet time.Duration) time.Duration {
	return liveWait(p, last, quiet)
}
