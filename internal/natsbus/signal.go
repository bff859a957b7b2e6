package natsbus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// JobSubject is where ids of bulk jobs that changed are told.
const JobSubject = "geogate.jobs"

// Signal carries short texts from process to process, to whoever listens at the
// time. What is told while the bus is away is lost. It is safe for concurrent
// use.
type Signal struct {
	url, subject string
	log          zerolog.Logger
	conn         atomic.Pointer[nats.Conn] // while Subscribe runs
}

// NewSignal returns a signal on a subject. It connects to nothing yet.
func NewSignal(url, subject string, log zerolog.Logger) *Signal {
	return &Signal{url: url, subject: subject, log: log}
}

// Subscribe connects and passes each text to deliver until ctx ends. A bus that
// is away is waited for.
func (s *Signal) Subscribe(ctx context.Context, deliver func(text string)) error {
	conn, err := connect(s.url, "geogate jobs", s.log)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Subscribe(s.subject, func(m *nats.Msg) { deliver(string(m.Data)) }); err != nil {
		return fmt.Errorf("subscribe to bus: %w", err)
	}
	s.conn.Store(conn)
	defer s.conn.Store(nil)
	<-ctx.Done()
	return nil
}

// Publish tells text to every process, this one included. It is ErrAway without
// a connection, which is there only while Subscribe runs.
func (s *Signal) Publish(_ context.Context, text string) error {
	conn := s.conn.Load()
	if conn == nil || !conn.IsConnected() {
		return ErrAway
	}
	err := conn.Publish(s.subject, []byte(text))
	if errors.Is(err, nats.ErrReconnectBufExceeded) { // the connection went since we looked
		return ErrAway
	}
	if err != nil {
		return fmt.Errorf("publish to bus: %w", err)
	}
	return nil
}
