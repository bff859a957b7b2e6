package identity

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/identity/identitytest"
	"geogate/internal/redistest"
)

// Whatever is sent as a credential, only who has one of three is let in, as
// themselves, and everything else is wrong: nothing is a matter for an operator.
func FuzzIdentify(f *testing.F) {
	k := NewKeys(redistest.Start(f).Client(f), zerolog.Nop())
	key, _, err := k.Create(f.Context(), Request{Role: Driver, Subject: "by key"})
	if err != nil {
		f.Fatal(err)
	}
	m, err := NewMinter(secret)
	if err != nil {
		f.Fatal(err)
	}
	token, _, err := m.Mint(Rider, "by token", time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	p := identitytest.NewProvider(f)
	a := New(k, Config{AdminToken: "an admin token", Minter: m, Log: zerolog.Nop(), Provider: ProviderConfig{Issuer: p.URL, Audience: identitytest.Audience}})
	<-a.provider.keys.fetch(nil)
	f.Cleanup(a.provider.keys.client.CloseIdleConnections)
	jwt := p.Token(f, map[string]any{"sub": "by jwt"})
	subjects := map[string]Kind{"by key": Key, "by token": Token, "by jwt": JWT}
	unknown, _, _ := newKey()
	for _, seed := range []string{
		key, token, jwt, unknown, "", ".", "..", "a.b.c", "gg_", "gg_" + strings.Repeat("0", keyLength-3), "an admin tokem",
		key[:len(key)-1], token[:len(token)-1], strings.Replace(jwt, ".", "..", 1), strings.ToUpper(key),
		"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", "eyJhbGciOiJIUzI1NiJ9.e30.", strings.Repeat("a", maxToken) + ".b.c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, credential string) {
		c, err := a.Identify(t.Context(), credential)
		known := a.Known(credential)
		switch {
		case err == nil && c == administrator && credential == "an admin token":
		case err == nil && (subjects[c.Subject] != c.Kind || c.Kind == Anonymous):
			t.Errorf("Identify(%q) = %+v", credential, c)
		case err == nil && c.Kind == Key && credential != key:
			t.Errorf("Identify(%q) = %+v, but the key is another", credential, c)
		case err != nil && !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrMalformedKey):
			t.Errorf("Identify(%q) = %v, want it wrong", credential, err)
		}
		if (known != nil) != (err == nil && c.Kind == Key) {
			t.Errorf("Known(%q) = %+v, Identify = %+v, %v", credential, known, c, err)
		}
	})
}
