package gateway

import (
	"cmp"
	"container/heap"
	"container/list"
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"geogate/gateway/exchange"
	"geogate/gateway/fastlane"
)

const (
	// DefaultMaxConnections bounds what connections may cost a process: 20 KiB each, so
	// 160 MiB, or 4 KiB as long as they have asked nothing.
	DefaultMaxConnections = 8192
	// DefaultMaxConnectionsPerClient bounds what one address may hold of that.
	DefaultMaxConnectionsPerClient = 1024
	// DefaultMaxStreams bounds how many of them may be event streams.
	DefaultMaxStreams = exchange.DefaultMaxStreams
	// spareConnections are kept for probes when all others are busy.
	spareConnections = 64
	// otherDescriptors are kept for everything else that a process opens: Redis,
	// upstreams, subscribers, files.
	otherDescriptors = 200
)

// connectionLimits are how many connections may be open, in all and from one
// address.
type connectionLimits struct{ most, each int }

// limitsOf keeps the limits below what the system gives this process. Behind a proxy
// all connections come from its address.
func limitsOf(cfg Config) connectionLimits {
	limits := connectionLimits{
		most: cmp.Or(cfg.MaxConnections, DefaultMaxConnections),
		each: cmp.Or(cfg.ConnsEach, DefaultMaxConnectionsPerClient),
	}
	if most := descriptors(); most > 0 {
		limits.most = min(limits.most, max(spareConnections, most-spareConnections-otherDescriptors))
	}
	if cfg.TrustedProxies > 0 || len(cfg.ProxyNetworks) > 0 {
		limits.each = limits.most
	} else {
		limits.each = min(limits.each, max(1, limits.most/2))
	}
	return limits
}

var errTooManyConnections = exchange.NewProblem(http.StatusServiceUnavailable, "too_many_connections",
	"as many connections are busy as this geogate allows")

// connections are those of a server. A new one takes the place of the one that has
// waited longest for a request, of the address from which most are waiting, so that
// nobody shuts others out by holding connections. Where all are busy, it becomes a
// spare one, on which only probes are answered.
type connections struct {
	connectionLimits

	mu       sync.Mutex
	open     map[net.Conn]*connection
	counted  int            // of open: neither spare nor evicted
	waiting  waitingClients // those of byClient from which some are waiting
	spare    list.List      // of *connection, the oldest in front
	byClient map[netip.Addr]*clientConnections
}

type clientConnections struct {
	counted int
	waiting list.List // of *connection, the one that has waited longest in front
	place   int       // in waitingClients, while waiting is not empty
}

// waitingClients is a heap with the client in front from whom most are waiting.
type waitingClients []*clientConnections

func (w waitingClients) Len() int           { return len(w) }
func (w waitingClients) Less(i, j int) bool { return w[i].waiting.Len() > w[j].waiting.Len() }

func (w waitingClients) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].place, w[j].place = i, j
}

// Push implements heap.Interface.
func (w *waitingClients) Push(client any) {
	c := client.(*clientConnections)
	c.place = len(*w)
	*w = append(*w, c)
}

// Pop implements heap.Interface.
func (w *waitingClients) Pop() any {
	last := len(*w) - 1
	c := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	return c
}

// connection is guarded by connections.mu.
type connection struct {
	net.Conn
	client  *clientConnections // nil: spare, or evicted
	address netip.Addr
	isSpare bool
	silent  bool          // has asked nothing yet
	since   time.Time     // when it began to wait
	place   *list.Element // among the waiting ones of its client, or the spare ones; nil: in neither
}

func newConnections(limits connectionLimits) *connections {
	return &connections{
		connectionLimits: limits,
		open:             map[net.Conn]*connection{}, byClient: map[netip.Addr]*clientConnections{},
	}
}

// admit counts c, and returns it with the connection whose place it takes, if any.
func (cs *connections) admit(c net.Conn) (admitted, evicted net.Conn) {
	address := exchange.ClientOf(exchange.Peer(c.RemoteAddr().String()))
	cs.mu.Lock()
	defer cs.mu.Unlock()
	client := cs.byClient[address]
	if client == nil {
		client = &clientConnections{}
		cs.byClient[address] = client
	}
	if from, full := cs.crowded(client, address); full {
		victim := cs.longestWaiting(from)
		if victim == nil {
			return cs.admitSpare(c, address)
		}
		cs.uncount(victim)
		evicted = victim.Conn
		cs.byClient[address] = client // it may have been its last
	}
	conn := &connection{Conn: c, client: client, address: address, silent: true}
	cs.open[c] = conn
	cs.counted++
	client.counted++
	cs.wait(conn)
	return c, evicted
}

// crowded reports whether one more connection of a client is above a limit, and of
// which client one has to go then; nil: none is waiting.
func (cs *connections) crowded(client *clientConnections, address netip.Addr) (from *clientConnections, full bool) {
	switch {
	case address.IsValid() && client.counted >= cs.each:
		return client, true
	case cs.counted < cs.most:
		return nil, false
	case len(cs.waiting) == 0:
		return nil, true
	}
	return cs.waiting[0], true
}

func (cs *connections) admitSpare(c net.Conn, address netip.Addr) (admitted, evicted net.Conn) {
	if client := cs.byClient[address]; client.counted == 0 {
		delete(cs.byClient, address)
	}
	c = fastlane.Without(c)
	if cs.spare.Len() >= spareConnections {
		oldest := cs.spare.Remove(cs.spare.Front()).(*connection)
		oldest.place, evicted = nil, oldest.Conn
	}
	conn := &connection{Conn: c, isSpare: true, silent: true}
	conn.place = cs.spare.PushBack(conn)
	cs.open[c] = conn
	return c, evicted
}

// glances bounds how many connections are looked at to find one that waits.
const glances = 32

// longestWaiting returns nil when no connection of a client waits. What the fast lane
// answers is not seen here, so a connection may have waited less long than it seems.
func (cs *connections) longestWaiting(client *clientConnections) *connection {
	if client == nil || client.waiting.Len() == 0 {
		return nil
	}
	for range glances {
		c := client.waiting.Front().Value.(*connection)
		if last := fastlane.LastAnswer(c.Conn); last.After(c.since) {
			cs.stopWaiting(c)
			cs.wait(c)
			c.since = last
			continue
		}
		return c
	}
	return client.waiting.Front().Value.(*connection)
}

func (cs *connections) wait(c *connection) {
	c.since = time.Now()
	c.place = c.client.waiting.PushBack(c)
	if c.client.waiting.Len() == 1 {
		heap.Push(&cs.waiting, c.client)
	} else {
		heap.Fix(&cs.waiting, c.client.place)
	}
}

func (cs *connections) stopWaiting(c *connection) {
	if c.place == nil {
		return
	}
	c.client.waiting.Remove(c.place)
	c.place = nil
	if c.client.waiting.Len() == 0 {
		heap.Remove(&cs.waiting, c.client.place)
	} else {
		heap.Fix(&cs.waiting, c.client.place)
	}
}

func (cs *connections) uncount(c *connection) {
	cs.stopWaiting(c)
	cs.counted--
	if c.client.counted--; c.client.counted == 0 {
		delete(cs.byClient, c.address)
	}
	c.client = nil
}

// note is the http.Server.ConnState of the connections.
func (cs *connections) note(c net.Conn, state http.ConnState) {
	fastlane.NoteState(c, state)
	if state == http.StateClosed || state == http.StateHijacked {
		cs.forget(c)
	}
}

// forget counts c no longer.
func (cs *connections) forget(c net.Conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	conn := cs.open[c]
	delete(cs.open, c)
	switch {
	case conn == nil:
	case conn.client != nil:
		cs.uncount(conn)
	case conn.place != nil:
		cs.spare.Remove(conn.place)
	}
}

// busy notes that a request came on c, and returns what notes that it was answered.
func (cs *connections) busy(c *connection) (answered func()) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c.client != nil {
		cs.stopWaiting(c)
	}
	return func() {
		cs.mu.Lock()
		defer cs.mu.Unlock()
		if c.client != nil {
			cs.wait(c)
		}
	}
}

// asks notes that c has asked something.
func (cs *connections) asks(c net.Conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.open[c].silent = false
}

// closeSilent closes what has asked nothing yet.
func (cs *connections) closeSilent() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, c := range cs.open {
		if c.silent {
			_ = c.Close()
		}
	}
}

type connectionKey struct{}

// context is the http.Server.ConnContext of the connections.
func (cs *connections) context(ctx context.Context, c net.Conn) context.Context {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return context.WithValue(ctx, connectionKey{}, cs.open[c])
}

// serving is the handler of a server with these connections.
func (cs *connections) serving(g *Gateway) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ex := exchange.New(w, r, g.router)
		if c, _ := r.Context().Value(connectionKey{}).(*connection); c != nil {
			ex.Spare = c.isSpare
			ex.Spent = fastlane.Spent(c.Conn)
			defer cs.busy(c)()
		}
		g.serve(ex, r)
	})
}
