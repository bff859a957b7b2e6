package admin

import (
	"net/http"
	"strings"

	"geogate/gateway/exchange"
	"geogate/upstream"
)

// purgeOrder says what to remove: exactly one of its fields is set.
type purgeOrder struct {
	Key      string `json:"key"`      // as /admin/explain tells it
	Query    string `json:"query"`    // a request such as /search?q=Vaduz
	Provider string `json:"provider"` // every answer of a provider
	Outcome  string `json:"outcome"`  // every answer with an outcome, such as empty
	All      bool   `json:"all"`
}

// Purge removes answers from every layer of every process within a second: while Redis
// is down only where processes gossip, else it is an error.
func (a *API) Purge(w http.ResponseWriter, r *http.Request) error {
	var order purgeOrder
	if err := exchange.Decode(w, r, &order); err != nil {
		return err
	}
	if n := order.scopes(); n != 1 {
		return exchange.BadRequest("one_scope", "exactly one of key, query, provider, outcome and all must be given")
	}
	store := a.geocoder.Cache
	var err error
	switch {
	case order.All:
		err = store.PurgeAll(r.Context())
	case order.Provider != "":
		err = store.PurgeProvider(r.Context(), order.Provider)
	case order.Outcome != "":
		err = a.purgeOutcome(r, order.Outcome)
	default:
		key := order.Key
		if order.Query != "" {
			if key, err = a.keyOf(order.Query, r.Header.Get("Accept-Language")); err != nil {
				return err
			}
		}
		_, err = store.Purge(r.Context(), key)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (o *purgeOrder) scopes() (n int) {
	for _, given := range []bool{o.Key != "", o.Query != "", o.Provider != "", o.Outcome != "", o.All} {
		if given {
			n++
		}
	}
	return n
}

func (a *API) purgeOutcome(r *http.Request, outcome string) error {
	switch upstream.Outcome(outcome) {
	case upstream.Found, upstream.Empty, upstream.Refused:
		return a.geocoder.Cache.PurgeOutcome(r.Context(), outcome)
	}
	return exchange.BadRequest("invalid_outcome", "outcome must be found, empty or refused")
}

// keyOf is the key of a request written as a path with a query.
func (a *API) keyOf(target, acceptLanguage string) (string, error) {
	path, query, _ := strings.Cut(target, "?")
	endpoint, known := a.geocoder.EndpointOf(path)
	if !known {
		return "", exchange.BadRequest("invalid_query", "query must be a path and its parameters, such as /search?q=Vaduz")
	}
	req, _, err := a.geocoder.Canonical(endpoint, upstream.ParseQuery(query), acceptLanguage)
	if err != nil {
		return "", err
	}
	return a.geocoder.Key(req), nil
}
