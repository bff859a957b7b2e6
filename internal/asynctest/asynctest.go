// Package asynctest runs the parts of geogate beside a test, and waits for what
// they do.
package asynctest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is far above what anything takes, even under the race detector on a
// busy machine.
const patience = time.Minute

// Main runs the tests of a package, and fails when they leave goroutines behind.
//
// One kind is let through: a go-redis pool whose server went away sleeps for a
// second between attempts to reach it, and notices only then that it was closed.
func Main(m *testing.M, options ...goleak.Option) {
	probing := goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")
	goleak.VerifyTestMain(settling{m, probing}, append(options, probing)...)
}

// settling is a run of tests that ends with its last goroutine. goleak by itself gives
// them half a second, in which a busy machine may not let any of them run.
type settling struct {
	*testing.M
	ignore goleak.Option
}

func (s settling) Run() (code int) {
	code = s.M.Run()
	ends.run()
	for end := time.Now().Add(patience); code == 0 && goleak.Find(s.ignore) != nil && time.Now().Before(end); {
	} // Find sleeps
	return code
}

// ends are what AtEnd was given.
var ends callbacks

type callbacks struct {
	mu   sync.Mutex
	list []func()
}

// AtEnd has f called after the last test of a package that has Main, the last f first.
func AtEnd(f func()) {
	ends.mu.Lock()
	defer ends.mu.Unlock()
	ends.list = append(ends.list, f)
}

func (c *callbacks) run() {
	for _, f := range slices.Backward(c.list) {
		f()
	}
}

// Background runs a part until stop is called or the test ends, and fails the
// test when the part returns an error. stop may be called more than once.
func Background(tb testing.TB, part func(context.Context) error) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := part(ctx); err != nil {
			tb.Errorf("Run: %v", err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	tb.Cleanup(stop)
	return stop
}

// Eventually polls until holds, and fails the test with what when that takes
// long.
func Eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	Within(tb, patience, what, holds)
}

// Within is Eventually where the time is what is tested.
func Within(tb testing.TB, limit time.Duration, what string, holds func() bool) {
	tb.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatalf("not within %s: %s", limit, what)
		}
	}
}
