// Package fastlane answers what is plainest and most frequent ahead of net/http:
// GETs of /api and of Nominatim's endpoints that are hits in memory (ADR 0070) or in
// Redis (ADR 0197). Its answers, limits, log lines and metrics are those of the handlers:
// it calls the same functions.
package fastlane

import (
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"geogate/gateway/exchange"
	"geogate/internal/arrival"
	"geogate/internal/identity"
)

// Config is what a lane shares with the handlers. All of it is required.
type Config struct {
	Log zerolog.Logger
	// Sources are the routes that the lane may answer, by their paths in the table.
	Sources map[string]exchange.Source
	// Answered takes note of an answer, in the log and the metrics.
	Answered func(ex *exchange.Exchange, route string, took time.Duration)
	// Caller is who sent a request with an Authorization header, "" for none; nil:
	// the lane cannot tell, or they may not geocode, and the handlers say so.
	Caller  func(authorization string) *identity.Caller
	Limits  *exchange.Limits
	Proxies exchange.Proxies
	// UnderWay counts the requests that a drain waits for; Draining reports that one
	// has begun.
	UnderWay *atomic.Int64
	Draining func() bool
	// IdleTimeout and WriteTimeout are those of the http.Server.
	IdleTimeout, WriteTimeout time.Duration
}

// Listen gives the connections of l, which are those of arrival, a fast lane. The http.Server on them needs to
// call NoteState for its ConnState.
func Listen(l net.Listener, cfg Config) net.Listener { return &listener{l, cfg} }

type listener struct {
	net.Listener
	Config
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	arrived, ok := c.(*arrival.Conn)
	if !ok {
		return c, nil
	}
	return &conn{Conn: arrived, lane: &l.Config, peer: exchange.Peer(c.RemoteAddr().String())}, nil
}

// conn is a connection of net/http's with a fast lane. It answers inside of Read,
// at the one moment when net/http has nothing to say: between two requests, with
// all answers sent and no byte left over. Whatever it does not know to the letter
// it returns from Read, as if it had not looked. Connections, time limits,
// keep-alive and the drain remain net/http's.
type conn struct {
	*arrival.Conn
	lane *Config
	peer netip.Addr

	// Of the goroutine that serves the connection.
	room    int           // what net/http reads at a time when it has no byte left over
	idle    bool          // net/http waits for the next request
	spent   time.Duration // of the time for Redis that the request has which net/http gets next
	limited time.Time     // when the time limits were set last; zero: by net/http

	state atomic.Int32 // of open, answering, closed
	last  atomic.Int64 // when the lane answered last, give or take precision, in Unix nanoseconds
}

const (
	open int32 = iota
	answering
	closed
)

// precision is how much too soon a time limit may end: it is set again when it
// would be off by more, not for each request.
const precision = time.Second

// NoteState takes note of the http.Server.ConnState of connections with a fast lane.
func NoteState(c net.Conn, state http.ConnState) {
	if c, ok := c.(*conn); ok && state == http.StateIdle {
		c.idle, c.limited = true, time.Time{}
	}
}

// Spent is how much of its time for Redis the request has used up in the lane with which
// net/http calls a handler. It may be called once for each request, by its handler.
func Spent(c net.Conn) (spent time.Duration) {
	if c, ok := c.(*conn); ok {
		spent, c.spent = c.spent, 0
	}
	return spent
}

// LastAnswer is when the lane last answered on c, give or take a second, and now while
// it is at it; zero when it did not, or c has no lane.
func LastAnswer(c net.Conn) time.Time {
	if c, ok := c.(*conn); ok {
		if c.state.Load() == answering {
			return time.Now()
		}
		if last := c.last.Load(); last != 0 {
			return time.Unix(0, last)
		}
	}
	return time.Time{}
}

// Without returns c without the lane, for connections on which nothing was read.
func Without(c net.Conn) net.Conn {
	if c, ok := c.(*conn); ok {
		return c.Conn
	}
	return c
}

// Read implements net.Conn for net/http.
func (c *conn) Read(p []byte) (int, error) {
	if c.room == 0 {
		c.room = len(p) // the first read of all goes into an empty buffer
	}
	for {
		n, err := c.Conn.Read(p)
		if !c.idle || len(p) != c.room || err != nil {
			c.idle = false
			return n, err
		}
		if !c.state.CompareAndSwap(open, answering) {
			return 0, net.ErrClosed
		}
		answered, err := c.answer(p[:n])
		if !c.state.CompareAndSwap(answering, open) {
			_ = c.Conn.Close() // Close left it to the lane
			return 0, net.ErrClosed
		}
		if err != nil {
			return 0, err
		}
		if answered < n {
			c.idle = false
			return copy(p, p[answered:n]), nil
		}
	}
}

// Close lets an answer of the lane be finished; net/http finishes its own.
func (c *conn) Close() error {
	for {
		switch state := c.state.Load(); {
		case !c.state.CompareAndSwap(state, closed): // an answer has just begun or ended
		case state == answering:
			return nil
		default:
			return c.Conn.Close()
		}
	}
}

// answer answers as many of the requests in unread as are for the lane, and
// returns how long they are.
func (c *conn) answer(unread []byte) (size int, err error) {
	if c.lane.Draining() {
		return 0, nil
	}
	c.lane.UnderWay.Add(1)
	defer c.lane.UnderWay.Add(-1)
	a := answers.Get().(*answer)
	defer func() {
		if v := recover(); v != nil { // as for a handler, but nothing tells half an answer from none
			c.lane.Log.Error().Interface("panic", v).Bytes("stack", debug.Stack()).Msg("fast lane panicked")
			err = net.ErrClosed
		}
		if a.conn = nil; cap(a.out) <= kept {
			answers.Put(a)
		}
	}()
	a.conn, a.out, a.failed = c, a.out[:0], nil
	for size < len(unread) {
		n := a.make(unread[size:])
		if a.failed != nil {
			return size, a.failed
		}
		if n == 0 {
			c.spent = a.exchange.Spent
			break
		}
		size += n
		if len(a.out) > kept {
			if err := c.send(a); err != nil {
				return size, err
			}
		}
	}
	return size, c.send(a)
}

// kept is how much room for answers is kept for the next request, and from
// how much on they are sent before the next one is made.
const kept = 64 << 10

// send writes the answers. Time limits are net/http's own, and as long.
func (c *conn) send(a *answer) error {
	if len(a.out) == 0 {
		return nil
	}
	if a.start.Sub(c.limited) > precision {
		c.limited = a.start
		c.last.Store(a.start.UnixNano())
		_ = c.SetReadDeadline(a.start.Add(c.lane.IdleTimeout)) // net/http sets its own when it gets something to read
		_ = c.SetWriteDeadline(a.start.Add(c.lane.WriteTimeout))
	}
	_, err := c.Write(a.out)
	a.out = a.out[:0]
	return err
}

// client tells whose request it is, as the handlers do.
func (c *conn) client(forwardedFor string) netip.Addr {
	if !c.lane.Proxies.Trusted() || forwardedFor == "" {
		return c.peer
	}
	return c.lane.Proxies.Forwarded(c.RemoteAddr().String(), forwardedFor)
}
