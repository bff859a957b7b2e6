package fleet

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Change is what to set.
type Change struct {
	Mode   Mode
	Reason string
	By     string
	// IfGeneration, if it is not nil, is the generation that the caller has seen:
	// the change is made if it still counts.
	IfGeneration *uint64
}

// Set makes a change and returns the new value. It asks Redis, and where that does
// not answer makes the change here and has gossip spread it. The error is a
// *ConflictError, or ErrUnavailable.
//
// Of two changes that two processes make at once without Redis, one wins everywhere
// some tenths of a second later, though both were made.
func (f *Fleet) Set(ctx context.Context, c Change) (Value, error) {
	v := Value{Mode: c.Mode, Reason: c.Reason, SetBy: c.By[:min(len(c.By), MaxReason)], SetAt: time.Now().UTC().Truncate(time.Millisecond)}
	v, err := f.setInRedis(ctx, v, c.IfGeneration)
	if errors.Is(err, ErrUnavailable) && f.mesh != nil {
		return f.setHere(v, c.IfGeneration)
	}
	return v, err
}

// setInRedis makes v the next value there, and here.
func (f *Fleet) setInRedis(ctx context.Context, v Value, ifGeneration *uint64) (Value, error) {
	if f.rdb == nil {
		return v, ErrUnavailable
	}
	ctx, cancel, err := f.asking(ctx)
	if err != nil {
		return v, err
	}
	defer cancel()
	seen := ""
	if ifGeneration != nil {
		seen = strconv.FormatUint(*ifGeneration, 10)
	}
	answer, err := setScript.Run(ctx, f.rdb, []string{modeKey},
		string(v.Mode), f.Value().Generation, v.Reason, v.SetBy, v.SetAt.UnixMilli(), seen).Slice()
	if err != nil || len(answer) != 2 {
		return v, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if done, _ := answer[0].(int64); done == 0 {
		if err := f.Look(ctx); err != nil {
			return v, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return v, &ConflictError{f.Value()}
	}
	generation, _ := answer[1].(string)
	if v.Generation, err = strconv.ParseUint(generation, 10, 64); err != nil {
		return v, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	f.take(v)
	return v, nil
}

// setHere makes v the next value of this process.
func (f *Fleet) setHere(v Value, ifGeneration *uint64) (Value, error) {
	for {
		have := f.value.Load()
		if ifGeneration != nil && *ifGeneration != have.Generation {
			return v, &ConflictError{*have}
		}
		v.Generation = have.Generation + 1
		if f.value.CompareAndSwap(have, &v) {
			f.taken(v)
			return v, nil
		}
	}
}
