package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"geogate/gateway/exchange"
	"geogate/gateway/geocoding"
	"geogate/internal/fleet"
)

// A policy is what holds for a route whatever its handler does. It belongs to the
// matched route: nothing is derived from how a client spells a path.
type policy struct {
	errors errorShape
	pages  pageRule
	limit  limitClass
	store  storeRule

	streams bool // takes access_token: browsers' EventSource can send no headers
}

type (
	errorShape int
	pageRule   int
	limitClass int
	storeRule  int
)

const (
	asProblem   errorShape = iota // problem+json
	asNominatim                   // in the format that was asked for

	listedPages pageRule = iota // web pages of CORS_ORIGINS may use it
	everyPage                   // web pages of every origin may

	counted limitClass = iota // against the client's limit; a drain waits for it
	exempt                    // must not compete with clients behind one address

	noStore   storeRule = iota // Cache-Control: no-store
	byHandler                  // the handler says what may be kept
)

// The policies of the table.
var (
	probe   = policy{asProblem, listedPages, exempt, byHandler, false}
	dropIn  = policy{asNominatim, everyPage, counted, byHandler, false}
	open    = policy{asProblem, everyPage, counted, byHandler, false}
	page    = policy{asProblem, listedPages, counted, byHandler, false}
	private = policy{asProblem, listedPages, counted, noStore, false} // about people, or for operators
	stream  = policy{asProblem, listedPages, counted, noStore, true}  // private, and an event stream
)

// unmatched is the policy of what has no route: see notFound and notAllowed for
// the shape of the answer, preflight for what a page may ask.
var unmatched = private

var errRateLimited = exchange.NewProblem(http.StatusTooManyRequests, "rate_limited",
	"too many requests").WithHint("wait as long as Retry-After says")

// route turns the table into a router. A request passes, in this order: the
// choice of its route, the client's address, the access log, preflights, and then
// the policy of the route.
func (g *Gateway) route() chi.Router {
	r := chi.NewRouter()
	r.Use(routeEscaped)
	if read := g.proxies.Reader(); read != nil {
		r.Use(read)
	}
	r.Use(g.observe, g.preflight)
	g.table, g.ownWords = map[string]route{}, map[string]bool{}
	for _, rt := range g.routes() {
		g.table[rt.method+" "+rt.pattern] = rt
		r.Method(rt.method, rt.pattern, g.enforce(rt))
		if rt.method == get {
			r.Method(http.MethodHead, rt.pattern, g.enforce(rt))
		}
		word := firstWord(rt.pattern)
		others, seen := g.ownWords[word]
		g.ownWords[word] = rt.policy.errors == asProblem && (others || !seen)
	}
	r.NotFound(g.enforce(route{scope: scopePublic, policy: unmatched, handler: g.notFound}))
	r.MethodNotAllowed(g.enforce(route{scope: scopePublic, policy: unmatched, handler: g.notAllowed}))
	return r
}

// enforce puts the policy of rt around its handler.
func (g *Gateway) enforce(rt route) http.HandlerFunc {
	fail, pages := exchange.WriteProblem, g.pagesOf(rt.policy)
	public := rt.scope == scopePublic && rt.policy.limit == exempt
	if rt.policy.errors == asNominatim {
		endpoint, _ := geocoding.EndpointOf(rt.pattern)
		fail = func(w http.ResponseWriter, r *http.Request, p *exchange.Problem) {
			geocoding.WriteError(endpoint, w, r, p)
		}
	}
	refuse := func(w http.ResponseWriter, r *http.Request, why error) {
		exchange.Of(r).Failure = why
		if errors.Is(why, fleet.ErrCachedOnly) {
			w.Header().Set("Cache-Status", "geogate; fwd=uri-miss; detail=cached_only")
		}
		fail(w, r, problemOf(why))
	}
	return func(w http.ResponseWriter, r *http.Request) {
		ex := exchange.Of(r)
		pages.Allow(w.Header(), r)
		if rt.policy.limit == counted {
			if !ex.Internal {
				g.warnOfBypass(r, rt.pattern)
			}
			g.underWay.Add(1)
			defer g.underWay.Add(-1)
			if ex.Spare {
				w.Header().Set("Connection", "close")
				refuse(w, r, errTooManyConnections)
				return
			}
		}
		if rt.policy.pages == listedPages && !ex.Internal {
			if why := g.checkSite(r); why != nil {
				refuse(w, r, why)
				return
			}
		}
		if !public {
			if err := g.admit(w, r, ex, rt); err != nil {
				refuse(w, r, err)
				return
			}
		}
		if rt.policy.store == noStore {
			w.Header()["Cache-Control"] = exchange.Unstored
		}
		if err := rt.handler(w, r); err != nil {
			refuse(w, r, err)
		}
	}
}

var errOtherSite = exchange.NewProblem(http.StatusForbidden, "cross_origin",
	"pages of this site must not write here").WithHint("CORS_ORIGINS lists the sites that may")

// checkSite refuses what a browser sends for a page that may not use the route. A
// page can post to any address without asking first: without a Content-Type, or
// with that of a form, browsers see nothing to ask about.
func (g *Gateway) checkSite(r *http.Request) *exchange.Problem {
	switch {
	case g.trust.rebound(r):
		return errForeignHost
	case g.sites.Check(r) != nil:
		return errOtherSite
	}
	return nil
}

func (g *Gateway) pagesOf(p policy) exchange.Pages {
	if p.pages == everyPage {
		return nil
	}
	return g.pages
}

// preflight answers web pages that ask whether they may use a path. The route
// that they ask for decides; without one, only listed pages learn anything.
func (g *Gateway) preflight(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := exchange.PreflightMethod(r)
		if method == "" {
			next.ServeHTTP(w, r)
			return
		}
		policy := unmatched
		if rt, found := g.find(method, r); found {
			policy = rt.policy
			matched := chi.RouteContext(r.Context()) // for the log: the router does not get to it
			matched.RoutePatterns = append(matched.RoutePatterns, rt.pattern)
		}
		ex := exchange.Of(r)
		if g.limits.Refuses(w, ex.Client, nil) {
			ex.Failure = errRateLimited
			exchange.WriteProblem(w, r, errRateLimited)
			return
		}
		g.pagesOf(policy).AnswerPreflight(w, r, g.allowed(r))
	})
}

// notFound answers a path that has no route, in the words of whoever owns its
// first word: geogate, where all routes below it answer with problems, else
// Nominatim, because clients probe a drop-in with Nominatim's paths.
func (g *Gateway) notFound(w http.ResponseWriter, r *http.Request) error {
	p := exchange.NewProblem(http.StatusNotFound, "not_found", "there is nothing at this path")
	if g.ownWords[firstWord(routePath(r.URL))] || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return p
	}
	geocoding.WriteTitle(w, p)
	return nil
}

// notAllowed answers a method that a path does not take, in the shape of the
// routes that the path has.
func (g *Gateway) notAllowed(w http.ResponseWriter, r *http.Request) error {
	p := exchange.NewProblem(http.StatusMethodNotAllowed, "method_not_allowed", "this path does not take "+knownMethod(r.Method))
	p.Allow = g.allowed(r)
	if rt, found := g.find(get, r); found && rt.policy.errors == asNominatim {
		geocoding.WriteTitle(w, p)
		return nil
	}
	return p
}

// options answers OPTIONS as Nominatim's framework does. Preflights never come
// this far.
func (g *Gateway) options(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Allow", g.allowed(r))
	exchange.Write(w, http.StatusOK, "application/json", nil)
	return nil
}

// allowed lists the methods that the path of r takes.
func (g *Gateway) allowed(r *http.Request) string {
	var methods []string
	for _, method := range []string{get, post, put, remove, options} {
		if _, found := g.find(method, r); !found {
			continue
		}
		if methods = append(methods, method); method == get {
			methods = append(methods, http.MethodHead)
		}
	}
	return strings.Join(methods, ", ")
}

// find is the route that r would have with another method.
func (g *Gateway) find(method string, r *http.Request) (rt route, found bool) {
	if method == http.MethodHead {
		method = get
	}
	pattern := g.router.Find(chi.NewRouteContext(), method, routePath(r.URL))
	rt, found = g.table[method+" "+pattern]
	return rt, found
}

// firstWord is what stands between the first two slashes of a path.
func firstWord(path string) string {
	word, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return word
}
