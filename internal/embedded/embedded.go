// Package embedded is the built-in Redis: a miniredis in this process, reached
// through go-redis over an in-memory connection, so that everything above it
// runs the same commands as against a real server. It keeps nothing on disk and
// is meant for trying geogate out and for small loads.
package embedded

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// tick is how often expired keys are swept. Miniredis only expires keys when
// its clock is driven; its ClockTTL option would scan the key space on every
// command instead.
const tick = time.Second

// Server is a built-in Redis. It listens on no port.
type Server struct {
	mini  *miniredis.Miniredis
	limit int64 // bytes that the process may hold

	collected atomic.Int64 // Unix nanoseconds of the last garbage collection that Memory asked for
}

// New returns a running, empty server. Close it after its clients.
func New() *Server {
	return &Server{mini: miniredis.NewMiniRedis(), limit: memoryLimit(0)}
}

// Reserve gives the process so many bytes more, for what it keeps besides the
// server. Call it before the server is used.
func (s *Server) Reserve(bytes int64) { s.limit = memoryLimit(bytes) }

// Dial connects to the server in memory; it fits redis.Options.Dialer, and
// ignores the address it is given.
func (s *Server) Dial(context.Context, string, string) (net.Conn, error) {
	conn, err := s.mini.Dial()
	if err != nil {
		return nil, fmt.Errorf("dial built-in redis: %w", err)
	}
	return newBufferedConn(conn), nil
}

// Client returns a client of the server with the given options; its dialer and
// address are replaced.
func (s *Server) Client(options redis.Options) *redis.Client {
	options.Dialer = s.Dial
	options.Addr = "127.0.0.1:6379" // never dialled; go-redis would look up its default, localhost
	return redis.NewClient(&options)
}

// Run drives the clock by which keys expire, until ctx ends. A key lives up to
// one tick longer than its TTL.
func (s *Server) Run(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			s.mini.FastForward(now.Sub(last))
			last = now
		}
	}
}

// Close ends the server and every connection to it.
func (s *Server) Close() { s.mini.Close() }
