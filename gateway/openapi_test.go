package gateway_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/bulk"
	"geogate/internal/identity"
)

// An operation is one of docs/openapi.yaml: "GET /api" and who may call it.
type operation struct{ name, security string }

// documented reads the operations of docs/openapi.yaml. That the file is valid
// OpenAPI is checked elsewhere.
func documented(t *testing.T) []operation {
	t.Helper()
	text, err := os.ReadFile("../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, paths, found := strings.Cut(string(text), "\npaths:\n")
	if !found {
		t.Fatal("no paths in docs/openapi.yaml")
	}
	line := regexp.MustCompile(`^(  (/[^:]*)|    (get|post|put|delete|options)|      security: (?:&\w+ )?\[(.*)\])(?::|$)`)
	var operations []operation
	path := ""
	for text := range strings.Lines(paths) {
		if text[0] != ' ' && text[0] != '\n' && text[0] != '#' {
			break // the next section
		}
		m := line.FindStringSubmatch(strings.TrimSuffix(text, "\n"))
		switch {
		case m == nil:
		case m[2] != "":
			path = m[2]
		case m[3] != "":
			operations = append(operations, operation{name: strings.ToUpper(m[3]) + " " + path})
		default:
			operations[len(operations)-1].security = m[4]
		}
	}
	return operations
}

// security is how the description writes who may call a route: any of its scopes
// will do. What callers may do without a credential, unless the operator says
// otherwise, is to geocode.
func security(rt gateway.RouteView) string {
	if rt.Public {
		return ""
	}
	var ways []string
	for _, scheme := range []string{"bearer", "accessToken"} {
		if scheme == "accessToken" && !rt.Streams {
			continue
		}
		for scope := range strings.FieldsSeq(rt.Scope.String()) {
			ways = append(ways, "{"+scheme+": ["+scope+"]}")
		}
	}
	if rt.Scope == identity.Geocode {
		ways = append(ways, "{}")
	}
	return strings.Join(ways, ", ")
}

// The API description knows every route with its scopes, and no other.
func TestOpenAPIMatchesRoutes(t *testing.T) {
	f := gatewaytest.New(t)
	rdb := f.Redis.Client(t)
	master := bulk.NewMaster(rdb, bulk.NewRedisStore(rdb, ""), bulk.NewBell(bulk.RedisTransport(rdb, ""), zerolog.Nop()), bulk.Config{})
	f = f.Sibling(t, func(c *gateway.Config) { c.Jobs = master })
	routed := map[string]string{}
	for _, rt := range f.Gateway.Table() {
		asset := strings.HasPrefix(rt.Pattern, "/docs/") || strings.HasPrefix(rt.Pattern, "/console/") // of a page, which is described
		if rt.Method != http.MethodOptions && !asset {
			routed[rt.Method+" "+rt.Pattern] = security(rt)
		}
	}
	described := map[string]bool{}
	for _, op := range documented(t) {
		described[op.name] = true
		security, found := routed[op.name]
		switch {
		case !found:
			t.Errorf("docs/openapi.yaml describes %s, which is no route", op.name)
		case op.security != security:
			t.Errorf("docs/openapi.yaml says of %s: security: [%s], want [%s]", op.name, op.security, security)
		}
	}
	for name := range routed {
		if !described[name] {
			t.Errorf("docs/openapi.yaml does not describe %s", name)
		}
	}
}
