package command

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// background starts parts that must outlive ctx: whatever drains when ctx ends
// still needs them. stop ends them, waits, and returns the first error of any
// part.
func background(ctx context.Context, parts ...func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running errgroup.Group
	for _, run := range parts {
		running.Go(func() error { return run(ctx) })
	}
	return func() error {
		cancel()
		return running.Wait()
	}
}
