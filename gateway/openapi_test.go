package gateway_test

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
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
	f := gatewaytest.New(t)
	rdb := f.Redis.Client(t)
	master := bulk.NewMaster(rdb, bulk.NewRedisStore(rdb, ""), bulk.NewBell(bulk.RedisTransport(rdb, ""), zerolog.Nop()), bulk.Config{})
	f = f.Sibling(t, func(c *gateway.Config) { c.Jobs = master })
	var routed []string
	for _, rt := range f.Gateway.Table() {
		asset := strings.HasPrefix(rt.Pattern, "/jobs/") // of the page, which is described
		if rt.Method != http.MethodOptions && !asset {
			routed = append(routed, rt.Method+" "+rt.Pattern)
		}
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
