package gateway

import "geogate/gateway/console"

// counters are what the console draws.
func (g *Gateway) counters() console.Counters {
	s := g.geocoder.Cache().Stats()
	c := console.Counters{
		Hits: s.HitsMemory + s.HitsRedis, Stale: s.StaleMemory + s.StaleRedis, Misses: s.Misses,
		Calls: map[string]uint64{},
	}
	for _, state := range g.geocoder.Chain().States() {
		for _, calls := range state.Calls {
			c.Calls[state.Name] += calls
		}
	}
	return c
}
