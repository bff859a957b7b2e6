//go:build !linux

package redistest

import "testing"

// Pause skips the test: only on Linux is it known when a process has stopped.
func (s *Server) Pause(tb testing.TB) {
	tb.Helper()
	tb.Skip("a redis-server is paused on Linux only")
}

// Resume has nothing to do.
func (s *Server) Resume(testing.TB) {}
