package identity

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/rs/zerolog"

	"geogate/internal/redistest"
)

const secret = "0123456789abcdef0123456789abcdef"

func minter(t *testing.T, secret string) *Minter {
	t.Helper()
	m, err := NewMinter(secret)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// unreachable is a key store that nobody must ask.
func unreachable(t *testing.T) *Keys {
	t.Helper()
	return NewKeys(redistest.ClientAt(t, "127.0.0.1:1"), zerolog.Nop())
}

func TestMintedTokensNeedNoLookUp(t *testing.T) {
	token, expires, err := minter(t, secret).Mint(Driver, "7", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Until(expires); d < 58*time.Minute || d > time.Hour {
		t.Errorf("expires in %v, want an hour", d)
	}
	// Another process with the same secret.
	a := New(unreachable(t), Config{Minter: minter(t, secret)})
	c, err := a.Identify(t.Context(), token)
	if err != nil || c.Kind != Token || c.Subject != "7" || c.Role != Driver || c.Scopes != Driver.Scopes() {
		t.Fatalf("Identify = %+v, %v", c, err)
	}
	a.minter.now = func() time.Time { return expires }
	if _, err := a.Identify(t.Context(), token); !errors.Is(err, ErrInvalid) {
		t.Errorf("at its end: %v, want ErrInvalid: there is no leeway", err)
	}
}

func TestMintRefuses(t *testing.T) {
	m := minter(t, secret)
	for name, c := range map[string]struct {
		role    Role
		subject string
		life    time.Duration
		field   string
	}{
		"admin":       {Administrator, "x", time.Hour, "role"},
		"no role":     {"", "x", time.Hour, "role"},
		"odd role":    {"king", "x", time.Hour, "role"},
		"no subject":  {Driver, "", time.Hour, "sub"},
		"a long one":  {Driver, strings.Repeat("x", maxLabel+1), time.Hour, "sub"},
		"no life":     {Driver, "x", 0, "expires_in"},
		"negative":    {Driver, "x", -time.Hour, "expires_in"},
		"over a day":  {Driver, "x", MaxTokenLife + time.Second, "expires_in"},
		"a short one": {Driver, "x", time.Millisecond, "expires_in"},
	} {
		_, _, err := m.Mint(c.role, c.subject, c.life)
		var wrong *InputError
		if !errors.As(err, &wrong) || wrong.Field != c.field {
			t.Errorf("%s: Mint = %v, want an InputError about %s", name, err, c.field)
		}
	}
	var none *Minter
	if _, _, err := none.Mint(Driver, "7", time.Hour); !errors.Is(err, ErrNoSecret) {
		t.Errorf("without a secret: %v, want ErrNoSecret", err)
	}
	if _, err := NewMinter(secret[:31]); err == nil {
		t.Error("a secret of 31 bytes is taken")
	}
}

func TestMintedTokensOfOthersAreRefused(t *testing.T) {
	sign := func(secret, typ string, claims any) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(secret)},
			(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	soon := jwt.NewNumericDate(time.Now().Add(time.Hour))
	claims := func(issuer, subject string, role Role, expiry *jwt.NumericDate) tokenClaims {
		return tokenClaims{jwt.Claims{Issuer: issuer, Subject: subject, Expiry: expiry}, role}
	}
	a := New(unreachable(t), Config{Minter: minter(t, secret)})
	if _, err := a.Identify(t.Context(), sign(secret, tokenType, claims(tokenIssuer, "7", Driver, soon))); err != nil {
		t.Fatalf("a good one: %v", err)
	}
	for name, token := range map[string]string{
		"another secret": sign(strings.Repeat("x", 32), tokenType, claims(tokenIssuer, "7", Driver, soon)),
		"another issuer": sign(secret, tokenType, claims("somebody", "7", Driver, soon)),
		"another type":   sign(secret, "JWT", claims(tokenIssuer, "7", Driver, soon)),
		"role admin":     sign(secret, tokenType, claims(tokenIssuer, "7", Administrator, soon)),
		"no role":        sign(secret, tokenType, claims(tokenIssuer, "7", "", soon)),
		"no subject":     sign(secret, tokenType, claims(tokenIssuer, "", Driver, soon)),
		"no end":         sign(secret, tokenType, claims(tokenIssuer, "7", Driver, nil)),
		"an end in 1970": sign(secret, tokenType, claims(tokenIssuer, "7", Driver, jwt.NewNumericDate(time.Unix(1, 0)))),
	} {
		if c, err := a.Identify(t.Context(), token); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: Identify = %+v, %v, want ErrInvalid", name, c, err)
		}
	}
	without := New(unreachable(t), Config{})
	if _, err := without.Identify(t.Context(), sign(secret, tokenType, claims(tokenIssuer, "7", Driver, soon))); !errors.Is(err, ErrInvalid) {
		t.Errorf("without TOKEN_SECRET: %v, want ErrInvalid", err)
	}
}
