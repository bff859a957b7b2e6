package embedded

import (
	"errors"
	"net"
	"sync"
)

// maxUnsent bounds what one connection holds unsent. A pipeline of 10,000
// positions is about 1 MiB; a writer this far ahead has lost its reader.
const maxUnsent = 64 << 20

var errUnsent = errors.New("built-in redis: too much written and not read")

// bufferedConn gives one end of a net.Pipe a send buffer. On a bare pipe every
// write waits for its reader; a client that sends a long pipeline before it
// reads the first reply, and a server that writes replies before it reads on,
// would wait for each other for ever.
type bufferedConn struct {
	net.Conn

	mu      sync.Mutex
	wake    sync.Cond
	pending []byte
	err     error
	drained chan struct{} // closed when the pump has ended
}

func newBufferedConn(conn net.Conn) *bufferedConn {
	c := &bufferedConn{Conn: conn, drained: make(chan struct{})}
	c.wake.L = &c.mu
	go c.pump()
	return c
}

// Write takes all of p or reports why the connection is gone.
func (c *bufferedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	if len(c.pending)+len(p) > maxUnsent {
		return 0, errUnsent
	}
	c.pending = append(c.pending, p...)
	c.wake.Signal()
	return len(p), nil
}

// Close ends the connection and waits for the pump. What was not sent is lost,
// as with a socket that is reset.
func (c *bufferedConn) Close() error {
	err := c.Conn.Close()
	c.fail(net.ErrClosed)
	<-c.drained
	return err
}

func (c *bufferedConn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	c.wake.Signal()
}

func (c *bufferedConn) pump() {
	defer close(c.drained)
	var sending []byte
	for {
		c.mu.Lock()
		for len(c.pending) == 0 && c.err == nil {
			c.wake.Wait()
		}
		if c.err != nil {
			c.mu.Unlock()
			return
		}
		sending, c.pending = c.pending, sending[:0]
		c.mu.Unlock()
		if _, err := c.Conn.Write(sending); err != nil {
			c.fail(err)
			return
		}
	}
}
