package upstream_test

import (
	"testing"
	"time"
)

// eventually waits until ok holds, and fails the test when that takes long.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("condition not reached in time")
		}
	}
}
