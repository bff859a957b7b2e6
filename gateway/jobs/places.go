package jobs

import (
	"net/http"
	"net/netip"
	"sync"

	"geogate/gateway/exchange"
)

// places bounds what goes on at a time, in all and for one client. It is safe for
// concurrent use.
type places struct {
	most, mostOfClient int
	full, clientFull   *exchange.Problem

	mu    sync.Mutex
	taken int
	of    map[string]int // by client; those with none are not in it
}

// newPlaces returns places for what, such as "uploads", refused with a code.
func newPlaces(what, code string, most, mostOfClient int) *places {
	const hint = "try again when Retry-After says"
	return &places{
		most: most, mostOfClient: mostOfClient, of: map[string]int{},
		full: exchange.NewProblem(http.StatusServiceUnavailable, code,
			"as many "+what+" are under way as this geogate allows").WithHint(hint),
		clientFull: exchange.NewProblem(http.StatusTooManyRequests, code,
			"as many "+what+" of this client are under way as geogate allows one").WithHint(hint),
	}
}

// take returns a function that gives the place back, or the *exchange.Problem that
// there is none. The client's own limit comes first: it is the client who can do
// something about it.
func (p *places) take(client string) (giveBack func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.of[client] >= p.mostOfClient:
		return nil, p.clientFull
	case p.taken >= p.most:
		return nil, p.full
	}
	p.taken++
	p.of[client]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken--
		if p.of[client]--; p.of[client] == 0 {
			delete(p.of, client)
		}
	}, nil
}

// clientOf is who limits count: an address, or the /64 of an IPv6 one, because a
// single subscriber commonly holds all of it (RFC 6177). Clients without an address
// count as one.
func clientOf(r *http.Request) string {
	addr := exchange.Of(r).Client
	switch {
	case addr.Is6():
		return netip.PrefixFrom(addr, 64).Masked().String()
	case addr.IsValid():
		return addr.String()
	}
	return ""
}
