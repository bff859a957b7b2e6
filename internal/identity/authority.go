package identity

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/rs/zerolog"
)

// Authority judges every kind of credential. It is safe for concurrent use.
type Authority struct {
	admin    string
	keys     *Keys
	minter   *Minter
	provider *Provider
	now      func() time.Time
}

// Config is what an Authority accepts besides keys.
type Config struct {
	AdminToken string  // empty: none
	Minter     *Minter // nil: none
	Provider   ProviderConfig
	Log        zerolog.Logger
}

// New returns an authority. Run must run for it to learn of changes. Without keys
// (nil) every key is wrong, and nothing but ADMIN_TOKEN and tokens is right.
func New(keys *Keys, cfg Config) *Authority {
	a := &Authority{admin: cfg.AdminToken, keys: keys, minter: cfg.Minter, now: time.Now}
	if cfg.Provider.Issuer != "" {
		// No proxy variables and no redirects: the environment names the place.
		client := &http.Client{
			Transport:     &http.Transport{MaxIdleConns: 1, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		a.provider = &Provider{cfg.Provider, newKeySource(cfg.Provider, client, cfg.Log), time.Now, newRecent()}
	}
	return a
}

// Run follows the keys and the key set of the provider until ctx ends. It
// returns nil.
func (a *Authority) Run(ctx context.Context) error {
	var provider sync.WaitGroup
	if a.provider != nil {
		provider.Go(func() { a.provider.keys.run(ctx) })
	}
	var err error
	if a.keys != nil {
		err = a.keys.Run(ctx)
	}
	provider.Wait()
	return err
}

// administrator is whoever has ADMIN_TOKEN.
var administrator = &Caller{
	Kind: Admin, Subject: "admin", Role: Administrator, Scopes: Administrator.Scopes(), Credential: credentialPrefix + "admin",
}

// Known returns the caller of a credential that needs no work and no question to
// anybody, else nil: for callers who cannot wait.
func (a *Authority) Known(credential string) *Caller {
	if looksLikeKey(credential) && a.keys != nil {
		return a.keys.peek(credential)
	}
	return nil
}

// Identify returns who has a credential, the part of an Authorization header
// behind "Bearer ". Errors: ErrMalformedKey, ErrInvalid, ErrUnavailable.
func (a *Authority) Identify(ctx context.Context, credential string) (*Caller, error) {
	switch {
	case a.admin != "" && sameText(credential, a.admin):
		return administrator, nil
	case looksLikeKey(credential) && a.keys != nil:
		return a.keys.identify(ctx, credential)
	case len(credential) > maxToken:
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, maxToken)
	case strings.Count(credential, ".") != 2:
		return nil, fmt.Errorf("%w: neither a key nor a token", ErrInvalid)
	}
	if a.provider != nil {
		if c := a.provider.seen.get(credential, a.provider.keys.held.Load()); c != nil && a.now().Before(c.Expires) {
			return c, nil
		}
	}
	parsed, err := jwt.ParseSigned(credential, parsedAlgorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return nil, fmt.Errorf("%w: not a signed token with an algorithm that is accepted", ErrInvalid)
	}
	if parsed.Headers[0].Algorithm == string(jose.HS256) {
		return a.minter.identify(ctx, parsed)
	}
	return a.provider.identify(ctx, credential, parsed)
}

// Guessable reports whether a credential is of no kind that is too long to guess.
// ADMIN_TOKEN is whatever somebody has chosen.
func Guessable(credential string) bool {
	return !looksLikeKey(credential) && strings.Count(credential, ".") != 2
}

// Valid reports whether a caller who was identified earlier still is who they
// were: streams outlive a request. ErrInvalid: no longer. An outage is no reason.
func (a *Authority) Valid(c *Caller) error {
	if !c.Expires.IsZero() && !a.now().Before(c.Expires) {
		return fmt.Errorf("%w: expired", ErrInvalid)
	}
	if c.Kind != Key {
		return nil
	}
	if set := a.keys.known.Load(); set != nil {
		if _, found := set.byID[c.Key]; !found {
			return fmt.Errorf("%w: revoked", ErrInvalid)
		}
	}
	return nil
}
