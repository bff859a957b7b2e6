package dispatch

import (
	"context"
	"time"
)

// Reconcile looks for leaks that are older than age.
func (e *Engine) Reconcile(ctx context.Context, age time.Duration) error {
	return e.reconcile(ctx, DefaultRegion, age)
}

// Sweep takes drivers that were not heard of off the map.
func (e *Engine) Sweep(ctx context.Context) (int, error) { return e.sweep(ctx, DefaultRegion) }
