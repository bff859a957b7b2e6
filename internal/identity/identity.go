// Package identity says who calls: it turns the credential of a request into a
// [Caller], one subject with scopes. It knows three kinds of credential: keys
// that geogate issues and keeps as hashes in Redis, JSON web tokens of the
// team's own identity provider, and short-lived tokens that a backend has
// geogate mint for phones.
//
// It decides who somebody is. What a scope opens stands in the route table, and
// whose rides somebody may touch is checked where the rides are.
package identity

import (
	"errors"
	"time"

	"geogate/internal/rate"
)

var (
	// ErrMalformedKey means that a key has a typing mistake: its checksum is
	// wrong. It says nothing about keys that exist.
	ErrMalformedKey = errors.New("malformed key")
	// ErrInvalid means that a credential is wrong, unknown, revoked, expired, or
	// of somebody who may not issue it.
	ErrInvalid = errors.New("invalid credential")
	// ErrUnavailable means that a credential cannot be judged now: Redis or the
	// identity provider does not answer, and nothing is known of it.
	ErrUnavailable = errors.New("credential cannot be checked")
)

// Kind is the kind of credential that a caller has.
type Kind int

// The kinds of caller.
const (
	Anonymous Kind = iota // no credential
	Local                 // no credential, but a program on the machine where somebody tries geogate out
	Admin                 // ADMIN_TOKEN
	Key                   // a key that geogate issued
	JWT                   // a token of the team's identity provider
	Token                 // a token that geogate minted
)

// String returns the word that logs use.
func (k Kind) String() string {
	return [...]string{"anonymous", "local", "admin", "key", "jwt", "token"}[k]
}

// Caller is who sent a request. It is immutable and safe for concurrent use.
type Caller struct {
	Kind    Kind
	Subject string // id of the driver or rider, or a name; empty without a credential
	Role    Role   // empty where scopes were given one by one
	Scopes  Scope
	// Credential is what limits and counters go by; empty: by address.
	Credential string
	// Key is the id of the key, empty for other kinds.
	Key string
	// Rate replaces the usual limit, if it is set; its zero value lifts it.
	Rate *rate.Rate
	// UpstreamBudget bounds the calls to upstreams that the caller may cause; nil: no bound.
	UpstreamBudget *rate.Rate
	// Expires is when the credential ends; the zero time: never.
	Expires time.Time
}

// credentialPrefix begins every Caller.Credential, so that none can be mistaken
// for the bytes of an address where both are counted side by side.
const credentialPrefix = "credential:" //nolint:gosec // a prefix, not a credential

// Has reports whether the caller has at least one of the scopes.
func (c *Caller) Has(one Scope) bool { return c.Scopes&one != 0 }

// Own returns the subject that the caller is bound to. A caller who is bound acts
// for that subject only, and nothing of others exists for them. ok is false for
// callers who may act for anybody (scope dispatch) and for those without a
// credential, who act on the ids that they name.
func (c *Caller) Own() (subject string, ok bool) {
	if c.Kind == Anonymous || c.Kind == Local || c.Has(Dispatch) {
		return "", false
	}
	return c.Subject, true
}
