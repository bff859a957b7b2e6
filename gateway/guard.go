package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"geogate/gateway/exchange"
)

// failureLimit is how many wrong credentials one address may send. Above it, even
// the right one is refused: an answer that told them apart would be worth a try.
var failureLimit = exchange.RateLimit{Requests: 10, Per: time.Minute}

var errTooManyFailures = exchange.NewProblem(http.StatusTooManyRequests, "too_many_failures",
	"this address has sent too many wrong tokens").WithHint("wait as long as Retry-After says, then send the right one")

// guard puts a check of who calls in front of the handlers that need one today:
// those of administrators, and those that show or spread everybody's rides.
func (g *Gateway) guard(rt route) exchange.Handler {
	if rt.scope != scopeAdmin && rt.scope != scopeEvents {
		return rt.handler
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := g.checkAdmin(r); err != nil {
			return err
		}
		return rt.handler(w, r)
	}
}

// checkAdmin lets requests pass that carry ADMIN_TOKEN as a bearer token, which is
// never read from the query, because proxies log that, and those that the local
// trust covers.
func (g *Gateway) checkAdmin(r *http.Request) error {
	if g.adminToken == "" {
		if g.trust.covers(r) {
			return nil
		}
		return exchange.NewProblem(http.StatusForbidden, "admin_closed", "this endpoint is closed").
			WithHint("set ADMIN_TOKEN and send it as Authorization: Bearer …")
	}
	client := exchange.Of(r).Client
	if g.failures.Exhausted(client) {
		p := *errTooManyFailures
		p.RetryAfter = failureLimit.Per
		return &p
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(g.adminToken)) // equal lengths, so that the comparison takes constant time
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		if token != "" {
			g.failures.Count(client)
		}
		return exchange.NewProblem(http.StatusUnauthorized, "unauthorized", "this endpoint needs the admin token").
			WithHint("send Authorization: Bearer and the value of ADMIN_TOKEN")
	}
	return nil
}
