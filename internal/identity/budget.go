package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// BudgetError means that the upstream calls of a key are used up.
type BudgetError struct{ RetryAfter time.Duration }

func (e *BudgetError) Error() string { return "the upstream budget of this key is used up" }

// Spend takes one upstream call out of the caller's budget. It counts in whole
// windows by the clock of Redis, such as a day in UTC, so that the bound is exact
// over the whole fleet. Errors: *BudgetError, and ErrUnavailable when Redis does
// not answer: a budget that cannot be counted is not spent.
func (l *Ledger) Spend(ctx context.Context, c *Caller) error {
	if c == nil || c.UpstreamBudget == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	wait, err := spendScript.Run(ctx, l.rdb, []string{"geogate:{keys}:spent:" + c.Key},
		c.UpstreamBudget.Requests, c.UpstreamBudget.Per.Milliseconds()).Int64()
	switch {
	case err != nil && !errors.Is(err, redis.Nil):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case wait > 0:
		return &BudgetError{time.Duration(wait) * time.Millisecond}
	}
	return nil
}
