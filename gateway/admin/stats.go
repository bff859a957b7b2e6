package admin

import (
	"net/http"

	"geogate/cache"
	"geogate/gateway/exchange"
)

// topKeys is how many of the most frequently hit keys /admin/stats lists.
const topKeys = 20

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

// Stats tells what the cache has done since this process started.
func (a *API) Stats(w http.ResponseWriter, _ *http.Request) error {
	s := a.geocoder.Cache.Stats()
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
	for _, state := range a.geocoder.Chain.States() {
		p := answer.Providers[state.Name]
		p.State, p.Calls = state.State, state.Calls
		answer.Providers[state.Name] = p
	}
	for _, k := range a.geocoder.Cache.TopKeys(topKeys) {
		answer.TopKeys = append(answer.TopKeys, topKey{k.Hash, k.Hits, k.Bytes, k.Provider, k.Outcome})
	}
	return exchange.Respond(w, http.StatusOK, answer)
}
