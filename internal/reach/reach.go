// Package reach tells a search for the nearest how far it has to look: about as far as the
// searches before it around the same place (ADR 0200). It is a guess that saves time; what
// is found does not depend on it.
package reach

import (
	"math"
	"sync"

	"geogate/internal/geo"
)

// maxPlaces bounds what a Memory holds, at some 200 bytes each. Another place then takes
// that of any one.
const maxPlaces = 4096

// placeLevel is the level of the squares of which each is a place: 2.4 km wide at the
// equator. Within one, hardly any town is ten times as crowded here as there.
const placeLevel = 14

// Memory is how far searches had to look, by place. Its zero value is empty. It is safe for
// concurrent use.
type Memory struct {
	mu sync.Mutex
	// shares are square metres for each of those who were nearest. Members gather; so the
	// largest share lately is the one that counts.
	shares map[place]float64
}

type place struct {
	index  string
	square uint64
}

func placeOf(index string, p geo.Point) place {
	return place{index, squareOf(p).score() >> (2 * (deepest - placeLevel))}
}

// Radius returns the radius in metres within which a search of an index is likely to find
// so many around p; 0: nothing is known.
func (m *Memory) Radius(index string, p geo.Point, want int) float64 {
	m.mu.Lock()
	share := m.shares[placeOf(index, p)]
	m.mu.Unlock()
	// Chance puts three times the root more or fewer into a circle.
	n := float64(want)
	return math.Sqrt(share * (n + 3*math.Sqrt(n) + 1))
}

// Note remembers that the n nearest to p of an index are up to so many metres away.
func (m *Memory) Note(index string, p geo.Point, n int, metres float64) {
	if n < 1 {
		return
	}
	at, share := placeOf(index, p), metres*metres/float64(n)
	m.mu.Lock()
	defer m.mu.Unlock()
	known, found := m.shares[at]
	switch {
	case share < known:
		share = known + (share-known)/8
	case m.shares == nil:
		m.shares = make(map[place]float64)
	case !found && len(m.shares) >= maxPlaces:
		for other := range m.shares { // in no order
			delete(m.shares, other)
			break
		}
	}
	m.shares[at] = share
}
