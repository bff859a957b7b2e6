package exchange

import (
	"net/http"
	"slices"
)

// exposed are the headers that a web page may read; by default it sees none of
// them.
const exposed = "X-Geogate-Mode, X-Cache, X-Cache-Cell, Cache-Status, Age, ETag, Location, Idempotency-Replayed, Retry-After, X-Request-Id, " +
	"X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"

// EveryPage and Exposed are what answers to pages of every origin say. Header values
// that never change are shared by all answers.
var (
	EveryPage = []string{"*"}
	Exposed   = []string{exposed}
)

// Pages are the origins of the web pages that may use a route (Fetch standard,
// CORS protocol); nil means every one. Credentials are never allowed: geogate
// has no cookies to protect or to use.
type Pages []string

// Allow lets the page that sent r read the answer when it is one of p. Where every
// page may, the answer says so whoever asks: a shared cache may keep it for all.
func (p Pages) Allow(h http.Header, r *http.Request) {
	if p == nil {
		h["Access-Control-Allow-Origin"] = EveryPage
		h["Access-Control-Expose-Headers"] = Exposed
		return
	}
	if origin := r.Header["Origin"]; len(origin) > 0 && origin[0] != "" {
		p.allow(h, origin[0])
		h["Access-Control-Expose-Headers"] = Exposed
	}
}

func (p Pages) allow(h http.Header, origin string) {
	if p == nil {
		h["Access-Control-Allow-Origin"] = EveryPage
		return
	}
	h.Add("Vary", "Origin")
	if slices.Contains(p, origin) {
		h.Set("Access-Control-Allow-Origin", origin)
	}
}

// PreflightMethod is the method that a page on another origin asks to use before
// it does; "" when r does not ask.
func PreflightMethod(r *http.Request) string {
	if r.Method != http.MethodOptions || r.Header.Get("Origin") == "" {
		return ""
	}
	return r.Header.Get("Access-Control-Request-Method")
}

// AnswerPreflight answers a page that asks whether it may use a path, which
// takes methods.
func (p Pages) AnswerPreflight(w http.ResponseWriter, r *http.Request, methods string) {
	h := w.Header()
	p.allow(h, r.Header.Get("Origin"))
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Accept-Language, Cache-Control, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-Request-Id")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}
