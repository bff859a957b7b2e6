package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// providerAlgorithms are the ones that an identity provider may sign with. They
// are fixed here and never taken from a token: an HMAC algorithm among them would
// make the provider's public key a secret that everybody knows.
var providerAlgorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.EdDSA,
}

// parsedAlgorithms adds the one of minted tokens, which are checked with
// TOKEN_SECRET and nothing else.
var parsedAlgorithms = append([]jose.SignatureAlgorithm{jose.HS256}, providerAlgorithms...)

// leeway is how far the clock of an identity provider may be off.
const leeway = 60 * time.Second

// maxToken is the longest token that is read, in bytes. Providers stay below 4 KiB.
const maxToken = 8 << 10

// ProviderConfig says whose tokens are accepted.
type ProviderConfig struct {
	Issuer       string // exactly as it stands in iss; empty: no tokens are accepted
	Audience     string // one of aud; required with Issuer
	KeySetURL    string // empty: found by OpenID discovery from Issuer
	RolesClaim   string // name or dotted path; empty: roles
	SubjectClaim string // name or dotted path; empty: sub
}

// Provider checks the tokens of one identity provider. A nil Provider accepts
// none. It is safe for concurrent use.
type Provider struct {
	cfg  ProviderConfig
	keys *keySource
	now  func() time.Time
	seen *recent // callers by the hash of their token
}

// identify returns the caller with a token. Errors: ErrInvalid, ErrUnavailable.
func (p *Provider) identify(ctx context.Context, text string, parsed *jwt.JSONWebToken) (*Caller, error) {
	if p == nil {
		return nil, fmt.Errorf("%w: no identity provider is configured", ErrInvalid)
	}
	// What is in the header about keys (jku, x5u, jwk) is not looked at: the keys
	// are those of the provider.
	header := parsed.Headers[0]
	keys, set, err := p.keys.find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return nil, err
	}
	var standard jwt.Claims
	all := map[string]json.RawMessage{}
	err = errors.New("signed by none of the provider's keys")
	for _, key := range keys {
		if err = parsed.Claims(key, &standard, &all); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if standard.Expiry == nil {
		return nil, fmt.Errorf("%w: no exp", ErrInvalid)
	}
	expected := jwt.Expected{Issuer: p.cfg.Issuer, AnyAudience: jwt.Audience{p.cfg.Audience}, Time: p.now()}
	if err := standard.ValidateWithLeeway(expected, leeway); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	caller, err := p.caller(all, standard.Expiry.Time().Add(leeway))
	if err != nil {
		return nil, err
	}
	p.seen.add(text, caller, set)
	return caller, nil
}

func (p *Provider) caller(claims map[string]json.RawMessage, expires time.Time) (*Caller, error) {
	subject := texts(claim(claims, orElse(p.cfg.SubjectClaim, "sub")))
	if len(subject) != 1 || subject[0] == "" || len(subject[0]) > maxLabel {
		return nil, fmt.Errorf("%w: no subject", ErrInvalid)
	}
	c := &Caller{Kind: JWT, Subject: subject[0], Credential: credentialPrefix + "jwt:" + subject[0], Expires: expires}
	for _, name := range texts(claim(claims, orElse(p.cfg.RolesClaim, "roles"))) {
		role := Role(name)
		if scopes := role.Scopes(); scopes != 0 {
			c.Scopes |= scopes
			if c.Role == "" || len(role.Scopes().String()) > len(c.Role.Scopes().String()) {
				c.Role = role
			}
		}
	}
	for _, field := range texts(claim(claims, "scope")) {
		for name := range strings.FieldsSeq(field) {
			c.Scopes |= scopeOf(name)
		}
	}
	return c, nil
}

func orElse(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

// claim finds a claim by its name, else by its path: app_metadata.role. The whole
// name goes first, because some providers use URLs, which have dots.
func claim(claims map[string]json.RawMessage, name string) json.RawMessage {
	if value, found := claims[name]; found {
		return value
	}
	first, rest, found := strings.Cut(name, ".")
	if !found {
		return nil
	}
	var inner map[string]json.RawMessage
	if json.Unmarshal(claims[first], &inner) != nil {
		return nil
	}
	return claim(inner, rest)
}

// texts reads a claim that is a text or a list of texts.
func texts(value json.RawMessage) []string {
	var one string
	if json.Unmarshal(value, &one) == nil {
		return []string{one}
	}
	var list []string
	if json.Unmarshal(value, &list) == nil {
		return list
	}
	return nil
}
