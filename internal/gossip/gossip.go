// Package gossip spreads small states among processes that reach one another.
//
// A state is anything that two processes can merge in any order, any number of
// times, with the same result. A change of it goes out in packets, from process to
// process, within some tenths of a second; whole states are exchanged when a process
// joins and every now and then, so that a lost packet, or a process that was away,
// is made up for. Who is there is found out on the way. All of it is memberlist's;
// nothing else in geogate knows that library.
package gossip

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/rs/zerolog"
)

const (
	// gossipEvery is the pause between packets of a process that has news. A change
	// takes two or three of them to reach five processes, four or five to reach fifty.
	gossipEvery = 100 * time.Millisecond
	// fanout is how many members get a packet each time.
	fanout = 3
	// retransmits, times the decimal logarithm of the members, is how often a process
	// sends each change on: five processes send it eight times each, so that with one
	// packet in five lost all of them still hear of it.
	retransmits = 8
	// streamTimeout bounds a connection, and each read and write on it.
	streamTimeout = 2 * time.Second
	// packetBytes is what a packet holds. It fits into a frame of Ethernet.
	packetBytes = 1400
	// maxQueued is the most changes that wait to be sent on. Beyond that the oldest
	// are left to the exchange of whole states.
	maxQueued = 1024
	// maxHeard is the most changes that wait to be merged, and then they are dropped
	// like lost packets.
	maxHeard = 1024
	// leaveTimeout bounds each of the two messages by which a process leaves.
	leaveTimeout = time.Second
)

// pace is how often things are done that nobody waits for, as a rule.
type pace struct {
	whole  time.Duration // exchange of whole states with one other member
	probe  time.Duration // look whether one other member is there
	alone  time.Duration // attempt to join, while nobody is found
	rejoin time.Duration // the same while somebody is: for those behind a partition
}

var usualPace = pace{whole: 15 * time.Second, probe: time.Second, alone: time.Second, rejoin: 5 * time.Second}

// State is what travels. Its functions are called by several goroutines at once, and
// may block for a short time.
type State struct {
	Name string // without a colon; the same in all processes
	// Whole is all of it.
	Whole func() []byte
	// Merge takes in a change or a whole state of another process, and returns what of
	// it was news, so that others hear of it: nil if nothing was.
	Merge func([]byte) []byte
}

// Config is how to gossip. Name and Bind are required.
type Config struct {
	// Name tells this process from all others, also from those it follows.
	Name string
	// Bind is where to listen, for TCP and UDP. Port 0 picks a free one.
	Bind netip.AddrPort
	// Join is where others may be: hosts, which are looked up again and again, with or
	// without a port.
	Join []string
	// Key encrypts all of it, 32 bytes; nil: nothing is encrypted.
	Key []byte
	Log zerolog.Logger
	// Transport replaces the network, for tests; nil: TCP and UDP at Bind.
	Transport memberlist.Transport
}

// Mesh is one process's part. It is safe for concurrent use.
type Mesh struct {
	cfg    Config
	pace   pace
	states []State
	log    zerolog.Logger

	list    *memberlist.Memberlist // nil until Open
	self    string                 // the address of this process for gossip
	joining sync.WaitGroup         // attempts under way
	queue   *memberlist.TransmitLimitedQueue
	heard   chan []byte
	about   atomic.Pointer[About]
	changed chan struct{} // there is something new about this process

	mu    sync.Mutex
	peers map[string]Peer
}

// New returns the part of this process and starts nothing.
func New(cfg Config, states ...State) *Mesh {
	m := &Mesh{
		cfg: cfg, pace: usualPace, states: states, log: cfg.Log,
		heard:   make(chan []byte, maxHeard),
		changed: make(chan struct{}, 1),
		peers:   map[string]Peer{},
	}
	m.about.Store(&About{})
	m.queue = &memberlist.TransmitLimitedQueue{NumNodes: m.size, RetransmitMult: retransmits}
	return m
}

// Open begins to listen. Call it once, before Join and Run.
func (m *Mesh) Open() error {
	c := memberlist.DefaultLANConfig()
	c.Name = m.cfg.Name
	c.BindAddr, c.BindPort = m.cfg.Bind.Addr().String(), int(m.cfg.Bind.Port())
	c.AdvertisePort = c.BindPort
	c.SecretKey = m.cfg.Key
	c.Transport = m.cfg.Transport
	c.Delegate, c.Events = (*delegate)(m), (*delegate)(m)
	c.GossipInterval, c.GossipNodes = gossipEvery, fanout
	c.PushPullInterval = m.pace.whole
	c.ProbeInterval, c.ProbeTimeout = m.pace.probe, m.pace.probe/2
	c.TCPTimeout = streamTimeout
	c.UDPBufferSize = packetBytes
	c.LogOutput = newLibraryLog(m.log)
	list, err := memberlist.Create(c)
	if err != nil {
		return fmt.Errorf("open gossip at %s: %w", m.cfg.Bind, err)
	}
	m.list, m.self = list, list.LocalNode().Address()
	m.log.Info().Str("address", m.self).Bool("encrypted", m.cfg.Key != nil).Msg("gossip begins")
	return nil
}

// Address is where this process gossips, once it is open.
func (m *Mesh) Address() string { return m.self }

// Run joins whoever is found until ctx ends, then leaves within some seconds and
// returns nil. Nothing else may be called after that but Spread, Tell and Peers.
func (m *Mesh) Run(ctx context.Context) error {
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { m.merging(inner) })
	running.Go(func() { m.telling(inner) })
	m.rejoining(ctx)
	stop()
	running.Wait()
	return m.leave()
}

// merging takes in what was heard, until ctx ends.
func (m *Mesh) merging(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case message := <-m.heard:
			name, change, _ := bytes.Cut(message, []byte{':'})
			m.merge(string(name), change)
		}
	}
}

// merge takes in a change or a whole state, and sends on what was news. What this
// release does not know it ignores.
func (m *Mesh) merge(name string, change []byte) {
	for _, s := range m.states {
		if s.Name != name {
			continue
		}
		if news := s.Merge(change); news != nil {
			m.Spread(name, news)
		}
	}
}

// Spread sends a change of the named state to all others. What does not fit into a
// packet waits for the exchange of whole states.
func (m *Mesh) Spread(name string, change []byte) {
	message := append([]byte(name+":"), change...)
	m.queue.QueueBroadcast(broadcast(message))
	m.queue.Prune(maxQueued)
}

// whole is every state in one message.
func (m *Mesh) whole() []byte {
	all := map[string][]byte{}
	for _, s := range m.states {
		all[s.Name] = s.Whole()
	}
	text, err := json.Marshal(all)
	if err != nil {
		return nil // bytes always become JSON
	}
	return text
}

// mergeWhole takes in what whole returned in another process.
func (m *Mesh) mergeWhole(text []byte) {
	var all map[string][]byte
	if err := json.Unmarshal(text, &all); err != nil {
		m.log.Warn().Err(err).Msg("state of another process cannot be read")
		return
	}
	for name, state := range all {
		m.merge(name, state)
	}
}

// leave says that this process goes on purpose, and ends everything.
func (m *Mesh) leave() error {
	m.joining.Wait()
	about := *m.about.Load()
	about.Leaving = true
	m.about.Store(&about)
	err := errors.Join(m.list.UpdateNode(leaveTimeout), m.list.Leave(leaveTimeout))
	if err != nil {
		m.log.Debug().Err(err).Msg("left without a word")
	}
	if err := m.list.Shutdown(); err != nil {
		return fmt.Errorf("end gossip: %w", err)
	}
	return nil
}

// broadcast is a change on its way. Each is its own: newer ones replace no older
// ones, because merging them in any order comes to the same.
type broadcast []byte

func (b broadcast) Invalidates(memberlist.Broadcast) bool { return false }
func (b broadcast) Message() []byte                       { return b }
func (b broadcast) Finished()                             {}
func (b broadcast) UniqueBroadcast()                      {}
