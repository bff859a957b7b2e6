package upstream

import (
	"context"
	"time"
)

const (
	// patience is how long a chain may take while it has somebody left to ask:
	// just less than the gateway lets a person wait.
	patience = 24 * time.Second
	// lastChance is what the turns before leave of that to each member at
	// least: a primary that hangs must not use up the time of the next.
	lastChance = 3 * time.Second
)

// turn bounds what one member may take of a chain's time, retries included.
type turn struct {
	wait time.Time // until when it may wait for budget
	end  time.Time // zero: when the context ends
}

// turn begins the turn of a member with a number of others after it.
func (c *Chain) turn(deadline time.Time, later int) turn {
	now := time.Now()
	t := turn{wait: now.Add(c.wait)}
	if later == 0 {
		return t
	}
	t.end = deadline.Add(-time.Duration(later) * lastChance)
	// Where there is less than that left, all get the same.
	if share := now.Add(deadline.Sub(now) / time.Duration(later+1)); t.end.Before(share) {
		t.end = share
	}
	if t.end.Before(t.wait) {
		t.wait = t.end
	}
	return t
}

// call returns the context of a call within the turn.
func (t turn) call(ctx context.Context) (context.Context, context.CancelFunc) {
	if t.end.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, t.end)
}

// until is when a chain that is asked now should be through.
func until(ctx context.Context) time.Time {
	deadline := time.Now().Add(patience)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		return d
	}
	return deadline
}
