package gossip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // the transport wants one
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"geogate/internal/asynctest"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

// greatest is a state: the greatest number that anybody has said.
type greatest struct {
	mu sync.Mutex
	n  int
}

func (g *greatest) get() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

func (g *greatest) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n = 0
}

func (g *greatest) whole() []byte { return []byte(strconv.Itoa(g.get())) }

func (g *greatest) merge(text []byte) []byte {
	n, err := strconv.Atoi(string(text))
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil || n <= g.n {
		return nil
	}
	g.n = n
	return text
}

// network is loopback, with walls in it.
type network struct {
	mu   sync.Mutex
	side map[string]int // by address; those of different sides do not reach one another
}

func (n *network) apart(a, b string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.side[a] != n.side[b]
}

func (n *network) put(side int, nodes ...*node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, node := range nodes {
		n.side[node.address] = side
	}
}

// transport is one process's way into a network.
type transport struct {
	*memberlist.NetTransport
	self    string
	network *network
}

func (t *transport) WriteToAddress(b []byte, to memberlist.Address) (time.Time, error) {
	if t.network.apart(t.self, to.Addr) {
		return time.Now(), nil // a lost packet is no error
	}
	return t.NetTransport.WriteToAddress(b, to)
}

func (t *transport) DialAddressTimeout(to memberlist.Address, limit time.Duration) (net.Conn, error) {
	if t.network.apart(t.self, to.Addr) {
		return nil, errors.New("no way through")
	}
	return t.NetTransport.DialAddressTimeout(to, limit)
}

// node is a process of a test.
type node struct {
	*Mesh
	address string
	number  greatest
	stop    func()
}

// say makes n the number of this process.
func (n *node) say(number int) {
	text := []byte(strconv.Itoa(number))
	n.number.merge(text)
	n.Spread("number", text)
}

var quick = pace{whole: time.Second, probe: 150 * time.Millisecond, alone: 50 * time.Millisecond, rejoin: 100 * time.Millisecond}

// listen opens a port that is free for both TCP and UDP.
func listen(t *testing.T) *memberlist.NetTransport {
	t.Helper()
	for range 10 {
		net, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{BindAddrs: []string{"127.0.0.1"}, Logger: log.New(io.Discard, "", 0)})
		if err == nil {
			return net
		}
		t.Log(err) // free for TCP is not free for UDP
	}
	t.Fatal("no port is free")
	return nil
}

// open returns a process that listens and has joined nobody yet. It runs until the test ends.
func (n *network) open(t *testing.T, name string, key []byte, join ...*node) *node {
	t.Helper()
	net := listen(t)
	process := &node{address: fmt.Sprintf("127.0.0.1:%d", net.GetAutoBindPort())}
	cfg := Config{Name: name, Key: key, Bind: netip.MustParseAddrPort(process.address), Transport: &transport{net, process.address, n}}
	for _, other := range join {
		cfg.Join = append(cfg.Join, other.address)
	}
	process.Mesh = New(cfg, State{"number", process.number.whole, process.number.merge})
	process.pace = quick
	if err := process.Open(); err != nil {
		t.Fatal(err)
	}
	process.stop = asynctest.Background(t, process.Run)
	return process
}

func newNetwork() *network { return &network{side: map[string]int{}} }

// start returns processes of which the later ones have joined the first.
func (n *network) start(t *testing.T, count int) []*node {
	t.Helper()
	var nodes []*node
	for i := range count {
		node := n.open(t, fmt.Sprint("process-", i), key, nodes[:min(i, 1)]...)
		if i > 0 {
			if err := node.Join(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		nodes = append(nodes, node)
	}
	asynctest.Eventually(t, "all know all", func() bool {
		return !slices.ContainsFunc(nodes, func(n *node) bool { return n.size() != count })
	})
	return nodes
}

var key = bytes.Repeat([]byte{7}, 32)

func awaitNumber(t *testing.T, want int, nodes ...*node) {
	t.Helper()
	asynctest.Eventually(t, fmt.Sprint("all know of ", want), func() bool {
		return !slices.ContainsFunc(nodes, func(n *node) bool { return n.number.get() != want })
	})
}

func TestChangesReachAll(t *testing.T) {
	t.Parallel()
	nodes := newNetwork().start(t, 5)
	for i := range 5 {
		nodes[i].say(i + 1)
		awaitNumber(t, i+1, nodes...)
	}
	// Two at once come to the same everywhere.
	nodes[0].say(100)
	nodes[1].say(101)
	awaitNumber(t, 101, nodes...)
}

func TestWhoJoinsKnowsAtOnce(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	first := n.open(t, "first", key)
	first.say(7)
	late := n.open(t, "late", key, first)
	if err := late.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := late.number.get(); got != 7 {
		t.Errorf("the process that joined knows of %d, want 7", got)
	}
	late.number.forget() // as if it had been away
	if err := late.Catch(t.Context()); err != nil || late.number.get() != 7 {
		t.Errorf("after Catch it knows of %d, %v, want 7", late.number.get(), err)
	}
}

func TestNobodyToJoin(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	gone := n.open(t, "gone", key)
	alone := n.open(t, "alone", key, gone)
	gone.stop()
	if err := alone.Join(t.Context()); !errors.Is(err, ErrNobody) {
		t.Errorf("Join = %v, want ErrNobody", err)
	}
	if err := alone.Catch(t.Context()); !errors.Is(err, ErrNobody) {
		t.Errorf("Catch = %v, want ErrNobody", err)
	}
}

func TestAnotherKeyIsKeptOut(t *testing.T) {
	for name, other := range map[string][]byte{"another key": bytes.Repeat([]byte{8}, 32), "no key": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork()
			inside := n.start(t, 2)
			stranger := n.open(t, "stranger", other, inside[0])
			stranger.say(9)
			if err := stranger.Join(t.Context()); !errors.Is(err, ErrNobody) {
				t.Errorf("Join = %v, want ErrNobody", err)
			}
			inside[0].say(5)
			awaitNumber(t, 5, inside...)
			if list := stranger.Peers(); len(list) > 0 || stranger.number.get() != 9 {
				t.Errorf("the stranger knows %+v and %d", list, stranger.number.get())
			}
			for _, node := range inside {
				if slices.ContainsFunc(node.Peers(), func(p Peer) bool { return p.Name == "stranger" }) {
					t.Errorf("%s knows the stranger", node.cfg.Name)
				}
			}
		})
	}
}

// lost counts the peers of n that are given up.
func (n *node) lost() (lost int) {
	for _, p := range n.Peers() {
		if !p.LostAt.IsZero() {
			lost++
		}
	}
	return lost
}

func TestAPartitionHeals(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	nodes := n.start(t, 4)
	n.put(1, nodes[2:]...)
	asynctest.Eventually(t, "each side has given the other up", func() bool {
		return !slices.ContainsFunc(nodes, func(n *node) bool { return n.lost() != 2 })
	})
	nodes[0].say(3)
	nodes[3].say(4)
	awaitNumber(t, 3, nodes[:2]...)
	awaitNumber(t, 4, nodes[2:]...)
	n.put(0, nodes[2:]...)
	awaitNumber(t, 4, nodes...)
	asynctest.Eventually(t, "all know all", func() bool {
		return !slices.ContainsFunc(nodes, func(n *node) bool { return n.size() != 4 || n.lost() != 0 })
	})
}

func TestMembers(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	nodes := n.start(t, 3)
	about := About{Address: "10.0.0.1:8080", Version: "v1", StartedAt: time.Unix(1, 0).UTC(), Generation: 7}
	nodes[2].Tell(about)
	asynctest.Eventually(t, "the others know", func() bool {
		return slices.ContainsFunc(nodes[0].Peers(), func(p Peer) bool { return p.Name == "process-2" && p.About == about && p.LostAt.IsZero() })
	})
	nodes[1].stop()
	asynctest.Eventually(t, "who left is gone", func() bool { return len(nodes[0].Peers()) == 1 })
	n.put(1, nodes[2])
	asynctest.Eventually(t, "who is cut off is lost", func() bool { return nodes[0].lost() == 1 })
	if p := nodes[0].Peers()[0]; p.Name != "process-2" || p.About != about {
		t.Errorf("the lost member is %+v", p)
	}
}

// What comes faster than it can be merged is dropped, and nobody waits.
func TestAFloodIsDropped(t *testing.T) {
	m := New(Config{Name: "test"})
	for range 2 * maxHeard {
		(*delegate)(m).NotifyMsg([]byte("number:1"))
		m.Spread("number", []byte("1"))
	}
	if len(m.heard) != maxHeard || m.queue.NumQueued() != maxQueued {
		t.Errorf("%d wait to be merged and %d to be sent", len(m.heard), m.queue.NumQueued())
	}
}

func TestAPortInUse(t *testing.T) {
	taken := newNetwork().open(t, "first", key)
	m := New(Config{Name: "second", Bind: netip.MustParseAddrPort(taken.address)})
	if err := m.Open(); err == nil {
		t.Error("two processes listen at one address")
	}
}

func TestResolve(t *testing.T) {
	for _, tt := range []struct{ entry, want string }{
		{"127.0.0.1", "127.0.0.1:7946"},
		{"127.0.0.1:1", "127.0.0.1:1"},
		{"::1", "[::1]:7946"},
		{"[::1]:1", "[::1]:1"},
	} {
		got, err := resolve(context.Background(), tt.entry, 7946)
		if err != nil || len(got) != 1 || got[0] != tt.want {
			t.Errorf("resolve(%q) = %q, %v, want %q", tt.entry, got, err, tt.want)
		}
	}
	if got, err := resolve(t.Context(), "localhost", 7946); err != nil || !slices.Contains(got, "127.0.0.1:7946") {
		t.Errorf("resolve(localhost) = %q, %v", got, err)
	}
}
