package geocoding

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"geogate/gateway/exchange"
	"geogate/upstream"
)

// Search-as-you-type is one request for every letter. Some providers forbid
// it: they are not asked for a client's series of growing prefixes. If they all
// forbid it, a series is answered from the cache only (usage policy of nominatim.openstreetmap.org, "auto-complete search").
const (
	// typingPause ends a series: nobody pauses that long while typing.
	typingPause = 2 * time.Second
	// typingSteps is how many requests of a series pass before it counts as one.
	// People correct what they have searched for; programs do not stop.
	typingSteps = 3
	// typingLetters is how much longer the next query of a series may be.
	typingLetters = 3
	// maxTypists bounds the memory: beyond it, clients go unwatched.
	maxTypists = 10_000
)

var errTyping = exchange.NewProblem(http.StatusTooManyRequests, "autocomplete_forbidden",
	"the geocoder's terms of use forbid search-as-you-type").
	WithHint("search when the user has finished typing, or use a geocoder that allows it")

// typing watches for series of growing prefixes.
type typing struct {
	mu      sync.Mutex
	clients map[netip.Addr]*series
}

type series struct {
	last  string
	at    time.Time
	steps int
}

// isTyping reports whether a search is one letter of a search-as-you-type that
// the terms of some geocoder forbid.
func (a *API) isTyping(req upstream.Request, client netip.Addr) bool {
	if all, _ := a.geocoder.chain.Autocomplete(); all || req.Endpoint() != upstream.Search {
		return false
	}
	return a.typing.watch(exchange.ClientOf(client), upstream.ParseQuery(req.Query()).Get("q"), time.Now())
}

// watch notes a search and reports whether it belongs to a series.
func (t *typing) watch(client netip.Addr, q string, now time.Time) bool {
	q = strings.ToLower(strings.TrimSpace(q))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.clients == nil {
		t.clients = map[netip.Addr]*series{}
	}
	s := t.clients[client]
	if s == nil {
		if len(t.clients) >= maxTypists && !t.tidy(now) {
			return false
		}
		s = &series{}
		t.clients[client] = s
	}
	grown := len(q) - len(s.last)
	if now.Sub(s.at) > typingPause || !strings.HasPrefix(q, s.last) || grown < 0 || grown > typingLetters {
		s.steps = 0
	}
	if grown != 0 || s.steps == 0 {
		s.steps++
	}
	s.last, s.at = q, now
	return s.steps > typingSteps
}

// tidy forgets series that are over and reports whether that made room.
func (t *typing) tidy(now time.Time) bool {
	for client, s := range t.clients {
		if now.Sub(s.at) > typingPause {
			delete(t.clients, client)
		}
	}
	return len(t.clients) < maxTypists
}
