package exchange

import (
	"context"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"geogate/internal/identity"
	"geogate/internal/rate"

	"github.com/go-chi/httprate"
)

// RateLimit is how many requests one client may send in a time. The zero value
// means no limit.
type RateLimit struct {
	Requests int
	Per      time.Duration
}

// RateHeaders are the limiter's usual ones in canonical form, so that setting
// them does not have to make it for each answer.
var RateHeaders = httprate.ResponseHeaders{
	Limit:      "X-Ratelimit-Limit",
	Remaining:  "X-Ratelimit-Remaining",
	Increment:  "X-Ratelimit-Increment",
	Reset:      "X-Ratelimit-Reset",
	RetryAfter: "Retry-After",
}

// Limiter counts the requests of each client, cache hits included. It is safe
// for concurrent use; nil never refuses.
type Limiter struct {
	clients *httprate.RateLimiter
	most    int
}

// NewLimiter returns nil for no limit.
func NewLimiter(limit RateLimit) *Limiter {
	if limit.Requests == 0 {
		return nil
	}
	return &Limiter{httprate.NewRateLimiter(limit.Requests, limit.Per, httprate.WithResponseHeaders(RateHeaders)), limit.Requests}
}

// Refuses counts one request and reports whether it is above the client's limit,
// in which case it does not count. The limit's headers are set on w either way.
func (l *Limiter) Refuses(w http.ResponseWriter, client netip.Addr) bool {
	return l != nil && l.clients.OnLimit(w, withoutContext, clientKey(client))
}

// Limits are the limits of all clients: one for addresses, which is also the usual
// one of credentials, and others for keys that have one of their own. They are
// safe for concurrent use.
type Limits struct {
	usual  *Limiter
	exempt []netip.Prefix
	others sync.Map // rate.Rate → *Limiter; as many as keys were issued with
}

// NewLimits returns limits of which usual is the one that nobody has set. Clients of
// the exempt networks have none, unless they show a credential.
func NewLimits(usual RateLimit, exempt ...netip.Prefix) *Limits {
	return &Limits{usual: NewLimiter(usual), exempt: exempt}
}

// Refuses is Limiter.Refuses for whoever sent a request, as countedAs tells them
// apart.
func (l *Limits) Refuses(w http.ResponseWriter, client netip.Addr, caller *identity.Caller) bool {
	limiter := l.limiter(client, caller)
	return limiter != nil && limiter.clients.OnLimit(w, withoutContext, countedAs(client, caller))
}

// limiter is the one that counts the requests of a caller; nil: there is none.
func (l *Limits) limiter(client netip.Addr, caller *identity.Caller) *Limiter {
	switch {
	case caller == nil || caller.Credential == "":
		if l.isExempt(client) {
			return nil
		}
	case caller.Rate != nil:
		return l.of(*caller.Rate)
	}
	return l.usual
}

// Counted is by whom limits count the request: see countedAs. It is empty for
// clients that cannot be told apart.
func (ex *Exchange) Counted() string { return countedAs(ex.Client, ex.Caller) }

// countedAs is the credential of a caller who has one, because a mobile carrier puts
// thousands behind an address, else the address.
func countedAs(client netip.Addr, caller *identity.Caller) string {
	if caller == nil || caller.Credential == "" {
		return clientKey(client)
	}
	return caller.Credential
}

// Exhausted reports whether Refuses would refuse the next request. It counts nothing.
func (l *Limits) Exhausted(client netip.Addr, caller *identity.Caller) bool {
	return l.limiter(client, caller).exhausted(countedAs(client, caller))
}

func (l *Limits) isExempt(client netip.Addr) bool {
	return slices.ContainsFunc(l.exempt, func(n netip.Prefix) bool { return n.Contains(client) })
}

func (l *Limits) of(r rate.Rate) *Limiter {
	if found, ok := l.others.Load(r); ok {
		return found.(*Limiter)
	}
	made, _ := l.others.LoadOrStore(r, NewLimiter(RateLimit{r.Requests, r.Per}))
	return made.(*Limiter)
}

// Count counts what shall count for client besides a request.
func (l *Limiter) Count(client netip.Addr) {
	l.clients.OnLimit(nothing{http.Header{}}, withoutContext, clientKey(client))
}

// Exhausted reports whether Count has been called as often as the limit allows.
// It counts nothing.
func (l *Limiter) Exhausted(client netip.Addr) bool { return l.exhausted(clientKey(client)) }

func (l *Limiter) exhausted(key string) bool {
	if l == nil {
		return false
	}
	_, rate, err := l.clients.Status(key)
	return err != nil || int(math.Round(rate)) >= l.most
}

// nothing takes the header fields that nobody is to see.
type nothing struct{ fields http.Header }

func (n nothing) Header() http.Header       { return n.fields }
func (nothing) WriteHeader(int)             {}
func (nothing) Write(p []byte) (int, error) { return len(p), nil }

// withoutContext stands for a request whose limit is the same as everyone's.
var withoutContext = (&http.Request{}).WithContext(context.Background())

// ClientOf is the address by which everything that is kept about a client is kept:
// see clientKey.
func ClientOf(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	prefix, err := addr.WithZone("").Prefix(subscriberBits)
	if err != nil { // 64 bits are no error
		return addr
	}
	return prefix.Addr()
}

const subscriberBits = 64

// clientKey is what a limit counts by: an IPv4 address, or the /64 of an IPv6
// one, because a single subscriber commonly holds all of it (RFC 6177).
// Keys are raw bytes, 4 or 8 of them, because making text costs more than
// counting.
func clientKey(addr netip.Addr) string {
	switch {
	case addr.Is6():
		b := addr.As16()
		return string(b[:8])
	case addr.Is4():
		b := addr.As4()
		return string(b[:])
	}
	return "" // clients without an address share one limit
}
