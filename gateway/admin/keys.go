package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"geogate/gateway/exchange"
	"geogate/internal/identity"
	"geogate/internal/rate"
)

// Credentials issue keys and mint tokens.
type Credentials struct {
	Keys   *identity.Keys
	Minter *identity.Minter // nil: no token is minted
}

// keyRequest is the body of POST /admin/keys.
type keyRequest struct {
	Role           string `json:"role"`
	Subject        string `json:"subject"`
	Expires        string `json:"expires"`
	Rate           string `json:"rate"`
	Label          string `json:"label"`
	UpstreamBudget string `json:"upstream_budget"`
}

// CreateKey issues a key and shows it, once.
func (a *API) CreateKey(w http.ResponseWriter, r *http.Request) error {
	var body keyRequest
	if err := exchange.Decode(w, r, &body); err != nil {
		return err
	}
	request, err := identity.NewRequest(body.Role, body.Subject, body.Expires, body.Rate, body.Label, body.UpstreamBudget)
	if err != nil {
		return err
	}
	text, kept, err := a.credentials.Keys.Create(r.Context(), request)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/admin/keys/"+kept.ID)
	return exchange.Respond(w, http.StatusCreated, struct {
		ID  string `json:"id"`
		Key string `json:"key"`
	}{kept.ID, text})
}

// wireKey is a key in lists.
type wireKey struct {
	ID             string         `json:"id"`
	Role           identity.Role  `json:"role"`
	Subject        string         `json:"subject"`
	Label          string         `json:"label,omitempty"`
	Rate           *rate.Rate     `json:"rate,omitempty"`
	UpstreamBudget *rate.Rate     `json:"upstream_budget,omitempty"`
	CreatedAt      exchange.Time  `json:"created_at"`
	ExpiresAt      *exchange.Time `json:"expires_at"`
	LastUsedAt     *exchange.Time `json:"last_used_at"`
	Today          wireUse        `json:"today"`
	Last30Days     wireUse        `json:"last_30_days"`
}

type wireUse struct {
	Requests      int64 `json:"requests"`
	CacheHits     int64 `json:"cache_hits"`
	UpstreamCalls int64 `json:"upstream_calls"`
}

// ListKeys shows the keys, oldest first, without their secrets.
func (a *API) ListKeys(w http.ResponseWriter, r *http.Request) error {
	list, err := a.credentials.Keys.List(r.Context())
	if err != nil {
		return err
	}
	answer := struct {
		Keys []wireKey `json:"keys"`
	}{make([]wireKey, len(list))}
	for i, k := range list {
		answer.Keys[i] = wireKey{
			k.ID, k.Role, k.Subject, k.Label, k.Rate, k.UpstreamBudget, exchange.Time(k.CreatedAt),
			exchange.OptionalTime(k.ExpiresAt), exchange.OptionalTime(k.LastUsedAt), wireUse(k.Today), wireUse(k.Last30Days),
		}
	}
	return exchange.Respond(w, http.StatusOK, answer)
}

// RevokeKey ends a key.
func (a *API) RevokeKey(w http.ResponseWriter, r *http.Request) error {
	// Whoever asked may be gone by now; the key is to end all the same.
	if err := a.credentials.Keys.Revoke(context.WithoutCancel(r.Context()), chi.URLParam(r, "id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// MintToken signs a token for a phone.
func (a *API) MintToken(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Role      string `json:"role"`
		Sub       string `json:"sub"`
		ExpiresIn int64  `json:"expires_in"` // seconds
	}
	if err := exchange.Decode(w, r, &body); err != nil {
		return err
	}
	life := min(max(body.ExpiresIn, 0), int64(identity.MaxTokenLife/time.Second)+1)
	token, expires, err := a.credentials.Minter.Mint(identity.Role(body.Role), body.Sub, time.Duration(life)*time.Second)
	if err != nil {
		return err
	}
	return exchange.Respond(w, http.StatusOK, struct {
		Token     string        `json:"token"`
		ExpiresAt exchange.Time `json:"expires_at"`
	}{token, exchange.Time(expires)})
}
