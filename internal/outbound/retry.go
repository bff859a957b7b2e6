package outbound

import (
	"sync/atomic"
	"time"
)

const (
	// retryPause is the pause before a second attempt, give or take a half.
	retryPause = 100 * time.Millisecond
	// retryShare is how many calls earn one retry.
	retryShare = 10
	// retryMost is how many retries can be saved up.
	retryMost = 10
)

// retryBudget keeps retries to a tenth of the calls, so that they cannot keep
// an overloaded server down. The zero value is full.
type retryBudget struct {
	spent atomic.Int64 // in tenths of a retry; 0: all there
}

// earn counts a call.
func (b *retryBudget) earn() {
	for {
		n := b.spent.Load()
		if n == 0 || b.spent.CompareAndSwap(n, n-1) {
			return
		}
	}
}

// spend takes one retry out, if there is one.
func (b *retryBudget) spend() bool {
	for {
		n := b.spent.Load()
		if n > (retryMost-1)*retryShare {
			return false
		}
		if b.spent.CompareAndSwap(n, n+retryShare) {
			return true
		}
	}
}
