package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/dispatch"
	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/asynctest"
	"geogate/internal/bulk"
	"geogate/internal/fleet"
	"geogate/internal/identity"
	"geogate/internal/identity/identitytest"
	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// roles are those of the callers of a trial, in the order of trial.want.
var roles = []struct {
	name string
	role identity.Role
}{
	{"anonymous", ""}, {"ann", identity.Rider}, {"bob", identity.Rider}, {"7", identity.Driver}, {"8", identity.Driver},
	{"office", identity.Operator}, {"admin", identity.Administrator},
}

// Who may do what, and with whose things: each route of the program, asked by
// everybody.
func TestWhoMayDoWhat(t *testing.T) {
	h := newHouse(t)
	tried := map[string]bool{}
	for _, rt := range h.Gateway.Table() {
		if rt.Method == http.MethodOptions {
			continue
		}
		name := rt.Method + " " + strings.TrimSuffix(rt.Pattern, ".php")
		tried[name] = true
		if access[name] == nil {
			t.Errorf("nobody knows who may do what at %s. Add this line to access in gateway/access_rows_test.go, with 404 where somebody asks for what is not theirs:\n\t%q: {{want: %q}},",
				name, name, suggestion(rt))
		}
		for i, tr := range access[name] {
			t.Run(fmt.Sprintf("%s %s %d", rt.Method, rt.Pattern, i), func(t *testing.T) {
				t.Parallel()
				h.try(t, rt, tr)
			})
		}
	}
	for name := range access {
		if !tried[name] {
			t.Errorf("%s is in access, but no route", name)
		}
	}
}

// suggestion is what a route is likely to want: it knows scopes, but not whose
// things are touched.
func suggestion(rt gateway.RouteView) string {
	var want []string
	for _, who := range roles {
		scopes := who.role.Scopes()
		if who.role == "" {
			scopes = identity.Geocode
		}
		switch {
		case rt.Public || scopes&rt.Scope != 0:
			want = append(want, "200")
		case who.role == "":
			want = append(want, "401")
		default:
			want = append(want, "403")
		}
	}
	return strings.Join(want, " ")
}

// house is a gateway of everybody's.
type house struct {
	*gatewaytest.Fixture
	minter *identity.Minter
	keys   *identity.Keys
	wrong  map[string]string // credentials that are none, by what is wrong with them
	afar   *http.Client      // whose address does not count for the others
	worlds atomic.Int64
}

func newHouse(t testing.TB) *house {
	t.Helper()
	minter, err := identity.NewMinter("0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	f := &gatewaytest.Fixture{Redis: redistest.Start(t), Upstream: upstreamtest.New(t), Dispatch: dispatch.Config{OfferTTL: time.Hour}}
	rdb := f.Redis.Client(t)
	provider := identitytest.NewProvider(t)
	h := &house{minter: minter, keys: identity.NewKeys(rdb, zerolog.Nop())}
	authority := identity.New(h.keys, identity.Config{
		AdminToken: "s3cret", Minter: minter, Log: zerolog.Nop(),
		Provider: identity.ProviderConfig{Issuer: provider.URL, Audience: identitytest.Audience},
	})
	asynctest.Background(t, authority.Run)
	master := bulk.NewMaster(rdb, bulk.NewRedisStore(rdb, ""), bulk.NewBell(bulk.RedisTransport(rdb, ""), zerolog.Nop()), bulk.Config{})
	h.Fixture = f.Sibling(t, func(c *gateway.Config) {
		c.TryingOut, c.Jobs, c.Fleet = false, master, fleet.New(rdb, "test", zerolog.Nop())
		c.Identity = gateway.Identity{
			Authority: authority, HasAdmin: true, Anonymous: identity.Geocode,
			Credentials: gateway.Credentials{Keys: h.keys, Minter: minter},
		}
	})
	h.wrong = wrongCredentials(t, h.keys, provider)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	h.afar = &http.Client{Transport: transport}
	return h
}

// wrongCredentials are of those who had something once, or have something of
// somebody else's.
func wrongCredentials(t testing.TB, keys *identity.Keys, provider *identitytest.Provider) map[string]string {
	t.Helper()
	issue := func() (key, id string) {
		key, kept, err := keys.Create(t.Context(), identity.Request{Role: identity.Operator, Subject: "office"})
		if err != nil {
			t.Fatal(err)
		}
		return key, kept.ID
	}
	revoked, id := issue()
	if err := keys.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	// What another geogate has issued is well-formed here.
	other := identity.NewKeys(redistest.Start(t).Client(t), zerolog.Nop())
	wrong, _, err := other.Create(t.Context(), identity.Request{Role: identity.Operator, Subject: "office"})
	if err != nil {
		t.Fatal(err)
	}
	operator := func(name string, value any) string {
		return provider.Token(t, map[string]any{"roles": "operator", name: value})
	}
	return map[string]string{
		"a wrong key": wrong, "a revoked key": revoked,
		"an expired token":          operator("exp", time.Now().Add(-2*time.Minute).Unix()),
		"a token of another issuer": operator("iss", "https://elsewhere.example"),
		"a token for others":        operator("aud", "shop"),
	}
}

// try asks for rt as everybody.
func (h *house) try(t *testing.T, rt gateway.RouteView, tr trial) {
	t.Helper()
	statuses := strings.Fields(tr.want)
	if len(statuses) != len(roles) {
		t.Fatalf("%q has %d statuses, want one for each of %v", tr.want, len(statuses), roles)
	}
	for i, want := range statuses {
		who := roles[i].name
		w := h.newWorld(t, rt, tr)
		ask := w.request(rt, tr)
		got := h.send(t, ask, w.as[who], rt.Streams, w.names.Replace(tr.shows))
		w.check(t, who, ask, got, want, tr.shows)
		if want == "404" || want == "403!" {
			w.names = w.strangers
			if none := h.send(t, w.request(rt, tr), w.as[who], rt.Streams, ""); got.plain() != none.plain() {
				t.Errorf("%s as %s: somebody else's\n%s\nunknown\n%s\nwant the same", ask, who, got.plain(), none.plain())
			}
			continue
		}
		if rt.Method == http.MethodGet {
			ask.method = http.MethodHead
			if head := h.send(t, ask, w.as[who], rt.Streams, ""); head.status != got.status {
				t.Errorf("%s as %s = %d, as GET %d", ask, who, head.status, got.status)
			}
		}
	}
	none := &world{names: h.strangersOf(0)}
	ask := none.request(rt, tr)
	for name, credential := range h.wrong {
		got := h.sendFrom(t, h.afar, ask, credential, rt.Streams, "")
		switch probe := rt.Public && rt.Exempt; {
		case probe && got.status != 200:
			t.Errorf("%s with %s = %d, want 200: it looks at no credential", ask, name, got.status)
		case !probe && (got.status != 401 || !strings.Contains(got.header.Get("WWW-Authenticate"), `error="invalid_token"`)):
			t.Errorf("%s with %s = %d %s, want 401 invalid_token", ask, name, got.status, got.text)
		}
	}
	h.tryQuery(t, rt, ask)
}

// tryQuery asks with a credential in the query, where only streams take one.
func (h *house) tryQuery(t *testing.T, rt gateway.RouteView, ask request) {
	t.Helper()
	separator := "?"
	if strings.Contains(ask.target, "?") {
		separator = "&"
	}
	ask.target += separator + "access_token=" + strings.TrimPrefix(gatewaytest.AsAdmin, "Authorization: Bearer ")
	got := h.send(t, ask, "", rt.Streams, "")
	switch {
	case rt.Streams && (got.status == 400 || got.status == 401):
		t.Errorf("%s with a credential in the query = %d %s, want it taken", ask, got.status, got.text)
	case !rt.Streams && got.status != 400 && (!rt.Public || !rt.Exempt):
		t.Errorf("%s with a credential in the query = %d %s, want 400", ask, got.status, got.text)
	}
}

type request struct{ method, target, body string }

func (r request) String() string { return r.method + " " + r.target + " " + r.body }

func (w *world) request(rt gateway.RouteView, tr trial) request {
	return request{rt.Method, w.names.Replace(targetOf(rt) + tr.query), w.names.Replace(tr.body)}
}

type answer struct {
	status int
	header http.Header
	text   string
}

// plain is all of an answer but what is new each time.
func (a answer) plain() string {
	h := a.header.Clone()
	for _, name := range []string{"Date", "X-Request-Id"} {
		h.Del(name)
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, a.status)
	_ = h.Write(&b)
	return b.String() + requestIDs.ReplaceAllString(a.text, "")
}

// check compares an answer with what a row of the table says about it.
func (w *world) check(t *testing.T, who string, ask request, got answer, want, shows string) {
	t.Helper()
	code := map[string]string{"401": "unauthenticated", "403": "insufficient_scope", "403!": "not_yours", "404": "not_found"}[want]
	if fmt.Sprint(got.status) != strings.TrimSuffix(want, "!") || !strings.Contains(got.text, code) {
		t.Errorf("%s as %s = %d %s, want %s %s", ask, who, got.status, got.text, want, code)
		return
	}
	if want == "200" && !strings.Contains(got.text, w.names.Replace(shows)) {
		t.Errorf("%s as %s = %s, want %s in it", ask, who, got.text, w.names.Replace(shows))
	}
	challenge := got.header.Get("WWW-Authenticate")
	switch wanted := map[string]string{"401": `Bearer realm="geogate"`, "403": `error="insufficient_scope"`}[want]; {
	case wanted != "" && !strings.Contains(challenge, wanted), wanted == "" && challenge != "":
		t.Errorf("%s as %s: WWW-Authenticate %q, want %q", ask, who, challenge, wanted)
	}
}

// send returns an answer; of a stream, what comes until it shows something.
func (h *house) send(t testing.TB, ask request, credential string, streams bool, shows string) answer {
	t.Helper()
	return h.sendFrom(t, h.Client(), ask, credential, streams, shows)
}

func (h *house) sendFrom(t testing.TB, from *http.Client, ask request, credential string, streams bool, shows string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, ask.method, h.URL+ask.target, strings.NewReader(ask.body))
	if err != nil {
		t.Fatal(err)
	}
	if credential != "" {
		req.Header.Set("Authorization", "Bearer "+credential)
	}
	if ask.target == "/v2/jobs" {
		req.Header.Set("Content-Type", "text/csv")
	}
	res, err := from.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", ask, err)
	}
	defer func() { _ = res.Body.Close() }()
	got := answer{res.StatusCode, res.Header, ""}
	if !streams || res.StatusCode != 200 || ask.method == http.MethodHead {
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatalf("%s: %v", ask, err)
		}
		got.text = string(text)
		return got
	}
	for piece := make([]byte, 4096); err == nil && !strings.Contains(got.text, shows); {
		var n int
		n, err = res.Body.Read(piece)
		got.text += string(piece[:n])
	}
	return got
}
