package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"
)

// routeEscaped makes routes match the path as it was sent, still
// percent-encoded, so that an id may hold a slash, and pathParam decodes what
// matched exactly once. Left alone, chi matches sometimes the encoded and
// sometimes the decoded path.
//
// Doubled slashes count as one: Nominatim clients build //search from a base
// URL that ends in a slash. Dot segments are the client's to resolve (RFC 3986,
// 5.2.4): here a driver may be called "..".
func routeEscaped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chi.RouteContext(r.Context()).RoutePath = routePath(r.URL)
		next.ServeHTTP(w, r)
	})
}

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

// pathParam is a part of the path that names something.
func pathParam(r *http.Request, name string) (string, error) {
	value, err := url.PathUnescape(chi.URLParam(r, name))
	if err != nil { // cannot come through net/http, which parsed the path
		return "", badRequest("invalid_path", "the path is not percent-encoded as it should be")
	}
	return value, nil
}
