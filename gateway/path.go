package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"
)

// routeEscaped makes routes match the path as it was sent, still
// percent-encoded, so that an id may contain a slash, and exchange.PathParam decodes what
// matched exactly once. Left alone, chi matches sometimes the encoded and
// sometimes the decoded path.
func routeEscaped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chi.RouteContext(r.Context()).RoutePath = routePath(r.URL)
		next.ServeHTTP(w, r)
	})
}

// routePath is the path that routes match.
//
// Doubled slashes count as one: Nominatim clients build //search from a base
// URL that ends in a slash. Dot segments are the client's to resolve (RFC 3986,
// 5.2.4): here a driver may be called "..".
func routePath(u *url.URL) string {
	escaped := u.EscapedPath()
	for strings.Contains(escaped, "//") {
		escaped = strings.ReplaceAll(escaped, "//", "/")
	}
	if trimmed := strings.TrimSuffix(escaped, "/"); trimmed != "" {
		return trimmed
	}
	return "/"
}
