package gateway

import (
	"net"
	"runtime"
	"sync"
	"time"
)

// admission is the listener of a server with connections. It counts them as soon as
// they are there and returns them from Accept when they have asked something.
type admission struct {
	net.Listener
	conns *connections

	asked  chan accepted
	closed chan struct{}
	close  func() error
	loop   sync.WaitGroup // accepts
	silent sync.WaitGroup // those that have asked nothing yet
}

// accepted is what Accept returns.
type accepted struct {
	net.Conn
	err error
}

// arriving is a connection whose first request can be waited for.
type arriving interface{ Await(time.Duration) error }

// listen admits the connections of l, and begins with it at once.
func (cs *connections) listen(l net.Listener) net.Listener {
	a := &admission{Listener: l, conns: cs, asked: make(chan accepted), closed: make(chan struct{})}
	a.close = sync.OnceValue(func() error {
		err := l.Close()
		close(a.closed)
		a.loop.Wait()
		cs.closeSilent()
		a.silent.Wait()
		return err
	})
	a.loop.Go(a.run)
	return a
}

func (a *admission) run() {
	for {
		c, err := a.Listener.Accept()
		if err != nil {
			// The server pauses after an error that passes, and closes after any other.
			if !a.pass(accepted{err: err}) {
				return
			}
			continue
		}
		c, evicted := a.conns.admit(c)
		if evicted != nil {
			_ = evicted.Close()
		}
		a.silent.Go(func() { a.await(c) })
		// Requests under way go first: thousands that connect at a time would otherwise
		// keep a processor to themselves.
		runtime.Gosched()
	}
}

// await waits for the first request of c, as long as net/http would.
func (a *admission) await(c net.Conn) {
	if w, ok := c.(arriving); !ok || w.Await(readHeaderTimeout) == nil {
		a.conns.asks(c)
		if a.pass(accepted{Conn: c}) {
			return
		}
	}
	_ = c.Close()
	a.conns.forget(c)
}

// pass reports whether the server took it.
func (a *admission) pass(c accepted) bool {
	select {
	case a.asked <- c:
		return true
	case <-a.closed:
		return false
	}
}

// Accept implements net.Listener.
func (a *admission) Accept() (net.Conn, error) {
	select {
	case c := <-a.asked:
		return c.Conn, c.err
	case <-a.closed:
		return nil, net.ErrClosed
	}
}

// Close ends what has asked nothing yet, and returns when all of it has gone.
func (a *admission) Close() error { return a.close() }
