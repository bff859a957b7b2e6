package gateway

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"geogate/dispatch"
	"geogate/upstream"
)

// Every sentinel that a package below may return must mean something to
// clients. The list of names is read from the sources, so that a new one cannot
// be forgotten.
func TestEverySentinelHasAMeaning(t *testing.T) {
	source, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	mapped := map[string]bool{}
	ast.Inspect(source, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok {
				mapped[pkg.Name+"."+sel.Sel.Name] = true
			}
		}
		return true
	})
	for _, pkg := range []string{"upstream", "cache", "dispatch", "internal/event", "internal/webhook", "internal/bulk"} {
		names := sentinels(t, pkg)
		if len(names) == 0 {
			t.Errorf("no sentinels found in package %s: has it moved?", pkg)
		}
		for _, name := range names {
			if !mapped[path.Base(pkg)+"."+name] {
				t.Errorf("%s.%s has no meaning in gateway/errors.go", pkg, name)
			}
		}
	}
}

// sentinels lists the exported variables named Err… of the package in a folder.
func sentinels(t *testing.T, pkg string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for name, object := range source.Scope.Objects {
			if object.Kind == ast.Var && strings.HasPrefix(name, "Err") {
				names = append(names, name)
			}
		}
	}
	return names
}

func TestProblemOf(t *testing.T) {
	tests := []struct {
		name       string
		err        error
		status     int
		code       string
		retryAfter time.Duration
	}{
		{"wrapped sentinel", fmt.Errorf("geocode: %w", upstream.ErrTimeout), 504, "upstream_timeout", unavailableFor},
		{
			"the provider's own pause",
			&upstream.Error{Provider: "p", Kind: upstream.ErrThrottled, RetryAfter: 42 * time.Second},
			503, "upstream_throttled", 42 * time.Second,
		},
		{"a ride too far on", &dispatch.StateError{Ride: dispatch.Ride{State: dispatch.Matched}}, 409, "too_late", 0},
		{"input that dispatch refuses", &dispatch.InputError{Code: "invalid_tags", Detail: "d"}, 400, "invalid_tags", 0},
		{"an error nobody foresaw", errors.New("secret detail"), 500, "internal", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := problemOf(tt.err)
			if p.Status != tt.status || p.Code != tt.code || p.RetryAfter != tt.retryAfter {
				t.Errorf("problemOf = %d %s after %s, want %d %s after %s", p.Status, p.Code, p.RetryAfter, tt.status, tt.code, tt.retryAfter)
			}
			if strings.Contains(p.Detail, "secret") {
				t.Errorf("detail %q tells the client what only the log may know", p.Detail)
			}
			if p.Title != http.StatusText(tt.status) {
				t.Errorf("title = %q, want the status phrase", p.Title)
			}
		})
	}
}
