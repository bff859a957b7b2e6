package hub

import (
	"sync"
	"testing"
)

// woken takes the wake-up that waits, if there is one.
func woken(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestWake(t *testing.T) {
	var h Hub
	a, stopA := h.Listen("a")
	a2, stopA2 := h.Listen("a")
	b, stopB := h.Listen("b")
	everything, stopAny := h.Listen(Any)
	for _, row := range []struct {
		name                       string
		wake                       func()
		wantA, wantA2, wantB, want bool
	}{
		{"topic a", func() { h.Wake("a") }, true, true, false, true},
		{"topic b", func() { h.Wake("b") }, false, false, true, true},
		{"a topic of nobody", func() { h.Wake("c") }, false, false, false, true},
		{"any", func() { h.Wake(Any) }, false, false, false, true},
		{"all", h.WakeAll, true, true, true, true},
		{"nothing", func() {}, false, false, false, false},
		{"one listener gone", func() { stopA2(); h.Wake("a") }, true, false, false, true},
	} {
		row.wake()
		if gotA, gotA2, gotB, got := woken(a), woken(a2), woken(b), woken(everything); gotA != row.wantA || gotA2 != row.wantA2 || gotB != row.wantB || got != row.want {
			t.Errorf("%s: woke a %v %v, b %v, any %v, want %v %v, %v, %v", row.name, gotA, gotA2, gotB, got, row.wantA, row.wantA2, row.wantB, row.want)
		}
	}
	stopA()
	stopB()
	stopAny()
	if len(h.listeners) != 0 {
		t.Errorf("%d topics are left after the last listener", len(h.listeners))
	}
}

func TestWakeUpsInARowBecomeOne(t *testing.T) {
	var h Hub
	c, stop := h.Listen("a")
	defer stop()
	for range 3 {
		h.Wake("a") // nobody reads: it must not block
	}
	if !woken(c) || woken(c) {
		t.Error("three wake-ups that nobody read are not one")
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(*testing.T) {
	var h Hub
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for range 100 {
				_, stop := h.Listen("a")
				h.Wake("a")
				h.WakeAll()
				stop()
			}
		})
	}
	users.Wait()
}
