package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/rs/zerolog"

	"geogate/internal/identity/identitytest"
	"geogate/internal/pause"
)

// wire is a provider without a network, so that hours pass in no time.
type wire struct {
	fetches atomic.Int64
	down    atomic.Bool
	slow    time.Duration
	keys    atomic.Pointer[jose.JSONWebKeySet]
}

func (p *wire) publish(key jose.JSONWebKey) {
	p.keys.Store(&jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
}

// RoundTrip implements http.RoundTripper.
func (p *wire) RoundTrip(*http.Request) (*http.Response, error) {
	p.fetches.Add(1)
	<-time.After(p.slow)
	if p.down.Load() {
		return nil, errors.New("no route to host")
	}
	text, err := json.Marshal(p.keys.Load())
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(text))}, err
}

func (p *wire) authority(t *testing.T) *Authority {
	t.Helper()
	cfg := ProviderConfig{Issuer: "https://id.example", Audience: identitytest.Audience, KeySetURL: "https://id.example/keys"}
	a := New(nil, Config{})
	a.provider = &Provider{cfg, newKeySource(cfg, &http.Client{Transport: p}, zerolog.Nop()), time.Now, newRecent()}
	running(t, a.Run)
	synctest.Wait()
	return a
}

// Whoever comes while the first keys are on their way waits for them.
func TestFirstCallersWaitForTheKeys(t *testing.T) {
	key := identitytest.RSAKey(t, "k")
	synctest.Test(t, func(t *testing.T) {
		p := &wire{slow: waitForKeys - time.Second}
		p.publish(key)
		a := p.authority(t)
		for _, subject := range []string{"first", "second"} {
			if _, err := a.Identify(t.Context(), tokenOf(t, key, subject)); err != nil {
				t.Errorf("the %s: %v", subject, err)
			}
		}
		if n := p.fetches.Load(); n != 1 {
			t.Errorf("the key set was fetched %d times, want once", n)
		}
	})
}

func tokenOf(t *testing.T, key jose.JSONWebKey, subject string) string {
	t.Helper()
	return identitytest.Sign(t, jose.RS256, key, map[string]any{
		"iss": "https://id.example", "aud": identitytest.Audience, "sub": subject, "roles": "driver", "exp": time.Now().Add(time.Hour).Unix(),
	})
}

// While the provider is down for ten minutes nobody notices, whether geogate has seen
// their token before or not.
func TestProviderDownForTenMinutes(t *testing.T) {
	key, stranger := identitytest.RSAKey(t, "k"), identitytest.RSAKey(t, "unknown")
	synctest.Test(t, func(t *testing.T) {
		p := &wire{}
		p.publish(key)
		a := p.authority(t)
		seen := tokenOf(t, key, "seen")
		if _, err := a.Identify(t.Context(), seen); err != nil {
			t.Fatal(err)
		}
		p.down.Store(true)
		before := p.fetches.Load()
		for second := 5; second <= 600; second += 5 {
			_ = pause.For(t.Context(), 5*time.Second)
			for _, token := range []string{seen, tokenOf(t, key, "new")} {
				if _, err := a.Identify(t.Context(), token); err != nil {
					t.Fatalf("after %d s: %v", second, err)
				}
			}
			if _, err := a.Identify(t.Context(), tokenOf(t, stranger, "x")); !errors.Is(err, ErrInvalid) {
				t.Fatalf("a stranger after %d s: %v, want ErrInvalid", second, err)
			}
		}
		if n := p.fetches.Load() - before; n > 22 {
			t.Errorf("%d fetches in ten minutes, want one in half a minute and a renewal", n)
		}
	})
}

// Keys that the provider rotates are taken within half a minute, also when somebody
// has just asked with a key that there never was.
func TestRotatedKeysAreTakenWithinHalfAMinute(t *testing.T) {
	old, fresh, stranger := identitytest.RSAKey(t, "old"), identitytest.RSAKey(t, "new"), identitytest.RSAKey(t, "unknown")
	synctest.Test(t, func(t *testing.T) {
		p := &wire{}
		p.publish(old)
		a := p.authority(t)
		if _, err := a.Identify(t.Context(), tokenOf(t, stranger, "x")); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
		p.publish(fresh)
		rotated := time.Now()
		for {
			if _, err := a.Identify(t.Context(), tokenOf(t, fresh, "7")); err == nil {
				break
			}
			if time.Since(rotated) > time.Minute {
				t.Fatal("the new key is not taken within a minute")
			}
			_ = pause.For(t.Context(), time.Second)
		}
		if took := time.Since(rotated); took > 30*time.Second {
			t.Errorf("the new key is taken after %v, want 30 s at most", took)
		}
	})
}
