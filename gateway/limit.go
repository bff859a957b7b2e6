package gateway

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/go-chi/httprate"
)

// RateLimit is how many requests one client may send in a time. The zero value
// means no limit.
type RateLimit struct {
	Requests int
	Per      time.Duration
}

// rateHeaders are the limiter's usual ones in canonical form, which saves
// making it anew for each answer.
var rateHeaders = httprate.ResponseHeaders{
	Limit:      "X-Ratelimit-Limit",
	Remaining:  "X-Ratelimit-Remaining",
	Increment:  "X-Ratelimit-Increment",
	Reset:      "X-Ratelimit-Reset",
	RetryAfter: "Retry-After",
}

// newLimiter returns nil for no limit.
func newLimiter(limit RateLimit) *httprate.RateLimiter {
	if limit.Requests == 0 {
		return nil
	}
	return httprate.NewRateLimiter(limit.Requests, limit.Per, httprate.WithResponseHeaders(rateHeaders))
}

// limitRate counts every request of a client, cache hits included, and refuses
// the ones above the limit with 429, in the error shape of the endpoint. Probes
// are not counted: they must not compete with clients behind one address.
func (g *Gateway) limitRate(next http.Handler) http.Handler {
	if g.limiter == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isProbe(r.URL.Path) && !isInternal(r) && g.limiter.OnLimit(w, r, clientKey(exchangeOf(r).client)) {
			g.refuse(w, r, errRateLimited)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// clientKey is what a limit counts by: an IPv4 address, or the /64 of an IPv6
// one, because a single subscriber commonly holds all of it (RFC 6177).
// Keys are raw bytes, 4 or 8 of them, because text costs more than counting.
func clientKey(addr netip.Addr) string {
	switch {
	case addr.Is6():
		b := addr.As16()
		return string(b[:8])
	case addr.Is4():
		b := addr.As4()
		return string(b[:])
	}
	return "" // those who have none share one
}
