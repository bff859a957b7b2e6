package e2e

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"geogate/upstream/upstreamtest"
)

// From another machine everything but geocoding is closed, and the answer says which
// two commands open it.
func TestHintOpensWhatIsClosed(t *testing.T) {
	t.Parallel()
	g := start(t, settings("ANONYMOUS", "geocode", "UPSTREAMS", "nominatim+"+upstreamtest.New(t).URL))
	elsewhere := []string{"X-Forwarded-For", "192.0.2.1"}
	wantPlaces(t, g.get(t, cachedQuery, elsewhere...), "MISS")
	var hint string
	for _, line := range []string{"POST /tracking", "POST /search", "POST /v2/search", "GET /v2/drivers/1", "POST /v2/jobs", "POST /events", "GET /metrics", "GET /admin/keys"} {
		method, target, _ := strings.Cut(line, " ")
		a := g.send(t, method, target, "", elsewhere...)
		p := decode[struct{ Code, Hint string }](t, a, http.StatusUnauthorized)
		if hint = p.Hint; p.Code != "unauthenticated" {
			t.Errorf("%s = %s, want unauthenticated", line, a)
		}
	}
	command, request, found := strings.Cut(hint, "; ")
	arguments, ours := strings.CutPrefix(command, "geogate ")
	if !found || !ours || !strings.HasPrefix(request, "curl -H 'Authorization: Bearer gg_…'") {
		t.Fatalf("hint %q, want a command that issues a key, and one that uses it", hint)
	}
	_, port, err := net.SplitHostPort(g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	code, key, stderr := execute(t, env{"PORT": port}, strings.Fields(arguments)...)
	if code != 0 {
		t.Fatalf("%s: exit code %d, %s", command, code, stderr)
	}
	a := g.send(t, http.MethodPost, "/tracking", `{"id":"1","lat":1,"lng":1}`, append(elsewhere, "Authorization", "Bearer "+strings.TrimSpace(key))...)
	if a.Status != http.StatusOK {
		t.Errorf("with the key: %s", a)
	}
}
