package admin

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"geogate/cache"
	"geogate/gateway/exchange"
	"geogate/upstream"
)

// explanation is how geogate understands a geocode, and what it has for it.
type explanation struct {
	Endpoint  upstream.Endpoint `json:"endpoint"`
	Canonical string            `json:"canonical"` // the query as it is sent
	Key       string            `json:"key"`
	Hash      string            `json:"hash"` // of the key, as in logs and stats
	Provider  string            `json:"provider"`
	Policy    policyView        `json:"policy"`
	Cell      string            `json:"cell,omitempty"`
	Lifetimes lifetimesView     `json:"lifetimes"`
	Cached    *cachedView       `json:"cached"` // null: nothing is
}

type policyView struct {
	Allowed      bool   `json:"allowed"`
	Autocomplete bool   `json:"autocomplete"`
	Export       bool   `json:"export"`
	MaxTTL       string `json:"max_ttl,omitempty"`
}

type lifetimesView struct {
	Fresh string `json:"fresh"`
	Empty string `json:"empty"`
	Stale string `json:"stale"`
}

type cachedView struct {
	Class     cache.Class   `json:"class"`
	Layer     string        `json:"layer"`
	Provider  string        `json:"provider"`
	Outcome   string        `json:"outcome"`
	StoredAt  exchange.Time `json:"stored_at"`
	Age       string        `json:"age"`
	FreshLeft string        `json:"fresh_left"`
	Left      string        `json:"left"`
	Bytes     int           `json:"bytes"`
	Hits      uint64        `json:"hits"`
}

// Explain tells how geogate understands a geocode and what it has for it, without
// carrying it out. The geocode is given by the parameters of /search, /reverse and
// the others; endpoint= names one that they do not suggest.
func (a *API) Explain(w http.ResponseWriter, r *http.Request) error {
	endpoint, query := explained(r)
	if known, _ := a.geocoder.EndpointOf("/" + string(endpoint)); known != endpoint {
		return exchange.BadRequest("invalid_endpoint", "endpoint must be search, reverse, lookup, details or status")
	}
	req, cell, err := a.geocoder.Canonical(endpoint, query, r.Header.Get("Accept-Language"))
	if err != nil {
		return err
	}
	found, err := a.geocoder.Cache.Lookup(r.Context(), a.geocoder.Key(req))
	if err != nil && !errors.Is(err, cache.ErrUnavailable) {
		return fmt.Errorf("explain: %w", err)
	}
	policy := a.geocoder.Chain.Policy()
	answer := explanation{
		Endpoint: endpoint, Canonical: req.Query(), Key: a.geocoder.Key(req), Hash: cache.Hash(a.geocoder.Key(req)),
		Provider: a.geocoder.Chain.Primary(), Cell: cell,
		Policy:    policyView{Allowed: a.geocoder.Chain.Allows(endpoint), Autocomplete: policy.Autocomplete, Export: policy.Export},
		Lifetimes: lifetimesView{a.geocoder.Fresh.String(), a.geocoder.Empty.String(), a.geocoder.Stale.String()},
	}
	if policy.MaxTTL > 0 {
		answer.Policy.MaxTTL = policy.MaxTTL.String()
	}
	if found.Entry != nil {
		answer.Cached = &cachedView{
			Class: found.Class, Layer: found.Layer, Provider: found.Provider, Outcome: found.Outcome,
			StoredAt: exchange.Time(found.StoredAt), Age: seconds(found.Age), FreshLeft: seconds(found.FreshLeft()),
			Left: seconds(found.Left()), Bytes: len(found.Body), Hits: found.Hits(),
		}
	}
	return exchange.Respond(w, http.StatusOK, answer)
}

// explained reads which geocode is meant.
func explained(r *http.Request) (upstream.Endpoint, map[string][]string) {
	query := upstream.ParseQuery(r.URL.RawQuery)
	endpoint := upstream.Endpoint(query.Get("endpoint"))
	query.Del("endpoint")
	switch {
	case endpoint != "":
	case query.Has("lat") || query.Has("lon"):
		endpoint = upstream.Reverse
	case query.Has("osm_ids"):
		endpoint = upstream.Lookup
	default:
		endpoint = upstream.Search
	}
	return endpoint, query
}

// seconds shows a duration to people, without its fractions.
func seconds(d time.Duration) string { return d.Round(time.Second).String() }
