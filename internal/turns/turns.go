// Package turns shares Redis fairly among those on whose behalf it is asked. All of a
// process's calls use a few connections, first come, first served: without turns one
// client with hundreds of requests at a time would keep everybody else waiting behind
// them, until they run out of time.
package turns

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrBusy is the error of a call whose caller had too many under way until its context
// ended. It says nothing about Redis.
var ErrBusy = errors.New("the caller has as many calls under way as one may")

// CallerKey is the key under which a context has the name, a string, of whoever causes
// what is done with it. Calls without a name, or an empty one, wait for nobody.
type CallerKey struct{}

// As returns a context whose calls take the turns of a caller.
func As(ctx context.Context, caller string) context.Context {
	return context.WithValue(ctx, CallerKey{}, caller)
}

// Queue lets so many calls of a caller through at a time, in the order in which they
// came. It is safe for concurrent use.
type Queue struct {
	each int

	mu      sync.Mutex
	callers map[string]*caller // those who have a call under way or waiting
}

type caller struct {
	turns chan struct{}
	calls int // guarded by Queue.mu
}

// New returns a queue which lets each caller have so many calls at a time.
func New(each int) *Queue { return &Queue{each: each, callers: map[string]*caller{}} }

// Wait returns when it is the turn of a call of the caller in ctx. done must be called
// when the call has ended. The error is ErrBusy and that of ctx, which has ended before.
func (q *Queue) Wait(ctx context.Context) (done func(), err error) {
	name, _ := ctx.Value(CallerKey{}).(string)
	if name == "" {
		return func() {}, nil
	}
	q.mu.Lock()
	c := q.callers[name]
	if c == nil {
		c = &caller{turns: make(chan struct{}, q.each)}
		q.callers[name] = c
	}
	c.calls++
	q.mu.Unlock()
	gone := func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if c.calls--; c.calls == 0 {
			delete(q.callers, name)
		}
	}
	select {
	case c.turns <- struct{}{}:
	case <-ctx.Done():
		gone()
		return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	return func() {
		<-c.turns
		gone()
	}, nil
}
