package natsbus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/natsbus"
)

// What one process tells, every process hears, also after the bus was away.
func TestSignal(t *testing.T) {
	bus := newNATS(t, false)
	ctx, cancel := context.WithCancel(t.Context())
	one := natsbus.NewSignal(bus.url(), natsbus.JobSubject, zerolog.Nop())
	other := natsbus.NewSignal(bus.url(), natsbus.JobSubject, zerolog.Nop())
	if err := one.Publish(ctx, "x"); !errors.Is(err, natsbus.ErrAway) {
		t.Errorf("Publish without a connection = %v, want ErrAway", err)
	}
	heard, ended := make(chan string, 100), make(chan error, 2)
	go func() { ended <- one.Subscribe(ctx, func(string) {}) }()
	go func() { ended <- other.Subscribe(ctx, func(text string) { heard <- text }) }()
	for _, word := range []string{"at first", "after a restart"} {
		bus.start(t)
		deadline := time.After(time.Minute)
		again := time.NewTicker(20 * time.Millisecond)
		for got := ""; got != word; {
			if err := one.Publish(ctx, word); err != nil && !errors.Is(err, natsbus.ErrAway) {
				t.Fatal(err)
			}
			select {
			case got = <-heard:
			case <-again.C:
			case <-deadline:
				t.Fatalf("%q is not heard", word)
			}
		}
		again.Stop()
		bus.stop()
	}
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			t.Errorf("Subscribe = %v", err)
		}
	}
	if err := natsbus.NewSignal("nats://127.0.0.1:1,%", natsbus.JobSubject, zerolog.Nop()).Subscribe(t.Context(), nil); err == nil {
		t.Error("Subscribe with a malformed URL returns no error")
	}
}
