package redistest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// Pause stops the process without ending it (SIGSTOP): connections stay open
// and nothing answers from when it returns. Resume lets it go on.
func (s *Server) Pause(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := eventually(ctx, s.stopped); err != nil {
		tb.Fatalf("pause redis-server: %v", err)
	}
}

// stopped returns nil once a signal has stopped the process, which may be answering
// somebody when it is sent.
func (s *Server) stopped() error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return err
	}
	if _, state, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(state, "T") {
		return fmt.Errorf("its state is %.1s", state)
	}
	return nil
}

// Resume lets a paused process go on.
func (s *Server) Resume(tb testing.TB) { s.signal(tb, syscall.SIGCONT) }

func (s *Server) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		tb.Fatalf("signal redis-server: %v", err)
	}
}
