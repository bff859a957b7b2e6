package gateway_test

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/asynctest"
	"geogate/internal/identity"
	"geogate/internal/identity/identitytest"
)

// forged are tokens that look as if provider had signed them with key for an
// operator. An address in one must not be asked.
func forged(t *testing.T, provider *identitytest.Provider, key jose.JSONWebKey, address string) map[string]string {
	t.Helper()
	public, err := x509.MarshalPKIXPublicKey(key.Public().Key)
	if err != nil {
		t.Fatal(err)
	}
	claims := provider.Claims(map[string]any{"roles": "operator"})
	own := identitytest.RSAKey(t, key.KeyID)
	parts := strings.Split(identitytest.Sign(t, jose.RS256, key, claims), ".")
	header := func(name jose.HeaderKey, value any) func(*jose.SignerOptions) {
		return func(o *jose.SignerOptions) { o.WithHeader(name, value) }
	}
	with := func(changes map[string]any) string {
		return identitytest.Sign(t, jose.RS256, key, provider.Claims(changes))
	}
	return map[string]string{
		"alg none":                     base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k"}`)) + "." + parts[1] + ".",
		"HS256 with the public key":    identitytest.Sign(t, jose.HS256, jose.JSONWebKey{Key: public, KeyID: key.KeyID}, claims),
		"another audience":             with(map[string]any{"aud": "shop", "roles": "operator"}),
		"another issuer":               with(map[string]any{"iss": "https://elsewhere.example", "roles": "operator"}),
		"expired":                      with(map[string]any{"exp": time.Now().Add(-2 * time.Minute).Unix(), "roles": "operator"}),
		"a kid that is a path":         identitytest.Sign(t, jose.RS256, jose.JSONWebKey{Key: own.Key, KeyID: "../../../dev/null"}, claims),
		"a kid that is a URL":          identitytest.Sign(t, jose.RS256, jose.JSONWebKey{Key: own.Key, KeyID: address}, claims),
		"jku":                          identitytest.Sign(t, jose.RS256, own, claims, header("jku", address)),
		"x5u":                          identitytest.Sign(t, jose.RS256, own, claims, header("x5u", address)),
		"its own key":                  identitytest.Sign(t, jose.RS256, own, claims, func(o *jose.SignerOptions) { o.EmbedJWK = true }),
		"another's signature":          parts[0] + "." + parts[1] + "." + strings.Split(with(nil), ".")[2],
		"minted with another's secret": mintedBy(t, "another secret of 32 bytes or more"),
	}
}

func mintedBy(t *testing.T, secret string) string {
	t.Helper()
	minter, err := identity.NewMinter(secret)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := minter.Mint(identity.Operator, "office", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// bearerOf is the credential in a header line.
func bearerOf(line string) string { return strings.TrimPrefix(line, "Authorization: Bearer ") }

// keptAlive serves f as main does and asks on connections that the fast lane may
// answer on: net/http has the first request of each.
func keptAlive(t *testing.T, f *gatewaytest.Fixture) (ask func(method, target, credential string) (status int, challenge string)) {
	t.Helper()
	base := "http://" + f.Serve(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return func(method, target, credential string) (int, string) {
		body := map[string]string{http.MethodPost: `{"lat":1,"lng":1}`}[method]
		req, err := http.NewRequestWithContext(t.Context(), method, base+target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if credential != "" {
			req.Header.Set("Authorization", "Bearer "+credential)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, res.Body) // or the connection is not used again
		if err := errors.Join(err, res.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header.Get("WWW-Authenticate")
	}
}

// What must be refused is refused by whoever answers: the handlers, and the fast
// lane in front of them, on a connection on which it answers others.
func TestForgedCredentialsAreRefusedOverHTTP(t *testing.T) {
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("an address in a token was asked")
	}))
	t.Cleanup(evil.Close)
	key := identitytest.RSAKey(t, "k")
	provider := identitytest.NewProvider(t, key)
	p := newPeople(t)
	authority := identity.New(p.keys, identity.Config{
		Log: zerolog.Nop(), Provider: identity.ProviderConfig{Issuer: provider.URL, Audience: identitytest.Audience, RolesClaim: "app.roles"},
	})
	asynctest.Background(t, authority.Run)
	f := p.Sibling(t, func(c *gateway.Config) {
		c.TryingOut = false
		c.Identity = gateway.Identity{Authority: authority, Anonymous: identity.Geocode}
	})
	ask := keptAlive(t, f)
	ask(http.MethodGet, gatewaytest.Vaduz, "")
	known := bearerOf(p.as["office"])
	asynctest.Eventually(t, "the lane answers a known key", func() bool {
		before := f.LaneAnswers(t)
		ask(http.MethodGet, gatewaytest.Vaduz, known)
		return f.LaneAnswers(t) > before
	})

	bad := forged(t, provider, key, evil.URL)
	bad["mistyped"] = known[:len(known)-1] + map[bool]string{true: "b", false: "a"}[strings.HasSuffix(known, "a")]
	for name, credential := range bad {
		for _, line := range []string{"GET " + gatewaytest.Vaduz, "POST /search", "POST /tracking"} {
			method, target, _ := strings.Cut(line, " ")
			before := f.LaneAnswers(t)
			if status, challenge := ask(method, target, credential); status != 401 || !strings.Contains(challenge, `error="invalid_token"`) {
				t.Errorf("%s with %s = %d %q, want 401 invalid_token", line, name, status, challenge)
			}
			if f.LaneAnswers(t) != before {
				t.Errorf("%s with %s: the lane has answered", line, name)
			}
		}
	}
	elsewhere := identitytest.Sign(t, jose.RS256, key, provider.Claims(map[string]any{"roles": "operator"}))
	if status, _ := ask(http.MethodPost, "/tracking", elsewhere); status != 403 {
		t.Errorf("a role in a claim that is not AUTH_ROLES_CLAIM = %d, want 403", status)
	}
}

// Without the scope geocode, the fast lane answers nobody who has no key.
func TestFastLaneAnswersNobodyWhereGeocodeIsClosed(t *testing.T) {
	p := newPeople(t)
	f := p.Sibling(t, func(c *gateway.Config) {
		c.TryingOut = false
		c.Identity = gateway.Identity{Authority: identity.New(p.keys, identity.Config{}), Anonymous: identity.Nearby}
	})
	ask := keptAlive(t, f)
	asynctest.Eventually(t, "the lane answers a key", func() bool {
		before := f.LaneAnswers(t)
		if status, _ := ask(http.MethodGet, gatewaytest.Vaduz, bearerOf(p.as["ann"])); status != 200 {
			t.Fatalf("with a key = %d, want 200", status)
		}
		return f.LaneAnswers(t) > before
	})
	before := f.LaneAnswers(t)
	for range 5 {
		if status, _ := ask(http.MethodGet, gatewaytest.Vaduz, ""); status != 401 {
			t.Errorf("without a credential = %d, want 401", status)
		}
	}
	if n := f.LaneAnswers(t) - before; n != 0 {
		t.Errorf("the lane answered %d requests without a credential", n)
	}
}

// Of what a rider asked for under an idempotency key, another rider with the same
// key learns nothing.
func TestIdempotencyKeysBelongToTheirSubject(t *testing.T) {
	p := newPeople(t)
	ask := func(who string) (id string) {
		res := p.Do(t, "POST /v2/search", `{"lat":1,"lng":1}`, p.as[who], "Idempotency-Key: one")
		if res.StatusCode != 200 {
			t.Fatalf("%s = %d %s", who, res.StatusCode, res.Text)
		}
		return field(t, res.Text, "request_id")
	}
	ann, bob := ask("ann"), ask("bob")
	if ann == bob || ask("ann") != ann {
		t.Errorf("ann's ride %s, bob's %s, want one of each", ann, bob)
	}
	for _, last := range []string{"1", "1-000000000000"} {
		foreign := p.Do(t, "GET /v2/requests/"+ann+"/events", "", p.as["bob"], "Last-Event-ID: "+last)
		if foreign.StatusCode != 404 {
			t.Errorf("another's events from %s on = %d %s, want 404", last, foreign.StatusCode, foreign.Text)
		}
	}
}

// A key that is revoked on one process is soon refused by all, at every try.
func TestRevokedKeysAreRefusedByEveryProcess(t *testing.T) {
	p := newPeople(t)
	processes := []*people{p}
	for range 2 {
		keys := identity.NewKeys(p.Redis.Client(t), zerolog.Nop())
		asynctest.Background(t, keys.Run)
		f := p.Sibling(t, func(c *gateway.Config) {
			c.TryingOut = false
			c.Identity = gateway.Identity{Authority: identity.New(keys, identity.Config{}), Anonymous: identity.Geocode}
		})
		processes = append(processes, &people{Fixture: f, keys: keys})
	}
	const tries = 20
	var issued []string
	for range tries {
		issued = append(issued, p.issue(t, identity.Operator, "office"))
	}
	status := func(at *people, key string) int {
		return at.Do(t, "GET /v2/nearby?lat=1&lng=1", "", "Authorization: Bearer "+key).StatusCode
	}
	for _, key := range issued {
		for i, at := range processes {
			if got := status(at, key); got != 200 {
				t.Fatalf("issued a moment ago, at process %d = %d, want 200", i, got)
			}
		}
	}
	for i, key := range issued {
		if err := processes[i%len(processes)].keys.Revoke(t.Context(), strings.Split(key, "_")[1]); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	for i, at := range processes {
		for _, key := range issued {
			asynctest.Eventually(t, "the revoked key is refused", func() bool { return status(at, key) == 401 })
			if got := status(at, key); got != 401 {
				t.Errorf("again at process %d = %d, want 401", i, got)
			}
		}
		t.Logf("process %d refuses all of them %v after the last was revoked", i, time.Since(began).Round(time.Millisecond))
	}
}
