package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"geogate/cache"
	"geogate/upstream"
)

// topKeys is how many of the keys that are hit most /admin/stats tells.
const topKeys = 20

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
	Class     cache.Class `json:"class"`
	Layer     string      `json:"layer"`
	Provider  string      `json:"provider"`
	Outcome   string      `json:"outcome"`
	StoredAt  wireTime    `json:"stored_at"`
	Age       string      `json:"age"`
	FreshLeft string      `json:"fresh_left"`
	Left      string      `json:"left"`
	Bytes     int         `json:"bytes"`
	Hits      uint64      `json:"hits"`
}

// explain tells of a geocode, given by the parameters that /search, /reverse
// and the others take (endpoint= names another one than they suggest), without
// carrying it out.
func (g *Gateway) explain(w http.ResponseWriter, r *http.Request) error {
	endpoint, query := explained(r)
	if _, known := endpoints["/"+string(endpoint)]; !known {
		return badRequest("invalid_endpoint", "endpoint must be search, reverse, lookup, details or status")
	}
	req, cell, err := g.canonical(endpoint, query, r.Header.Get("Accept-Language"))
	if err != nil {
		return err
	}
	found, err := g.geocoder.cache.Lookup(r.Context(), g.geocoder.key(req))
	if err != nil && !errors.Is(err, cache.ErrUnavailable) {
		return fmt.Errorf("explain: %w", err)
	}
	policy := g.geocoder.chain.Policy()
	lives := g.geocoder.lives
	answer := explanation{
		Endpoint: endpoint, Canonical: req.Query(), Key: g.geocoder.key(req), Hash: cache.Hash(g.geocoder.key(req)),
		Provider: g.geocoder.chain.Primary(), Cell: cell,
		Policy:    policyView{Allowed: !policy.Forbids(endpoint), Autocomplete: policy.Autocomplete, Export: policy.Export},
		Lifetimes: lifetimesView{lives.Fresh.String(), lives.Empty.String(), lives.Stale.String()},
	}
	if policy.MaxTTL > 0 {
		answer.Policy.MaxTTL = policy.MaxTTL.String()
	}
	if found.Entry != nil {
		answer.Cached = &cachedView{
			Class: found.Class, Layer: found.Layer, Provider: found.Provider, Outcome: found.Outcome,
			StoredAt: wireTime(found.StoredAt), Age: seconds(found.Age), FreshLeft: seconds(found.FreshLeft()),
			Left: seconds(found.Left()), Bytes: len(found.Body), Hits: found.Hits(),
		}
	}
	return g.respond(w, http.StatusOK, answer)
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

// purgeOrder says what to remove: exactly one of its fields is set.
type purgeOrder struct {
	Key      string `json:"key"`      // as /admin/explain tells it
	Query    string `json:"query"`    // a request such as /search?q=Vaduz
	Provider string `json:"provider"` // every answer of a provider
	Outcome  string `json:"outcome"`  // every answer with an outcome, such as empty
	All      bool   `json:"all"`
}

// purge removes answers from every layer of every process within a second.
func (g *Gateway) purge(w http.ResponseWriter, r *http.Request) error {
	var order purgeOrder
	if err := decode(w, r, &order); err != nil {
		return err
	}
	if n := order.scopes(); n != 1 {
		return badRequest("one_scope", "exactly one of key, query, provider, outcome and all must be given")
	}
	store := g.geocoder.cache
	var err error
	switch {
	case order.All:
		err = store.PurgeAll(r.Context())
	case order.Provider != "":
		err = store.PurgeProvider(r.Context(), order.Provider)
	case order.Outcome != "":
		err = g.purgeOutcome(r, order.Outcome)
	default:
		key := order.Key
		if order.Query != "" {
			if key, err = g.keyOf(order.Query, r.Header.Get("Accept-Language")); err != nil {
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

func (g *Gateway) purgeOutcome(r *http.Request, outcome string) error {
	switch upstream.Outcome(outcome) {
	case upstream.Found, upstream.Empty, upstream.Refused:
		return g.geocoder.cache.PurgeOutcome(r.Context(), outcome)
	}
	return badRequest("invalid_outcome", "outcome must be found, empty or refused")
}

// keyOf is the key of a request written as a path with a query.
func (g *Gateway) keyOf(target, acceptLanguage string) (string, error) {
	path, query, _ := strings.Cut(target, "?")
	endpoint, known := dropInEndpoint(path)
	if !known {
		return "", badRequest("invalid_query", "query must be a path and its parameters, such as /search?q=Vaduz")
	}
	req, _, err := g.canonical(endpoint, upstream.ParseQuery(query), acceptLanguage)
	if err != nil {
		return "", err
	}
	return g.geocoder.key(req), nil
}

// cacheStats is what the cache did for this process, and what it spared the
// providers.
type cacheStats struct {
	Hits      map[string]uint64       `json:"hits"`  // by layer
	Stale     map[string]uint64       `json:"stale"` // by layer
	Misses    uint64                  `json:"misses"`
	Bypasses  uint64                  `json:"bypasses"`
	Collapsed uint64                  `json:"collapsed"`
	Errors    uint64                  `json:"errors"`
	Refreshes uint64                  `json:"refreshes"`
	Entries   int                     `json:"memory_entries"`
	Bytes     uint64                  `json:"memory_bytes"`
	Providers map[string]providerView `json:"providers"`
	TopKeys   []topKey                `json:"top_keys"`
}

type providerView struct {
	CallsSpent   uint64            `json:"calls_spent"`
	CallsAvoided uint64            `json:"calls_avoided"`
	State        string            `json:"state,omitempty"`
	Calls        map[string]uint64 `json:"calls,omitempty"` // by outcome
}

type topKey struct {
	Hash     string `json:"hash"`
	Hits     uint64 `json:"hits"`
	Bytes    int    `json:"bytes"`
	Provider string `json:"provider"`
	Outcome  string `json:"outcome"`
}

func (g *Gateway) cacheStats(w http.ResponseWriter, _ *http.Request) error {
	s := g.geocoder.cache.Stats()
	answer := cacheStats{
		Hits:   map[string]uint64{cache.LayerMemory: s.HitsMemory, cache.LayerRedis: s.HitsRedis},
		Stale:  map[string]uint64{cache.LayerMemory: s.StaleMemory, cache.LayerRedis: s.StaleRedis},
		Misses: s.Misses, Bypasses: s.Bypasses, Collapsed: s.Collapsed, Errors: s.Errors, Refreshes: s.Refreshes,
		Entries: s.MemoryEntries, Bytes: s.MemoryBytes,
		Providers: map[string]providerView{}, TopKeys: []topKey{},
	}
	for name, p := range s.Providers {
		answer.Providers[name] = providerView{CallsSpent: p.Fills, CallsAvoided: p.Hits}
	}
	for _, state := range g.geocoder.chain.States() {
		p := answer.Providers[state.Name]
		p.State, p.Calls = state.State, state.Calls
		answer.Providers[state.Name] = p
	}
	for _, k := range g.geocoder.cache.TopKeys(topKeys) {
		answer.TopKeys = append(answer.TopKeys, topKey{k.Hash, k.Hits, k.Bytes, k.Provider, k.Outcome})
	}
	return g.respond(w, http.StatusOK, answer)
}
