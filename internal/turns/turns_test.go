package turns_test

import (
	"context"
	"errors"
	"testing"

	"geogate/internal/turns"
)

func TestQueueKeepsCallersApart(t *testing.T) {
	q := turns.New(2)
	begin := func(caller string) (done func(), err error) {
		ctx, cancel := context.WithCancel(turns.As(t.Context(), caller))
		cancel() // who may begin does so at once; who has to wait gives up at once
		for range 100 {
			// A select with two ways out takes either.
			if done, err = q.Wait(ctx); err == nil {
				break
			}
		}
		return done, err
	}
	var ends []func()
	for _, step := range []struct {
		caller string
		begins bool
	}{{"a", true}, {"a", true}, {"a", false}, {"b", true}, {"", true}, {"", true}, {"", true}, {"b", true}, {"b", false}} {
		done, err := begin(step.caller)
		if begins := err == nil; begins != step.begins || !begins && (!errors.Is(err, turns.ErrBusy) || !errors.Is(err, context.Canceled)) {
			t.Errorf("call %d, of %q: error %v, want it to begin: %t", len(ends)+1, step.caller, err, step.begins)
		}
		if err == nil {
			ends = append(ends, done)
		}
	}

	waited := make(chan error)
	go func() {
		done, err := q.Wait(turns.As(t.Context(), "a"))
		if err == nil {
			done()
		}
		waited <- err
	}()
	for _, end := range ends {
		end()
	}
	if err := <-waited; err != nil {
		t.Errorf("a call that waits for others of its caller: %v", err)
	}
	if n := q.Callers(); n != 0 {
		t.Errorf("%d callers are remembered after their calls, want none", n)
	}
}
