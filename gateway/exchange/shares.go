package exchange

import (
	"errors"
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
	ErrAllTaken   = errors.New("as many are held as there may be")
	ErrShareTaken = errors.New("the client holds as many as it may")
)

// NewShares returns shares of most things, of which one client may hold each.
func NewShares(most, each int) *Shares {
	return &Shares{most: most, each: each, held: map[string]int{}}
}

// Take holds one more for a client (see Exchange.Counted) until giveBack is called,
// which may happen more than once. The client's own bound comes first: it is the
// client who can do something about it. Clients that cannot be told apart, on a
// Unix socket or a bus without a key, are bounded in all only.
func (s *Shares) Take(client string) (giveBack func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case client != "" && s.held[client] >= s.each:
		return nil, ErrShareTaken
	case s.all >= s.most:
		return nil, ErrAllTaken
	}
	s.all++
	s.held[client]++
	return sync.OnceFunc(func() { s.giveBack(client) }), nil
}

func (s *Shares) giveBack(client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.held[client]--; s.held[client] == 0 {
		delete(s.held, client)
	}
}

// Held is how many are held in all.
func (s *Shares) Held() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.all)
}
