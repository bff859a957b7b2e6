package exchange

import (
	"errors"
	"net/netip"
	"sync"
)

// Shares bound how many of something are held at a time, in all and by one
// client. They are safe for concurrent use.
type Shares struct {
	most, each int

	mu   sync.Mutex
	all  int
	held map[string]int // by client
}

// Why Take refuses.
var (
	errAllTaken   = errors.New("as many are held as there may be")
	errShareTaken = errors.New("the client holds as many as it may")
)

// NewShares returns shares of most things, of which one client may hold each.
func NewShares(most, each int) *Shares {
	return &Shares{most: most, each: each, held: map[string]int{}}
}

// Take holds one more for client until giveBack is called, which may happen more
// than once. Clients without an address, on a Unix socket or a bus, are bounded in
// all only.
func (s *Shares) Take(client netip.Addr) (giveBack func(), err error) {
	key := clientKey(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case key != "" && s.held[key] >= s.each:
		return nil, errShareTaken
	case s.all >= s.most:
		return nil, errAllTaken
	}
	s.all++
	s.held[key]++
	return sync.OnceFunc(func() { s.giveBack(key) }), nil
}

func (s *Shares) giveBack(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.held[key]--; s.held[key] == 0 {
		delete(s.held, key)
	}
}

// Held is how many are held in all.
func (s *Shares) Held() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.all)
}
