// Package budget spaces the calls to a provider, for one process or for a
// whole fleet that counts in Redis. See docs/adr/0010-fleet-budget.md.
package budget

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// maxQueue is how many callers of one lane may wait for one provider.
const maxQueue = 1024

// Why a call is not let through, to be told apart with errors.Is.
var (
	// ErrUsedUp: no call is free before the deadline.
	ErrUsedUp = errors.New("budget used up")
	// ErrPaused: the provider has sent us away, here or in another process.
	ErrPaused = errors.New("paused at the provider's request")
	// ErrUncounted: the calls of the fleet cannot be counted now, and the
	// provider is one that must not be asked then.
	ErrUncounted = errors.New("budget cannot be counted")
)

// An Error is a refusal. errors.Is finds its Kind.
type Error struct {
	Kind       error         // one of the sentinels above
	RetryAfter time.Duration // when asking again makes sense
	Err        error         // detail, may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Kind.Error()
	}
	return fmt.Sprintf("%v: %v", e.Kind, e.Err)
}

// Unwrap returns the kind and the detail.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// A Budget lets calls to one provider through at the pace that is allowed. It
// is safe for concurrent use.
//
// In each lane one caller at a time asks the gate, the others queue behind
// that one: however many wait, the gate is asked by three at most.
type Budget struct {
	gate    gate
	limits  Limits
	turn    [lanes]chan struct{} // holds a token while somebody asks
	waiting [lanes]atomic.Int64
}

// New returns a budget that counts the calls of this process.
func New(l Limits) *Budget { return newBudget(l, newLocalGate(l)) }

// NewFleet returns the budget that has the given name in the fleet, counted in
// Redis. patience bounds one question to Redis; 0 means DefaultRedisPatience.
// Where closed is set, no call gets through while Redis is down; else each
// process then counts its own.
func NewFleet(rdb Redis, name string, l Limits, patience time.Duration, closed bool) *Budget {
	return newBudget(l, newFleetGate(rdb, name, l, patience, closed))
}

func newBudget(l Limits, g gate) *Budget {
	b := &Budget{gate: g, limits: l}
	for i := range b.turn {
		b.turn[i] = make(chan struct{}, 1)
	}
	return b
}

// Acquire waits for leave to make a call, at most until deadline. Without an
// error the caller must release. The error is an *Error, or that of ctx when
// the caller leaves.
//
// It gives up at once where the queue ahead cannot be gone in time: an early
// no with a time to come back is worth more than a late one.
//
// A call that is raised while it waits leaves its queue for that of people.
func (b *Budget) Acquire(ctx context.Context, lane Lane, deadline time.Time) (release func(), err error) {
	return b.AcquireWhile(ctx, lane, deadline, func() error { return nil })
}

// AcquireWhile is Acquire for a call that is worth making only as long as
// wanted returns nil. It asks wanted before each question to the gate, so that
// nothing is counted for a call that will not be made, and returns its error.
func (b *Budget) AcquireWhile(ctx context.Context, lane Lane, deadline time.Time, wanted func() error) (release func(), err error) {
	release, err = b.queue(ctx, lane.Present(ctx), deadline, wanted)
	if errors.Is(err, errRaised) {
		return b.queue(ctx, People, deadline, wanted)
	}
	return release, err
}

// errRaised: the call has moved to the lane of people.
var errRaised = errors.New("raised")

// queue is AcquireWhile in one lane. It returns errRaised when the call is
// raised out of that.
func (b *Budget) queue(ctx context.Context, lane Lane, deadline time.Time, wanted func() error) (release func(), err error) {
	var raised <-chan struct{}
	if lane != People {
		raised = raisedOf(ctx)
	}
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	ahead := b.waiting[lane].Add(1) - 1
	defer b.waiting[lane].Add(-1)
	queue := b.delay(ahead)
	if ahead >= maxQueue || time.Until(deadline) < queue {
		return nil, &Error{Kind: ErrUsedUp, RetryAfter: max(queue, b.limits.Interval, time.Second)}
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case b.turn[lane] <- struct{}{}:
	case <-timer.C:
		return nil, &Error{Kind: ErrUsedUp, RetryAfter: max(queue, time.Second)}
	case <-raised:
		return nil, errRaised
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-b.turn[lane] }()
	for {
		if err := wanted(); err != nil {
			return nil, err
		}
		v, err := b.gate.try(ctx, lane)
		switch {
		case ctx.Err() != nil:
			if err == nil && v.granted {
				b.gate.release(v.token)
			}
			return nil, ctx.Err()
		case err != nil:
			return nil, &Error{Kind: ErrUncounted, RetryAfter: time.Second, Err: err}
		case v.granted:
			return func() { b.gate.release(v.token) }, nil
		case v.paused:
			return nil, &Error{Kind: ErrPaused, RetryAfter: v.wait}
		case time.Until(deadline) < v.wait:
			return nil, &Error{Kind: ErrUsedUp, RetryAfter: max(v.wait+queue, time.Second)}
		}
		timer.Reset(v.wait)
		select {
		case <-timer.C:
		case <-raised:
			return nil, errRaised
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// delay is how long so many callers ahead take, at least. Those whose calls the
// budget would let through at once are no delay.
func (b *Budget) delay(ahead int64) time.Duration {
	rested := time.Duration(b.limits.Burst)*b.limits.Interval - b.gate.ahead()
	return max(time.Duration(ahead)*b.limits.Interval-max(rested, 0), 0)
}

// Pause lets no call through for a while, because the provider asked for it. It
// never shortens a pause, and returns what is left of the longest in the fleet.
func (b *Budget) Pause(d time.Duration) time.Duration { return b.gate.pause(d) }

// State tells how scarce the calls to a provider are, as this process last saw
// it.
type State struct {
	Left    float64 `json:"left"`    // calls that could be made at once, up to the burst
	Waiting int     `json:"waiting"` // callers of this process in the queue
}

// State returns the present state.
func (b *Budget) State() State {
	s := State{Left: float64(b.limits.Burst)}
	if b.limits.Interval > 0 {
		s.Left -= float64(b.gate.ahead()) / float64(b.limits.Interval)
		s.Left = max(s.Left, 0)
	}
	for i := range b.waiting {
		s.Waiting += int(b.waiting[i].Load())
	}
	return s
}
