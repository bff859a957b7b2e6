package identity

import (
	"crypto/sha256"
	"sync"
)

// recent remembers the callers of tokens that were checked a moment ago: a
// signature costs 30 to 100 µs, as much as storing a position. It holds two
// generations of at most maxRecent entries, about 300 bytes each.
type recent struct {
	mu         sync.RWMutex
	young, old map[[sha256.Size]byte]checked
}

const maxRecent = 10000

// checked is what was found, with the key set that it was found by: a set that
// has been replaced may lack the key.
type checked struct {
	caller *Caller
	by     *providerKeys
}

func newRecent() *recent {
	return &recent{young: map[[sha256.Size]byte]checked{}}
}

func (r *recent) add(token string, c *Caller, by *providerKeys) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= maxRecent {
		r.old, r.young = r.young, make(map[[sha256.Size]byte]checked, maxRecent)
	}
	r.young[sha256.Sum256([]byte(token))] = checked{c, by}
}

// get returns the caller of a token that was checked with the keys of now.
func (r *recent) get(token string, now *providerKeys) *Caller {
	hash := sha256.Sum256([]byte(token))
	r.mu.RLock()
	defer r.mu.RUnlock()
	found, ok := r.young[hash]
	if !ok {
		found, ok = r.old[hash]
	}
	if !ok || found.by != now {
		return nil
	}
	return found.caller
}
