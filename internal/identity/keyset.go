package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/rs/zerolog"

	"geogate/internal/pause"
)

const (
	// fetchTimeout bounds one fetch of the key set, discovery included.
	fetchTimeout = 5 * time.Second
	// waitForKeys is how long a request waits for a fetch that is under way.
	waitForKeys = 2 * time.Second
	// refetchEvery is how often unknown key ids may cause a fetch.
	refetchEvery = 30 * time.Second
	// renewEvery is how often the key set is fetched without a reason.
	renewEvery = 10 * time.Minute
	// maxKeySet is the largest answer of a provider that is read, in bytes.
	maxKeySet = 1 << 20
	// maxProviderKeys is how many keys of a provider are kept. One token without
	// a key id is tried on each, so this bounds what such a token costs.
	maxProviderKeys = 32
)

// keySource holds the public keys of one issuer. One fetch is under way at a
// time; when it fails, the keys that are known go on working.
type keySource struct {
	cfg    ProviderConfig
	client *http.Client
	log    zerolog.Logger
	now    func() time.Time

	held atomic.Pointer[providerKeys] // nil: none fetched yet

	mu        sync.Mutex
	running   chan struct{}   // closed when the fetch under way ends; nil: none
	asked     time.Time       // of the last fetch that an unknown key id has caused
	begged    time.Time       // of the last fetch that a request has caused while no key was known
	endpoint  string          // of the key set, once it is known
	stopping  context.Context //nolint:containedctx // ends fetches with Run
	stopFetch context.CancelFunc
}

// providerKeys is one key set; it is never changed.
type providerKeys struct {
	keys []jose.JSONWebKey
}

func newKeySource(cfg ProviderConfig, client *http.Client, log zerolog.Logger) *keySource {
	s := &keySource{cfg: cfg, client: client, log: log, now: time.Now, endpoint: cfg.KeySetURL}
	s.stopping, s.stopFetch = context.WithCancel(context.Background())
	return s
}

// run fetches the keys at once and then from time to time, until ctx ends.
func (s *keySource) run(ctx context.Context) {
	defer s.stopFetch()
	retry := pause.NewGrowing(time.Second, time.Minute)
	var known *providerKeys
	for ctx.Err() == nil {
		<-s.fetch(known)
		if s.held.Load() == nil {
			_ = retry.Wait(ctx)
			continue
		}
		retry.Reset()
		_ = pause.For(ctx, pause.Around(renewEvery, 0.1))
		known = s.held.Load()
	}
	s.stopFetch()
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if running != nil {
		<-running
	}
	s.client.CloseIdleConnections()
}

// find returns the keys that a token with a key id and an algorithm may be signed
// with, and the set that they are from. Errors: ErrInvalid, ErrUnavailable.
func (s *keySource) find(ctx context.Context, kid, algorithm string) ([]jose.JSONWebKey, *providerKeys, error) {
	set := s.held.Load()
	if found := set.matching(kid, algorithm); len(found) > 0 {
		return found, set, nil
	}
	if done := s.refetch(set); done != nil {
		wait := time.NewTimer(waitForKeys)
		defer wait.Stop()
		select {
		case <-done:
		case <-wait.C:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	set = s.held.Load()
	found := set.matching(kid, algorithm)
	switch {
	case len(found) > 0:
		return found, set, nil
	case set == nil:
		return nil, nil, fmt.Errorf("%w: the keys of the identity provider are not known", ErrUnavailable)
	}
	return nil, nil, fmt.Errorf("%w: signed with an unknown key", ErrInvalid)
}

// matching lists the keys for a key id; for all key ids when that is empty. The
// key's own algorithm, where it says one, and its type must fit.
func (p *providerKeys) matching(kid, algorithm string) []jose.JSONWebKey {
	if p == nil {
		return nil
	}
	var found []jose.JSONWebKey
	for _, key := range p.keys {
		if (kid == "" || key.KeyID == kid) && (key.Algorithm == "" || key.Algorithm == algorithm) && fits(key.Key, algorithm) {
			found = append(found, key)
		}
	}
	return found
}

func fits(key any, algorithm string) bool {
	switch key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		return strings.HasPrefix(algorithm, "ES")
	case ed25519.PublicKey:
		return algorithm == string(jose.EdDSA)
	}
	return false // a symmetric key in a public set is a mistake of the provider
}

// refetch is fetch for a key id that known lacks. It returns nil when the last one
// was not long ago: made-up ids must not make geogate hammer the provider.
func (s *keySource) refetch(known *providerKeys) <-chan struct{} {
	last, least := &s.asked, refetchEvery
	if known == nil { // the provider was down so far, or this process has just begun
		last, least = &s.begged, time.Second
	}
	s.mu.Lock()
	if s.running == nil && s.held.Load() == known {
		now := s.now()
		if now.Sub(*last) < least {
			s.mu.Unlock()
			return nil
		}
		*last = now
	}
	s.mu.Unlock()
	return s.fetch(known)
}

// fetch replaces the keys that are known to the caller, and returns what is closed
// at its end. It joins a fetch under way, and has nothing to do when one has ended
// since the caller looked.
func (s *keySource) fetch(known *providerKeys) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return s.running
	}
	done := make(chan struct{})
	if s.held.Load() != known {
		close(done)
		return done
	}
	s.running = done
	go func() {
		ctx, cancel := context.WithTimeout(s.stopping, fetchTimeout)
		defer cancel()
		keys, err := s.load(ctx)
		switch {
		case err == nil:
			s.held.Store(keys)
		case s.stopping.Err() == nil:
			s.log.Warn().Err(err).Bool("keys_known", s.held.Load() != nil).Msg("cannot fetch the keys of the identity provider")
		}
		s.mu.Lock()
		s.running = nil
		s.mu.Unlock()
		close(done)
	}()
	return done
}

func (s *keySource) load(ctx context.Context) (*providerKeys, error) {
	s.mu.Lock()
	endpoint := s.endpoint
	s.mu.Unlock()
	if endpoint == "" {
		var err error
		if endpoint, err = s.discover(ctx); err != nil {
			return nil, err
		}
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := s.get(ctx, endpoint, &set); err != nil {
		return nil, err
	}
	found := &providerKeys{}
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(text, &key) != nil {
			continue // of a kind that is not known here; others may do
		}
		if !key.IsPublic() || !key.Valid() || key.Use != "" && key.Use != "sig" || len(found.keys) == maxProviderKeys {
			continue
		}
		found.keys = append(found.keys, key)
	}
	if len(found.keys) == 0 {
		return nil, fmt.Errorf("read key set: no public key to check signatures with among %d", len(set.Keys))
	}
	s.mu.Lock()
	s.endpoint = endpoint
	s.mu.Unlock()
	return found, nil
}

// discover finds the key set by OpenID Connect Discovery 1.0, section 4.
func (s *keySource) discover(ctx context.Context) (string, error) {
	var document struct {
		Issuer string `json:"issuer"`
		URI    string `json:"jwks_uri"`
	}
	if err := s.get(ctx, strings.TrimSuffix(s.cfg.Issuer, "/")+"/.well-known/openid-configuration", &document); err != nil {
		return "", err
	}
	if document.Issuer != s.cfg.Issuer {
		return "", fmt.Errorf("discover key set: the provider calls itself %q, AUTH_ISSUER is %q", document.Issuer, s.cfg.Issuer)
	}
	if u, err := url.Parse(document.URI); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", fmt.Errorf("discover key set: jwks_uri %q is not a URL", document.URI)
	}
	return document.URI, nil
}

func (s *keySource) get(ctx context.Context, address string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("ask identity provider: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask identity provider: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask identity provider: %s answered %d", address, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet+1))
	switch {
	case err != nil:
		return fmt.Errorf("ask identity provider: %w", err)
	case len(body) > maxKeySet:
		return fmt.Errorf("ask identity provider: %s answered more than %d bytes", address, maxKeySet)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("ask identity provider: %s: %w", address, err)
	}
	return nil
}
