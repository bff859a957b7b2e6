package gateway

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"geogate/internal/bulk"
)

// documented reads the operations of docs/openapi.yaml, "GET /api" for one.
// That the file is valid OpenAPI is checked elsewhere.
func documented(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, paths, found := strings.Cut(string(text), "\npaths:\n")
	if !found {
		t.Fatal("no paths in docs/openapi.yaml")
	}
	line := regexp.MustCompile(`^(  (/[^:]*)|    (get|post|put|delete|options)):`)
	var operations []string
	path := ""
	for text := range strings.Lines(paths) {
		if text[0] != ' ' && text[0] != '\n' && text[0] != '#' {
			break // the next section
		}
		m := line.FindStringSubmatch(text)
		switch {
		case m == nil:
		case m[2] != "":
			path = m[2]
		default:
			operations = append(operations, strings.ToUpper(m[3])+" "+path)
		}
	}
	return operations
}

// The API description knows every route, and no other.
func TestOpenAPIMatchesRoutes(t *testing.T) {
	f := newJobsFixture(t, bulk.Config{})
	var routed []string
	router := f.gateway.router.(chi.Routes)
	err := chi.Walk(router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if method == http.MethodGet || method == http.MethodPost || method == http.MethodDelete {
			asset := strings.HasPrefix(route, "/jobs/") // of the page, which is described
			if !asset && (route != "/metrics" || method == http.MethodGet) {
				routed = append(routed, method+" "+strings.TrimSuffix(route, "/"))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	described := documented(t)
	for _, r := range routed {
		if !slices.Contains(described, r) {
			t.Errorf("docs/openapi.yaml does not describe %s", r)
		}
	}
	for _, d := range described {
		if !strings.HasPrefix(d, http.MethodOptions) && !slices.Contains(routed, d) {
			t.Errorf("docs/openapi.yaml describes %s, which is no route", d)
		}
	}
}
