package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// MaxTokenLife is the longest life of a minted token.
	MaxTokenLife = 24 * time.Hour
	// MinSecret is the least length of TOKEN_SECRET, in bytes: HMAC-SHA-256 is as
	// strong as its key.
	MinSecret = 32
	// tokenIssuer and tokenType tell minted tokens from all others.
	tokenIssuer = "geogate"
	tokenType   = "geogate+jwt" //nolint:gosec // a media type, not a token
)

// ErrNoSecret means that TOKEN_SECRET is not set, so no token can be minted.
var ErrNoSecret = errors.New("no token secret")

// Minter signs tokens for phones and checks them, without a look-up. A nil
// Minter has no secret. It is safe for concurrent use.
type Minter struct {
	secret []byte
	signer jose.Signer
	now    func() time.Time
}

// NewMinter returns a Minter for secret, nil for an empty one. The error is of a
// secret below MinSecret.
func NewMinter(secret string) (*Minter, error) {
	if secret == "" {
		return nil, nil
	}
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("want at least %d bytes", MinSecret)
	}
	key := jose.SigningKey{Algorithm: jose.HS256, Key: []byte(secret)}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(tokenType))
	if err != nil {
		return nil, fmt.Errorf("make signer: %w", err)
	}
	return &Minter{[]byte(secret), signer, time.Now}, nil
}

type tokenClaims struct {
	jwt.Claims
	Role Role `json:"role"`
}

// Mint returns a token for a role and a subject. Errors: ErrNoSecret, *InputError.
func (m *Minter) Mint(role Role, subject string, life time.Duration) (token string, expires time.Time, err error) {
	switch {
	case m == nil:
		return "", time.Time{}, ErrNoSecret
	case role == Administrator:
		return "", time.Time{}, &InputError{"role", "tokens are for phones: admin is not among their roles"}
	case role.Scopes() == 0:
		return "", time.Time{}, &InputError{"role", "want rider, driver or operator"}
	case subject == "":
		return "", time.Time{}, &InputError{"sub", "a token needs a subject: the id of the driver or rider"}
	case len(subject) > maxLabel:
		return "", time.Time{}, &InputError{"sub", fmt.Sprintf("is longer than %d bytes", maxLabel)}
	case life < time.Second || life > MaxTokenLife:
		return "", time.Time{}, &InputError{"expires_in", "want seconds from 1 to 86400"}
	}
	now := m.now().UTC().Truncate(time.Second)
	expires = now.Add(life)
	token, err = jwt.Signed(m.signer).Claims(tokenClaims{
		jwt.Claims{Issuer: tokenIssuer, Subject: subject, IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(expires)},
		role,
	}).Serialize()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign token: %w", err)
	}
	return token, expires, nil
}

// identify returns the caller with a token. There is no leeway: one clock has
// both written and read the times, or clocks that agree. The error is ErrInvalid.
func (m *Minter) identify(_ context.Context, parsed *jwt.JSONWebToken) (*Caller, error) {
	if m == nil {
		return nil, fmt.Errorf("%w: no token of this kind is accepted", ErrInvalid)
	}
	var claims tokenClaims
	if err := parsed.Claims(m.secret, &claims); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	typ, _ := parsed.Headers[0].ExtraHeaders[jose.HeaderType].(string)
	switch {
	case typ != tokenType || claims.Issuer != tokenIssuer || claims.Expiry == nil || claims.Subject == "":
		return nil, fmt.Errorf("%w: not a token that geogate minted", ErrInvalid)
	case claims.Role == Administrator || claims.Role.Scopes() == 0:
		return nil, fmt.Errorf("%w: role", ErrInvalid)
	}
	if expires := claims.Expiry.Time(); !m.now().Before(expires) {
		return nil, fmt.Errorf("%w: expired", ErrInvalid)
	}
	return &Caller{
		Kind: Token, Subject: claims.Subject, Role: claims.Role, Scopes: claims.Role.Scopes(),
		Credential: credentialPrefix + "token:" + string(claims.Role) + ":" + claims.Subject, Expires: claims.Expiry.Time(),
	}, nil
}
