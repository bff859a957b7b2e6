package cache

import (
	"maps"
	"strconv"
)

// Purges of the whole fleet are numbered by one counter in Redis. Every
// answer remembers the greatest number that its process knew when the fill
// began; a purge of everything, of a provider or of an outcome leaves its
// number as the generation of that scope, and an answer from before it is
// dead wherever it is kept. So nothing has to be looked for and deleted.
//
// The same numbers show a process that it missed the announcement of a purge
// of a single key: they arrive without gaps.

// Names of the scopes in Redis; those of one provider or outcome have its name
// appended.
const (
	scopeSeq      = "seq" // not a scope: number of the last purge
	scopeAll      = "all"
	scopeProvider = "provider:"
	scopeOutcome  = "outcome:"
)

// generations is what a process knows of the fleet's purges. It is immutable:
// whoever learns more replaces it by a merged one.
type generations struct {
	// known is false until the record in Redis has been read once; before
	// that nothing can be said about what Redis holds.
	known bool
	// scopes as in Redis, scopeSeq included.
	scopes map[string]uint64
	// heard: the announcements of all purges up to this number have arrived.
	heard uint64
	// trusted: the announcement of a purge up to this number was missed, so
	// that what was checked before it has to be looked up in Redis again.
	trusted uint64
}

// merged returns g with what a copy of the record says, field by field the
// greater number.
func (g *generations) merged(scopes map[string]uint64) *generations {
	n := *g
	n.scopes = maps.Clone(g.scopes)
	if n.scopes == nil {
		n.scopes = map[string]uint64{}
	}
	for scope, number := range scopes {
		n.scopes[scope] = max(n.scopes[scope], number)
	}
	return &n
}

func (g *generations) seq() uint64 { return g.scopes[scopeSeq] }

// covers reports whether an answer whose fill began when generation was the
// number of the last purge has not been purged by scope since.
func (g *generations) covers(generation uint64, e *Entry) bool {
	if generation < g.scopes[scopeAll] {
		return false
	}
	if generation >= g.seq() {
		return true
	}
	return generation >= g.scopes[scopeProvider+e.Provider] && generation >= g.scopes[scopeOutcome+e.Outcome]
}

// exceeds reports whether a says more than b in some scope.
func exceeds(a, b map[string]uint64) bool {
	for scope, number := range a {
		if b[scope] < number {
			return true
		}
	}
	return false
}

// pairs renders the scopes as arguments of the script.
func (g *generations) pairs() []any {
	args := make([]any, 0, 2*len(g.scopes))
	for scope, number := range g.scopes {
		args = append(args, scope, number)
	}
	return args
}

// parseScopes reads a record; fields that are no numbers are not ours.
func parseScopes(record map[string]string) map[string]uint64 {
	scopes := make(map[string]uint64, len(record))
	for scope, text := range record {
		if number, err := strconv.ParseUint(text, 10, 64); err == nil {
			scopes[scope] = number
		}
	}
	return scopes
}
