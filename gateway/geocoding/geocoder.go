package geocoding

import (
	"context"
	"errors"
	"time"

	"geogate/cache"
	"geogate/upstream"
)

// Lifetimes say how long answers live.
type Lifetimes struct {
	Fresh time.Duration // CACHE_TTL
	Empty time.Duration // CACHE_EMPTY_TTL: nothing found, or a mistake of the client's
	Stale time.Duration // CACHE_STALE_TTL: how long past its freshness an answer may be served
}

// statusTTL is the fresh life of an answer of /status. It spares the upstream
// the probes of many clients; a stale one would be a lie.
const statusTTL = 10 * time.Second

// Geocoder answers canonical requests from the cache, else from the upstreams.
// It is the one way to a geocoder for every endpoint and every job, and safe for
// concurrent use.
type Geocoder struct {
	chain *upstream.Chain
	cache *cache.Cache
	lives Lifetimes
	owner string // begins every key
}

// NewGeocoder returns a geocoder that looks into c before it asks chain.
func NewGeocoder(chain *upstream.Chain, c *cache.Cache, lives Lifetimes) *Geocoder {
	return &Geocoder{chain: chain, cache: c, lives: lives, owner: chain.Identity() + "|"}
}

// Cache is where the answers are kept.
func (g *Geocoder) Cache() *cache.Cache { return g.cache }

// Chain is who is asked.
func (g *Geocoder) Chain() *upstream.Chain { return g.chain }

// Lives is how long answers live.
func (g *Geocoder) Lives() Lifetimes { return g.lives }

// Held returns the answer to req if it is in memory and there is nothing else
// to do, which is how most requests are answered. false: call Lookup. take is as
// in cache.Peek.
func (g *Geocoder) Held(req upstream.Request, d cache.Directives, take func(cache.Result) bool) (cache.Result, bool) {
	if req.Debug() {
		return cache.Result{}, false
	}
	return g.cache.Peek(g.Key(req), d, take)
}

// Lookup returns the answer to req. Misses wait in lane for the budget of the
// upstream. Errors are those of package upstream, or cache.ErrNotCached.
func (g *Geocoder) Lookup(ctx context.Context, req upstream.Request, lane upstream.Lane, d cache.Directives) (cache.Result, error) {
	if req.Debug() {
		d.NoStore, d.NoCache = true, true
	}
	if lane == upstream.Bulk {
		d.Lane = cache.Bulk
	}
	return g.cache.Get(ctx, g.Key(req), d, func(ctx context.Context, p *cache.Priority) (cache.Entry, error) {
		answer, err := g.chain.Geocode(upstream.WithRaised(ctx, p.Raised()), req, laneOf(p))
		switch {
		case err != nil:
			return cache.Entry{}, err
		case answer.Fallback() && p.Lane() == cache.Refresh:
			return cache.Entry{}, errOnlyFallback
		}
		return g.entry(req, answer), nil
	})
}

// errOnlyFallback keeps the answer of a better source in the cache, stale as it
// may be, when none but a fallback can renew it.
var errOnlyFallback = errors.New("only a fallback answered")

// laneOf is where a fill queues for budget.
func laneOf(p *cache.Priority) upstream.Lane {
	switch p.Lane() {
	case cache.Bulk:
		return upstream.Bulk
	case cache.Refresh:
		return upstream.Refresh
	default:
		return upstream.People
	}
}

// Key identifies the answer to req in the cache. The first choice of upstream is
// part of it: another configuration must not serve what this one has stored.
func (g *Geocoder) Key(req upstream.Request) string {
	return g.owner + req.Key()
}

func (g *Geocoder) entry(req upstream.Request, a upstream.Answer) cache.Entry {
	e := cache.Entry{
		Status:      a.Status,
		ContentType: a.ContentType,
		Body:        a.Body,
		Provider:    a.Provider,
		Outcome:     string(a.Outcome),
		NoStore:     a.NoStore || req.Debug(),
	}
	e.Fresh, e.Stale = g.life(req, a)
	return e
}

// life bounds an answer's life by what it is and by what its provider's terms
// allow, time spent stale included.
func (g *Geocoder) life(req upstream.Request, a upstream.Answer) (fresh, stale time.Duration) {
	fresh, stale = g.lives.Fresh, g.lives.Stale
	switch {
	case req.Endpoint() == upstream.Status:
		fresh, stale = statusTTL, 0
	case a.Fallback(): // so that the better source gets asked again
		fresh, stale = min(g.lives.Empty, g.lives.Fresh), 0
	case a.Outcome != upstream.Found:
		fresh = min(g.lives.Empty, g.lives.Fresh)
	}
	if a.MaxTTL > 0 {
		fresh = min(fresh, a.MaxTTL)
		stale = min(stale, a.MaxTTL-fresh)
	}
	return fresh, stale
}
