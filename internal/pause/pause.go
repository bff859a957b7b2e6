// Package pause holds the waits of loops that talk to something which may be
// away: pauses that end with their context, and that grow, with jitter, so
// that many processes do not come back at the same moment.
package pause

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// For waits for d and returns nil, or returns the error of ctx when that ends
// first.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Around returns d, longer or shorter by at most the given share of it, so that
// what began together does not go on together.
func Around(d time.Duration, share float64) time.Duration {
	return d + time.Duration((2*rand.Float64()-1)*share*float64(d))
}

// Beyond returns d, longer by at most the given share of it, for those who were
// asked to wait that long.
func Beyond(d time.Duration, share float64) time.Duration {
	return d + time.Duration(rand.Float64()*share*float64(d))
}

// Growing is the pause after failures in a row. It belongs to one goroutine.
type Growing struct{ pauses backoff.ExponentialBackOff }

// NewGrowing returns pauses of about first, doubling up to about most. Each is
// between half and one and a half times as long as that.
func NewGrowing(first, most time.Duration) *Growing {
	g := &Growing{backoff.ExponentialBackOff{
		InitialInterval: first, MaxInterval: most, Multiplier: 2, RandomizationFactor: 0.5,
	}}
	g.Reset()
	return g
}

// Next returns the next, longer pause.
func (g *Growing) Next() time.Duration { return g.pauses.NextBackOff() }

// Reset begins again with the first pause, after a success.
func (g *Growing) Reset() { g.pauses.Reset() }

// Wait waits for the next, longer pause, or until ctx ends, whose error it
// returns.
func (g *Growing) Wait(ctx context.Context) error { return For(ctx, g.Next()) }
