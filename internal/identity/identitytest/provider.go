// Package identitytest has an OpenID provider for tests.
package identitytest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Audience is whom the tokens of a Provider are for unless a test says otherwise.
const Audience = "rides"

// Provider is an identity provider that a test can take down and whose keys it can
// rotate. It is safe for concurrent use.
type Provider struct {
	*httptest.Server
	Fetches atomic.Int64 // of its key set
	Down    atomic.Bool  // every request is answered 502

	key  jose.JSONWebKey // the first of the keys that it began with
	keys atomic.Pointer[jose.JSONWebKeySet]
}

// NewProvider starts a provider that ends with the test. Without keys it makes one.
func NewProvider(t testing.TB, keys ...jose.JSONWebKey) *Provider {
	t.Helper()
	if len(keys) == 0 {
		keys = append(keys, RSAKey(t, "k"))
	}
	p := &Provider{key: keys[0]}
	p.Publish(keys...)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.Down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		var answer any
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			answer = map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"}
		case "/keys":
			p.Fetches.Add(1)
			answer = p.keys.Load()
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// Publish replaces the key set.
func (p *Provider) Publish(keys ...jose.JSONWebKey) {
	set := &jose.JSONWebKeySet{}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	p.keys.Store(set)
}

// Claims are those of driver 7 for the next hour, with changes; nil removes one.
func (p *Provider) Claims(changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": p.URL, "aud": Audience, "sub": "7", "roles": "driver", "exp": time.Now().Add(time.Hour).Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// Token is a token of the provider with Claims.
func (p *Provider) Token(t testing.TB, changes map[string]any) string {
	t.Helper()
	return Sign(t, jose.RS256, p.key, p.Claims(changes))
}

// made are the keys of RSAKey so far: a new one takes long under the race detector.
var made struct {
	sync.Mutex
	keys []*rsa.PrivateKey
	used map[string]int // by test, its parts included
}

// RSAKey returns a key to sign with, which no other call of the same test returns.
func RSAKey(t testing.TB, kid string) jose.JSONWebKey {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	made.Lock()
	defer made.Unlock()
	if made.used == nil {
		made.used = make(map[string]int)
	}
	n := made.used[test]
	made.used[test]++
	if n == len(made.keys) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		made.keys = append(made.keys, key)
	}
	return jose.JSONWebKey{Key: made.keys[n], KeyID: kid, Use: "sig"}
}

// Sign returns claims as a signed token.
func Sign(t testing.TB, algorithm jose.SignatureAlgorithm, key, claims any, extra ...func(*jose.SignerOptions)) string {
	t.Helper()
	options := &jose.SignerOptions{}
	for _, change := range extra {
		change(options)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
