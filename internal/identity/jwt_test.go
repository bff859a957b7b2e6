package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/rs/zerolog"

	"geogate/internal/identity/identitytest"
)

func accepting(t *testing.T, p *identitytest.Provider, adjust ...func(*ProviderConfig)) *Authority {
	t.Helper()
	cfg := ProviderConfig{Issuer: p.URL, Audience: identitytest.Audience}
	for _, change := range adjust {
		change(&cfg)
	}
	a := New(unreachable(t), Config{Provider: cfg, Log: zerolog.Nop()})
	running(t, a.Run)
	t.Cleanup(a.provider.keys.client.CloseIdleConnections)
	<-a.provider.keys.fetch(nil) // nobody has to wait for the keys, which they do for a while only
	return a
}

func TestTokensOfTheProviderAreAccepted(t *testing.T) {
	ec256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ec384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	r := identitytest.RSAKey(t, "r")
	p := identitytest.NewProvider(t, r, jose.JSONWebKey{Key: ec256, KeyID: "e256"}, jose.JSONWebKey{Key: ec384, KeyID: "e384"}, jose.JSONWebKey{Key: ed, KeyID: "ed"})
	a := accepting(t, p)
	for algorithm, key := range map[jose.SignatureAlgorithm]any{
		jose.RS256: r, jose.RS384: r, jose.RS512: r, jose.PS256: r, jose.PS384: r, jose.PS512: r,
		jose.ES256: jose.JSONWebKey{Key: ec256, KeyID: "e256"}, jose.ES384: jose.JSONWebKey{Key: ec384, KeyID: "e384"},
		jose.EdDSA: jose.JSONWebKey{Key: ed, KeyID: "ed"},
	} {
		token := identitytest.Sign(t, algorithm, key, p.Claims(nil))
		for range 2 { // the second is remembered
			c, err := a.Identify(t.Context(), token)
			if err != nil || c.Kind != JWT || c.Subject != "7" || c.Role != Driver || c.Scopes != Driver.Scopes() {
				t.Errorf("%s: Identify = %+v, %v", algorithm, c, err)
			}
		}
	}
	if c, err := a.Identify(t.Context(), identitytest.Sign(t, jose.RS256, r.Key, p.Claims(nil))); err != nil {
		t.Errorf("without a key id: %+v, %v", c, err)
	}
	if n := p.Fetches.Load(); n != 1 {
		t.Errorf("the key set was fetched %d times, want once", n)
	}
}

func TestClaimsSayWhatSomebodyMayDo(t *testing.T) {
	key := identitytest.RSAKey(t, "k")
	p := identitytest.NewProvider(t, key)
	for name, c := range map[string]struct {
		cfg     ProviderConfig
		claims  map[string]any
		subject string
		scopes  string
	}{
		"a text":             {claims: map[string]any{"roles": "rider"}, subject: "7", scopes: "geocode nearby ride"},
		"a list":             {claims: map[string]any{"roles": []string{"rider", "driver", "king"}}, subject: "7", scopes: "geocode nearby ride drive"},
		"a path":             {ProviderConfig{RolesClaim: "app_metadata.role"}, map[string]any{"roles": nil, "app_metadata": map[string]any{"role": "rider"}}, "7", "geocode nearby ride"},
		"a URL":              {ProviderConfig{RolesClaim: "https://rides.example/roles"}, map[string]any{"https://rides.example/roles": []string{"operator"}}, "7", "geocode nearby ride drive bulk dispatch events"},
		"another claim":      {ProviderConfig{RolesClaim: "groups"}, map[string]any{"roles": "admin", "groups": "rider"}, "7", "geocode nearby ride"},
		"scopes":             {claims: map[string]any{"roles": nil, "scope": "openid geocode nearby profile"}, subject: "7", scopes: "geocode nearby"},
		"none of ours":       {claims: map[string]any{"roles": "king", "scope": "openid"}, subject: "7", scopes: ""},
		"another subject":    {ProviderConfig{SubjectClaim: "driver_id"}, map[string]any{"driver_id": "d-9"}, "d-9", "geocode drive"},
		"audiences":          {claims: map[string]any{"aud": []string{"other", "rides"}}, subject: "7", scopes: "geocode drive"},
		"some seconds ago":   {claims: map[string]any{"exp": time.Now().Add(-20 * time.Second).Unix()}, subject: "7", scopes: "geocode drive"},
		"in less than one":   {claims: map[string]any{"nbf": time.Now().Add(50 * time.Second).Unix()}, subject: "7", scopes: "geocode drive"},
		"roles that are odd": {claims: map[string]any{"roles": map[string]any{"a": 1}}, subject: "7", scopes: ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := accepting(t, p, func(cfg *ProviderConfig) {
				cfg.RolesClaim, cfg.SubjectClaim = c.cfg.RolesClaim, c.cfg.SubjectClaim
			})
			got, err := a.Identify(t.Context(), identitytest.Sign(t, jose.RS256, key, p.Claims(c.claims)))
			if err != nil || got.Subject != c.subject || got.Scopes.String() != c.scopes {
				t.Errorf("Identify = %+v, %v, want subject %s with %q", got, err, c.subject, c.scopes)
			}
		})
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	key, other := identitytest.RSAKey(t, "k"), identitytest.RSAKey(t, "k")
	p := identitytest.NewProvider(t, key)
	public, err := x509.MarshalPKIXPublicKey(key.Public().Key)
	if err != nil {
		t.Fatal(err)
	}
	good := identitytest.Sign(t, jose.RS256, key, p.Claims(nil))
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k"}`)) + "." + parts[1] + "."
	header := func(name jose.HeaderKey, value any) func(*jose.SignerOptions) {
		return func(o *jose.SignerOptions) { o.WithHeader(name, value) }
	}
	rs := func(changes map[string]any) string { return identitytest.Sign(t, jose.RS256, key, p.Claims(changes)) }
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("an address in a token was asked")
	}))
	t.Cleanup(evil.Close)

	a := accepting(t, p)
	a.minter = minter(t, secret)
	for name, token := range map[string]string{
		"alg none":                       none,
		"no signature":                   parts[0] + "." + parts[1] + ".",
		"changed claims":                 parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"8"}`)) + "." + parts[2],
		"HMAC with the public key":       identitytest.Sign(t, jose.HS256, jose.JSONWebKey{Key: public, KeyID: "k"}, p.Claims(nil)),
		"signed by another key":          identitytest.Sign(t, jose.RS256, other, p.Claims(nil)),
		"another key, without its id":    identitytest.Sign(t, jose.RS256, other.Key, p.Claims(nil)),
		"another audience":               rs(map[string]any{"aud": "shop"}),
		"no audience":                    rs(map[string]any{"aud": nil}),
		"another issuer":                 rs(map[string]any{"iss": "https://evil.example"}),
		"no issuer":                      rs(map[string]any{"iss": nil}),
		"expired":                        rs(map[string]any{"exp": time.Now().Add(-2 * time.Minute).Unix()}),
		"no end":                         rs(map[string]any{"exp": nil}),
		"not yet valid":                  rs(map[string]any{"nbf": time.Now().Add(2 * time.Minute).Unix()}),
		"no subject":                     rs(map[string]any{"sub": nil}),
		"an empty subject":               rs(map[string]any{"sub": ""}),
		"a subject that is a number":     rs(map[string]any{"sub": 7}),
		"kid that is a path":             identitytest.Sign(t, jose.RS256, jose.JSONWebKey{Key: other.Key, KeyID: "../../../dev/null"}, p.Claims(nil)),
		"kid that is a URL":              identitytest.Sign(t, jose.RS256, jose.JSONWebKey{Key: other.Key, KeyID: evil.URL}, p.Claims(nil)),
		"jku":                            identitytest.Sign(t, jose.RS256, other, p.Claims(nil), header("jku", evil.URL)),
		"x5u":                            identitytest.Sign(t, jose.RS256, other, p.Claims(nil), header("x5u", evil.URL)),
		"its own key":                    identitytest.Sign(t, jose.RS256, other, p.Claims(nil), func(o *jose.SignerOptions) { o.EmbedJWK = true }),
		"a header that must be obeyed":   identitytest.Sign(t, jose.RS256, key, p.Claims(nil), header("crit", []string{"geo"}), header("geo", true)),
		"three dots":                     good + ".x",
		"two parts":                      parts[0] + "." + parts[1],
		"a list of signatures":           `{"payload":"` + parts[1] + `","signatures":[]}`,
		"longer than any":                strings.Repeat("a", maxToken) + ".b.c",
		"words":                          "a.b.c",
		"nothing":                        "",
		"a word that is neither of both": "s3cret",
	} {
		if c, err := a.Identify(t.Context(), token); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: Identify = %+v, %v, want ErrInvalid", name, c, err)
		}
	}
	if _, err := a.Identify(t.Context(), good); err != nil {
		t.Errorf("the good one: %v", err)
	}
	without := New(unreachable(t), Config{})
	if _, err := without.Identify(t.Context(), good); !errors.Is(err, ErrInvalid) {
		t.Errorf("without AUTH_ISSUER: %v, want ErrInvalid", err)
	}
}

func TestKeysOfTheProviderMayRotate(t *testing.T) {
	old, fresh := identitytest.RSAKey(t, "old"), identitytest.RSAKey(t, "new")
	p := identitytest.NewProvider(t, old)
	a := accepting(t, p)
	before := identitytest.Sign(t, jose.RS256, old, p.Claims(nil))
	if _, err := a.Identify(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	p.Publish(fresh)
	if _, err := a.Identify(t.Context(), identitytest.Sign(t, jose.RS256, fresh, p.Claims(nil))); err != nil {
		t.Errorf("the new key, at once: %v", err)
	}
	if _, err := a.Identify(t.Context(), before); !errors.Is(err, ErrInvalid) {
		t.Errorf("the old key, withdrawn: %v, want ErrInvalid though the token was known", err)
	}
}

// Somebody who has looked for a key just before a fetch ended finds its result.
func TestFetchThatHasJustEndedIsNotRepeated(t *testing.T) {
	p := identitytest.NewProvider(t)
	s := newKeySource(ProviderConfig{Issuer: p.URL}, p.Client(), zerolog.Nop())
	<-s.fetch(nil)
	for range 2 {
		<-s.fetch(nil)
		<-s.refetch(nil)
	}
	if n := p.Fetches.Load(); n != 1 {
		t.Errorf("%d fetches for who had seen no keys, want 1", n)
	}
	<-s.fetch(s.held.Load())
	if n := p.Fetches.Load(); n != 2 {
		t.Errorf("%d fetches after a renewal, want 2", n)
	}
}

func TestUnknownKeyIDsCauseOneFetchInHalfAMinute(t *testing.T) {
	p := identitytest.NewProvider(t, identitytest.RSAKey(t, "k"))
	// Signed in advance: on a busy machine all that may take more than half a minute.
	first := identitytest.Sign(t, jose.RS256, identitytest.RSAKey(t, "x"), p.Claims(nil))
	again := identitytest.Sign(t, jose.RS256, identitytest.RSAKey(t, "y"), p.Claims(nil))
	a := accepting(t, p)
	if _, err := a.Identify(t.Context(), first); !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
	for range 200 {
		if _, err := a.Identify(t.Context(), again); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	}
	if n := p.Fetches.Load(); n > 2 {
		t.Errorf("%d fetches, want 2: at start, and one for the first unknown key id", n)
	}
}

func TestProviderThatIsDown(t *testing.T) {
	key := identitytest.RSAKey(t, "k")
	p := identitytest.NewProvider(t, key)
	known := accepting(t, p)
	token := identitytest.Sign(t, jose.RS256, key, p.Claims(nil))
	if _, err := known.Identify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	p.Down.Store(true)
	<-known.provider.keys.fetch(known.provider.keys.held.Load())
	if _, err := known.Identify(t.Context(), identitytest.Sign(t, jose.RS256, key, p.Claims(map[string]any{"sub": "8"}))); err != nil {
		t.Errorf("keys that are known: %v", err)
	}
	begun := accepting(t, p)
	if _, err := begun.Identify(t.Context(), token); !errors.Is(err, ErrUnavailable) {
		t.Errorf("started while the provider is down: %v, want ErrUnavailable", err)
	}
	p.Down.Store(false)
	eventually(t, time.Minute, "the token is accepted once the provider is back", func() bool {
		_, err := begun.Identify(t.Context(), token)
		return err == nil
	})
}
