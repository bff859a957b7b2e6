// Package arrival holds what has connected until it has asked something, at a fraction
// of what net/http takes for a connection: two buffers of 4 KiB, a context and a stack
// of 8 KiB. Whoever opens connections and sends nothing, or half a request, gets no
// further than here (ADR 0196).
package arrival

import (
	"bytes"
	"errors"
	"io"
	"net"
	"time"
)

// room is how much of a head is waited for, in bytes. Whoever sends more before the
// blank line gets on, and net/http waits for the rest.
const room = 512

// keepAlive is that of the net package. Its four system calls are for those who have asked
// something: the others are not waited for as long as its first probe.
var keepAlive = net.KeepAliveConfig{Enable: true}

// Listen returns the connections of l as Conns.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		return &Conn{TCPConn: tcp}, nil
	}
	return c, err
}

// Conn is a connection whose first request can be waited for before anything reads it.
type Conn struct {
	*net.TCPConn
	head []byte // what Await has read, and Read has not returned yet
}

// Await returns nil when the head of the first request is there, or so much that
// net/http can judge it; Read returns it then. Call it once, before the first Read. An
// error says that nothing of the kind came within d: the connection is of no use.
func (c *Conn) Await(d time.Duration) error {
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	c.head = make([]byte, 0, room)
	for {
		n, err := c.TCPConn.Read(c.head[len(c.head):room])
		c.head = c.head[:len(c.head)+n]
		switch {
		case errors.Is(err, io.EOF) && len(c.head) > 0: // net/http says what it misses
			return nil
		case err != nil:
			return err
		case len(c.head) == room || isWhole(c.head):
			_ = c.SetKeepAliveConfig(keepAlive) // of one that has gone, reading tells
			return nil
		}
	}
}

// isWhole reports whether net/http answers what has come so far: a whole head, or a
// line that begins no request.
func isWhole(head []byte) bool {
	line, _, found := bytes.Cut(head, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	return found && (!bytes.HasSuffix(line, []byte(" HTTP/1.1")) ||
		bytes.Contains(head, []byte("\n\r\n")) || bytes.Contains(head, []byte("\n\n")))
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.head) == 0 {
		return c.TCPConn.Read(p)
	}
	n := copy(p, c.head)
	if c.head = c.head[n:]; len(c.head) == 0 {
		c.head = nil
	}
	return n, nil
}
