package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"geogate/gateway/exchange"
	"geogate/internal/identity"
	"geogate/upstream"
)

// failureLimit is how many wrong credentials an address may send before it is
// slowed down: from then on the tries themselves count as requests, and what could
// be guessed is refused unread, because an answer that told right from wrong
// would be worth a try.
var failureLimit = exchange.RateLimit{Requests: 10, Per: time.Minute}

var (
	errUnauthenticated = exchange.NewProblem(http.StatusUnauthorized, "unauthenticated", "this needs a credential").
				WithHint("geogate keys create --role operator --subject me; curl -H 'Authorization: Bearer gg_…' with the key that it prints")
	errInvalidToken = challenge(exchange.NewProblem(http.StatusUnauthorized, "invalid_token",
		"the credential is wrong, expired or revoked"), `error="invalid_token"`)
	errMalformedKey = challenge(exchange.NewProblem(http.StatusUnauthorized, "malformed_key",
		"the key has a typing mistake: its checksum is wrong"), `error="invalid_token"`)
	errNotBearer = challenge(exchange.NewProblem(http.StatusUnauthorized, "invalid_token",
		"the Authorization header must be one bearer token").WithHint("send Authorization: Bearer and the key or token"), `error="invalid_token"`)
	errTokenInQuery = exchange.BadRequest("token_in_query", "access_token is taken on event streams only: queries end up in logs").
			WithHint("send the token as Authorization: Bearer …")
	errTooManyFailures = exchange.NewProblem(http.StatusTooManyRequests, "too_many_failures",
		"this address has sent too many wrong tokens").WithHint("wait as long as Retry-After says, then send the right one")
)

func challenge(p *exchange.Problem, detail string) *exchange.Problem {
	p.Challenge = detail
	return p
}

// admit finds out who sent r, counts the request against their limit and checks
// that they may have the route. It sets ex.Caller. The error says why not.
func (g *Gateway) admit(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange, rt route) error {
	credential, err := credentialOf(r, rt.policy.streams)
	switch {
	case err != nil && g.slowDown(w, ex, rt):
		return errRateLimited
	case err != nil:
		return err
	case credential != "":
		err = g.identify(w, r, ex, rt, credential)
	case ex.Internal && g.busKey != "":
		err = g.identify(w, r, ex, rt, g.busKey)
	default:
		ex.Caller = g.anonymous
		if g.trust.covers(r) {
			ex.Caller = localCaller
		}
	}
	if err != nil {
		return err
	}
	if rt.policy.limit == counted && (!ex.Internal || ex.Caller.Credential != "") && g.limits.Refuses(w, ex.Client, ex.Caller) {
		return errRateLimited
	}
	return permit(ex.Caller, rt.scope)
}

// identify judges a credential.
func (g *Gateway) identify(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange, rt route, credential string) error {
	if g.failures.Exhausted(ex.Client) {
		if identity.Guessable(credential) {
			p := *errTooManyFailures
			p.RetryAfter = failureLimit.Per
			return &p
		}
		if g.slowDown(w, ex, rt) {
			return errRateLimited
		}
	}
	caller, err := g.authority.Identify(r.Context(), credential)
	if err == nil {
		ex.Caller = caller
		return nil
	}
	if errors.Is(err, identity.ErrUnavailable) || errors.Is(err, context.Canceled) {
		return err
	}
	g.failures.Count(ex.Client)
	if g.slowDown(w, ex, rt) {
		return errRateLimited
	}
	return err
}

// slowDown counts a request without a valid credential against its address.
func (g *Gateway) slowDown(w http.ResponseWriter, ex *exchange.Exchange, rt route) (refused bool) {
	return rt.policy.limit == counted && g.limits.Refuses(w, ex.Client, nil)
}

// credentialOf returns the credential of r, "" for none. It stands in the
// Authorization header, and nowhere else but for the streams of browsers, whose
// EventSource can send no headers.
func credentialOf(r *http.Request, streams bool) (string, error) {
	lines := r.Header["Authorization"]
	inQuery := strings.Contains(r.URL.RawQuery, "access_token") && r.URL.Query().Has("access_token")
	switch {
	case inQuery && !streams:
		return "", errTokenInQuery
	case inQuery && len(lines) > 0:
		return "", errNotBearer
	case inQuery:
		tokens := r.URL.Query()["access_token"]
		if len(tokens) != 1 || tokens[0] == "" {
			return "", errInvalidToken
		}
		return tokens[0], nil
	case len(lines) == 0:
		return "", nil
	case len(lines) > 1:
		return "", errNotBearer
	}
	credential, ok := exchange.Bearer(lines[0])
	if !ok {
		return "", errNotBearer
	}
	return credential, nil
}

// permit reports why a caller may not have what a scope opens.
func permit(c *identity.Caller, needed scope) error {
	switch {
	case needed == scopePublic || c.Has(needed):
		return nil
	case c.Kind != identity.Anonymous:
		p := exchange.NewProblem(http.StatusForbidden, "insufficient_scope", "the credential does not allow this").
			WithHint("this needs the scope " + strings.ReplaceAll(needed.String(), " ", " or "))
		return challenge(p, fmt.Sprintf(`error="insufficient_scope", scope=%q`, needed.String()))
	}
	return errUnauthenticated
}

// laneCaller is who sent a request to the fast lane; nil: not known without asking
// anybody, or not allowed to geocode.
func (g *Gateway) laneCaller(authorization string) *identity.Caller {
	c := g.anonymous
	if authorization != "" {
		credential, ok := exchange.Bearer(authorization)
		if !ok {
			return nil
		}
		c = g.authority.Known(credential)
	}
	if c == nil || !c.Has(scopeGeocode) {
		return nil
	}
	return c
}

// localCaller is a program on the machine where somebody tries geogate out.
var localCaller = &identity.Caller{Kind: identity.Local, Scopes: identity.Administrator.Scopes()}

// charge is who pays for the calls to upstreams that r causes: whoever has a key,
// out of the key's budget if it has one.
func (g *Gateway) charge(r *http.Request) *upstream.Charge {
	c := exchange.Of(r).Caller
	if g.ledger == nil || c == nil || c.Key == "" {
		return nil
	}
	return &upstream.Charge{By: c.Key, Take: func(ctx context.Context) error {
		if err := g.ledger.Spend(ctx, c); err != nil {
			return err
		}
		g.ledger.UpstreamCall(c)
		return nil
	}}
}
