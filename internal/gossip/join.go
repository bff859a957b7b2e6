package gossip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"geogate/internal/pause"
)

const (
	// joinTimeout bounds the first attempt, before which no request is served: one
	// connection, its exchange, and a look into DNS.
	joinTimeout = 3 * time.Second
	// maxCandidates is the most addresses that one attempt tries, at once.
	maxCandidates = 8
)

// ErrNobody means that no address of Join led to another process.
var ErrNobody = errors.New("nobody to join")

// Join exchanges whole states with others, so that this process knows what they know.
// The error is ErrNobody where none answered in time.
func (m *Mesh) Join(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	return m.exchange(ctx, m.lookUp(ctx))
}

// Catch exchanges whole states with some of those who are there.
func (m *Mesh) Catch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	var all []string
	for _, p := range m.Peers() {
		if p.LostAt.IsZero() {
			all = append(all, p.gossip)
		}
	}
	return m.exchange(ctx, all)
}

// exchange has some of the addresses exchange whole states with this process, and
// returns with the first that has, or when ctx ends. The others go on, each bounded
// by streamTimeout.
func (m *Mesh) exchange(ctx context.Context, addresses []string) error {
	rand.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
	addresses = addresses[:min(len(addresses), maxCandidates)]
	results := make(chan error, len(addresses))
	for _, address := range addresses {
		m.joining.Go(func() {
			_, err := m.list.Join([]string{address})
			if first := errors.Unwrap(err); first != nil {
				err = first // of a list of one
			}
			results <- err
		})
	}
	errs := ErrNobody
	for range addresses {
		select {
		case err := <-results:
			if err == nil {
				return nil
			}
			errs = fmt.Errorf("%w: %w", errs, err)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errs, ctx.Err())
		}
	}
	return errs
}

// rejoining tries the addresses of Join that are no members, until ctx ends.
func (m *Mesh) rejoining(ctx context.Context) {
	quiet := false // the failure has been told
	for {
		every := m.pace.rejoin
		if m.size() == 1 {
			every = m.pace.alone
		}
		if pause.For(ctx, pause.Around(every, 0.2)) != nil {
			return
		}
		strangers := m.strangers(m.lookUp(ctx))
		if len(strangers) == 0 {
			quiet = false
			continue
		}
		err := m.exchange(ctx, strangers)
		switch {
		case err == nil:
			quiet = false
		case !quiet && ctx.Err() == nil:
			quiet = true
			m.log.Warn().Err(err).Int("members", m.size()).Msg("others do not answer, or have another key")
		}
	}
}

// strangers are the addresses that no member has.
func (m *Mesh) strangers(addresses []string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := map[string]bool{}
	for _, p := range m.peers {
		if p.LostAt.IsZero() {
			known[p.gossip] = true
		}
	}
	var list []string
	for _, a := range addresses {
		if !known[a] {
			list = append(list, a)
		}
	}
	return list
}

// lookUp returns the addresses that Join stands for, but for that of this process.
func (m *Mesh) lookUp(ctx context.Context) []string {
	var mu sync.Mutex
	var found []string
	var looking sync.WaitGroup
	for _, entry := range m.cfg.Join {
		looking.Go(func() {
			addresses, err := resolve(ctx, entry, m.cfg.Bind.Port())
			if err != nil {
				m.log.Debug().Err(err).Msg("host of others not found")
			}
			mu.Lock()
			defer mu.Unlock()
			for _, a := range addresses {
				if a != m.self {
					found = append(found, a)
				}
			}
		})
	}
	looking.Wait()
	return found
}

// resolve returns the addresses of one entry of Join.
func resolve(ctx context.Context, entry string, port uint16) ([]string, error) {
	host := entry
	if h, p, err := net.SplitHostPort(entry); err == nil {
		number, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("look up member: %w", err)
		}
		host, port = h, uint16(number)
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up member: %w", err)
	}
	list := make([]string, len(addresses))
	for i, a := range addresses {
		list[i] = netip.AddrPortFrom(a.Unmap(), port).String()
	}
	return list, nil
}
