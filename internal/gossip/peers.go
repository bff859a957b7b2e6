package gossip

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hashicorp/memberlist"
)

// rememberedLife is how long a member that is lost is listed.
const rememberedLife = time.Minute

// About is what a process tells of itself. As JSON it has at most 512 bytes.
type About struct {
	Address    string    `json:"address,omitempty"` // where it answers requests
	Version    string    `json:"version,omitempty"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	Generation uint64    `json:"generation,omitempty"`
	Leaving    bool      `json:"leaving,omitempty"`
}

// Peer is another process.
type Peer struct {
	Name string
	About
	// LostAt is when it was given up; zero: it is there.
	LostAt time.Time

	gossip string // its address for gossip
}

// Peers are the other processes: those that are there, and those lost in the last
// minute.
func (m *Mesh) Peers() []Peer {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Peer
	for name, p := range m.peers {
		if !p.LostAt.IsZero() && time.Since(p.LostAt) > rememberedLife {
			delete(m.peers, name)
			continue
		}
		list = append(list, p)
	}
	return list
}

// size is how many processes there are, with this one.
func (m *Mesh) size() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 1
	for _, p := range m.peers {
		if p.LostAt.IsZero() {
			n++
		}
	}
	return n
}

// Tell lets the others know of this process.
func (m *Mesh) Tell(a About) {
	m.about.Store(&a)
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// telling sends out what is new about this process, until ctx ends.
func (m *Mesh) telling(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.changed:
			if err := m.list.UpdateNode(leaveTimeout); err != nil {
				m.log.Debug().Err(err).Msg("news of this process not sent")
			}
		}
	}
}

func (m *Mesh) noteAlive(n *memberlist.Node) {
	if n.Name == m.cfg.Name {
		return
	}
	p := Peer{Name: n.Name, gossip: n.Address()}
	_ = json.Unmarshal(n.Meta, &p.About) // another release may tell other things
	m.mu.Lock()
	before, known := m.peers[n.Name]
	m.peers[n.Name] = p
	m.mu.Unlock()
	if !p.Leaving && (!known || !before.LostAt.IsZero()) {
		m.log.Info().Str("member", p.Name).Str("address", p.gossip).Str("version", p.Version).Msg("member joined")
	}
}

func (m *Mesh) noteGone(n *memberlist.Node) {
	m.mu.Lock()
	p, known := m.peers[n.Name]
	if p.LostAt = time.Now(); p.Leaving {
		delete(m.peers, n.Name)
	} else if known {
		m.peers[n.Name] = p
	}
	m.mu.Unlock()
	switch {
	case !known:
	case p.Leaving:
		m.log.Info().Str("member", p.Name).Msg("member left")
	default:
		m.log.Warn().Str("member", p.Name).Str("address", p.gossip).Msg("member lost")
	}
}
