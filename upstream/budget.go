package upstream

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// maxQueue is how many callers of one lane may wait for one provider.
const maxQueue = 1024

// budget lets calls to one provider through at the pace that is allowed.
//
// In each lane one caller at a time asks the gate, the others queue behind
// him: however many wait, the gate is asked by three at most.
type budget struct {
	gate     gate
	interval time.Duration
	burst    int
	turn     [lanes]chan struct{} // holds a token while somebody asks
	waiting  [lanes]atomic.Int64
}

func newBudget(l limits, g gate) *budget {
	b := &budget{gate: g, interval: l.interval, burst: l.burst}
	for i := range b.turn {
		b.turn[i] = make(chan struct{}, 1)
	}
	return b
}

// errPaused: the provider has sent us away, here or in another process.
var errPaused = errors.New("paused at the provider's request")

// acquire waits for leave to make a call, at most until deadline. Without an
// error the caller must release.
//
// It gives up at once where the queue ahead cannot be gone in time: an early
// no with a time to come back is worth more than a late one.
//
// A call that is raised while it waits leaves its queue for that of people.
func (b *budget) acquire(ctx context.Context, lane Lane, deadline time.Time) (release func(), err error) {
	lane = lane.present(ctx)
	release, err = b.queue(ctx, lane, deadline)
	if errors.Is(err, errRaised) {
		return b.queue(ctx, People, deadline)
	}
	return release, err
}

// errRaised: the call has moved to the lane of people.
var errRaised = errors.New("raised")

// queue is acquire in one lane. It returns errRaised when the call is raised
// out of that.
func (b *budget) queue(ctx context.Context, lane Lane, deadline time.Time) (release func(), err error) {
	var raised <-chan struct{}
	if lane != People {
		raised = raisedOf(ctx)
	}
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	ahead := b.waiting[lane].Add(1) - 1
	defer b.waiting[lane].Add(-1)
	queue := time.Duration(ahead) * b.interval
	if ahead >= maxQueue || time.Until(deadline) < queue {
		return nil, &Error{Kind: ErrBudget, RetryAfter: max(queue, b.interval, time.Second)}
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case b.turn[lane] <- struct{}{}:
	case <-timer.C:
		return nil, &Error{Kind: ErrBudget, RetryAfter: max(queue, time.Second)}
	case <-raised:
		return nil, errRaised
	case <-ctx.Done():
		return nil, callerGone(ctx)
	}
	defer func() { <-b.turn[lane] }()
	for {
		v, err := b.gate.try(ctx, lane)
		switch {
		case ctx.Err() != nil:
			if err == nil && v.granted {
				b.gate.release(v.token)
			}
			return nil, callerGone(ctx)
		case err != nil:
			return nil, &Error{Kind: ErrUnavailable, RetryAfter: time.Second, Err: fmt.Errorf("count budget: %w", err)}
		case v.granted:
			return func() { b.gate.release(v.token) }, nil
		case v.paused:
			return nil, &Error{Kind: ErrUnavailable, RetryAfter: v.wait, Err: errPaused}
		case time.Until(deadline) < v.wait:
			return nil, &Error{Kind: ErrBudget, RetryAfter: max(v.wait+queue, time.Second)}
		}
		timer.Reset(v.wait)
		select {
		case <-timer.C:
		case <-raised:
			return nil, errRaised
		case <-ctx.Done():
			return nil, callerGone(ctx)
		}
	}
}

// state tells how scarce calls are.
func (b *budget) state() *BudgetState {
	s := &BudgetState{Left: float64(b.burst)}
	if b.interval > 0 {
		s.Left -= float64(b.gate.ahead()) / float64(b.interval)
		s.Left = max(s.Left, 0)
	}
	for i := range b.waiting {
		s.Waiting += int(b.waiting[i].Load())
	}
	return s
}

// callerGone is the error of a call whose caller left or ran out of time.
func callerGone(ctx context.Context) *Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Kind: ErrTimeout, Err: ctx.Err(), callerGone: true}
	}
	return &Error{Kind: context.Canceled, callerGone: true}
}
