package geocoding

import (
	"context"
	"errors"
	"math"
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
}

// NewGeocoder returns a geocoder that looks into c before it asks chain.
func NewGeocoder(chain *upstream.Chain, c *cache.Cache, lives Lifetimes) *Geocoder {
	return &Geocoder{chain: chain, cache: c, lives: lives}
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
	d.LastResort = saysNothing
	return g.cache.Peek(g.Key(req), d, take)
}

// Reached is Held for an answer that is likely to be in Redis. begin and spent are as in
// cache.Reach.
func (g *Geocoder) Reached(req upstream.Request, begin func() context.Context, take func(cache.Result) bool) (res cache.Result, spent time.Duration, held bool) {
	if req.Debug() {
		return cache.Result{}, 0, false
	}
	return g.cache.Reach(g.Key(req), cache.Directives{LastResort: saysNothing}, begin, take)
}

// maxOthers is how many fills that somebody else could not pay for one caller
// joins before they are told so.
const maxOthers = 3

// Lookup returns the answer to req. Misses wait in lane for the budget of the
// upstream, and are charged to whom ctx names. Errors are those of package
// upstream, or cache.ErrNotCached.
func (g *Geocoder) Lookup(ctx context.Context, req upstream.Request, lane upstream.Lane, d cache.Directives) (res cache.Result, err error) {
	if req.Debug() {
		d.NoStore, d.NoCache = true, true
	}
	if lane == upstream.Bulk {
		d.Lane = cache.Bulk
	}
	d.LastResort, d.Lesser = saysNothing, req.Typed()
	charge := upstream.ChargeOf(ctx)
	for range maxOthers {
		res, err = g.cache.Get(ctx, g.Key(req), d, g.fill(req, charge))
		unpaid, ok := errors.AsType[*upstream.ChargeError](err)
		if !ok || charge != nil && unpaid.By == charge.By {
			break
		}
		// The fill was another caller's, who had nothing left.
	}
	return res, err
}

// fill asks for req, at the expense of who began to ask; others join for nothing.
func (g *Geocoder) fill(req upstream.Request, charge *upstream.Charge) cache.Fill {
	return func(ctx context.Context, p *cache.Priority) (cache.Entry, error) {
		answer, err := g.ask(upstream.WithCharge(upstream.WithRaised(ctx, p.Raised()), charge), req, p)
		if err != nil {
			return cache.Entry{}, err
		}
		e := g.entry(req, answer)
		if answer.Unheard != nil && saysNothing(&e) {
			return cache.Entry{}, &cache.SecondBestError{Entry: e, Err: answer.Unheard}
		}
		return e, nil
	}
}

// ask sends req upstream.
func (g *Geocoder) ask(ctx context.Context, req upstream.Request, p *cache.Priority) (upstream.Answer, error) {
	switch old := p.Renews(); {
	case old == nil:
		return g.chain.Geocode(ctx, req, laneOf(p))
	case old.Rank > 0: // only a better source can make it better
		return g.chain.Renew(ctx, req, g.chain.Primary())
	default:
		return g.chain.Renew(ctx, req, old.Provider)
	}
}

// saysNothing reports whether an answer has no place. It may be right for now,
// but after its time only a source that cannot be asked justifies serving it.
func saysNothing(e *cache.Entry) bool { return e.Outcome != string(upstream.Found) }

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
// part of it: another configuration must not serve what this one has stored, nor
// answers of data that has been replaced since.
func (g *Geocoder) Key(req upstream.Request) string {
	return g.chain.Identity() + "|" + req.Key()
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
	if a.After == upstream.AfterError {
		e.Rank = uint8(min(a.Rank, math.MaxUint8))
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
	case a.After == upstream.AfterError: // so that the better source gets asked again
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
