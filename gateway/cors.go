package gateway

import (
	"net/http"
	"slices"
)

// exposed are the headers that a web page may read; by default it sees none
// of them.
const exposed = "X-Cache, X-Cache-Cell, Cache-Status, Age, ETag, Location, Idempotency-Replayed, Retry-After, X-Request-Id, " +
	"X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"

// A corsPolicy tells which web pages may use a route (Fetch standard, CORS
// protocol). Credentials are never allowed: geogate has no cookies to protect
// or to use.
type corsPolicy struct {
	methods string
	origins []string // nil: every origin
}

func (c corsPolicy) allows(origin string) bool {
	return c.origins == nil || slices.Contains(c.origins, origin)
}

// cors answers preflight requests, and lets pages read the answers to the
// others. Geocoding is open to every page; the endpoints that handle people's
// positions only to the listed origins. Where both live on one path, the
// method decides.
func (g *Gateway) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if origin == "" {
			next.ServeHTTP(w, r)
			return
		}
		method := r.Method
		preflight := method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
		if preflight {
			method = r.Header.Get("Access-Control-Request-Method")
		}
		policy := g.corsPolicy(r.URL.Path, method)
		h := w.Header()
		if policy.origins == nil {
			h.Set("Access-Control-Allow-Origin", "*")
		} else {
			h.Add("Vary", "Origin")
			if policy.allows(origin) {
				h.Set("Access-Control-Allow-Origin", origin)
			}
		}
		if !preflight {
			h.Set("Access-Control-Expose-Headers", exposed)
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", policy.methods)
		h.Set("Access-Control-Allow-Headers", "Accept-Language, Cache-Control, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-Request-Id")
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
	})
}

func (g *Gateway) corsPolicy(path, method string) corsPolicy {
	if _, dropIn := dropInEndpoint(path); dropIn && isRead(method) || path == "/api" {
		return corsPolicy{methods: "GET, HEAD, POST"}
	}
	return corsPolicy{methods: "GET, HEAD, POST, DELETE", origins: g.corsOrigins}
}
