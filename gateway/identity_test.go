package gateway_test

import (
	"bufio"
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/asynctest"
	"geogate/internal/identity"
	"geogate/internal/rate"
)

// people are a gateway on which nobody is trusted for where they are, and those who
// have a credential for it, by name: "Authorization: Bearer …".
type people struct {
	*gatewaytest.Fixture
	keys *identity.Keys
	as   map[string]string
}

func newPeople(t *testing.T, options ...func(*gateway.Config)) *people {
	t.Helper()
	f := gatewaytest.New(t)
	p := &people{keys: identity.NewKeys(f.Redis.Client(t), zerolog.Nop()), as: map[string]string{"anonymous": ""}}
	asynctest.Background(t, p.keys.Run)
	p.Fixture = f.Sibling(t, append([]func(*gateway.Config){func(c *gateway.Config) {
		c.TryingOut = false
		c.Identity = gateway.Identity{
			Authority: identity.New(p.keys, identity.Config{AdminToken: "s3cret"}), HasAdmin: true,
			Anonymous: identity.Geocode, Credentials: gateway.Credentials{Keys: p.keys},
		}
	}}, options...)...)
	p.as["admin"] = gatewaytest.AsAdmin
	for name, role := range map[string]identity.Role{
		"ann": identity.Rider, "bob": identity.Rider, "7": identity.Driver, "8": identity.Driver, "office": identity.Operator,
	} {
		p.as[name] = "Authorization: Bearer " + p.issue(t, role, name)
	}
	return p
}

func (p *people) issue(t *testing.T, role identity.Role, subject string) string {
	t.Helper()
	key, _, err := p.keys.Create(t.Context(), identity.Request{Role: role, Subject: subject})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Wrong credentials are refused even where none is needed, whoever answers.
func TestWrongCredentialsAreRefusedEverywhere(t *testing.T) {
	p := newPeople(t)
	revoked := p.issue(t, identity.Operator, "gone")
	id := strings.Split(revoked, "_")[1]
	if err := p.keys.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	good := strings.TrimPrefix(p.as["office"], "Authorization: Bearer ")
	for name, row := range map[string]struct {
		headers []string
		code    string
	}{
		"revoked":         {[]string{"Authorization: Bearer " + revoked}, "invalid_token"},
		"mistyped":        {[]string{"Authorization: Bearer " + good[:20] + "0" + good[21:] + "x"}, "malformed_key"},
		"another scheme":  {[]string{"Authorization: Basic czpz"}, "invalid_token"},
		"two of them":     {[]string{p.as["office"], p.as["office"]}, "invalid_token"},
		"neither of both": {[]string{"Authorization: Bearer guess"}, "invalid_token"},
	} {
		got := p.Do(t, "GET /api?q=vaduz", "", row.headers...)
		if got.StatusCode != 401 || !strings.Contains(got.Text, row.code) || !strings.Contains(got.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%s = %d %s %q, want 401 %s", name, got.StatusCode, got.Text, got.Header.Get("WWW-Authenticate"), row.code)
		}
	}
	if got := p.Do(t, "GET /api?q=vaduz&access_token="+good, ""); got.StatusCode != 400 {
		t.Errorf("in the query = %d %s, want 400", got.StatusCode, got.Text)
	}
	if got := p.Do(t, "GET /search?q=vaduz&access_token="+good, ""); got.StatusCode != 400 {
		t.Errorf("in the query of a drop-in endpoint = %d %s, want 400", got.StatusCode, got.Text)
	}
}

var requestIDs = regexp.MustCompile(`urn:request:[^"]+`)

// What belongs to somebody else looks exactly like what does not exist.
func TestRidesOfOthersDoNotExist(t *testing.T) {
	p := newPeople(t)
	p.Do(t, "POST /tracking", `{"lat":1,"lng":1}`, p.as["7"])
	ride := p.Do(t, "POST /v2/search", `{"lat":1,"lng":1}`, p.as["ann"])
	var made struct {
		RequestID string `json:"request_id"`
		RiderID   string `json:"rider_id"`
		State     string `json:"state"`
	}
	ride.JSON(t, &made)
	if made.RiderID != "ann" || made.State != "matched" {
		t.Fatalf("ann's ride = %+v, want hers, matched", made)
	}
	id := made.RequestID
	for name, row := range map[string]struct{ who, foreign, unknown, body string }{
		"read a ride":      {"bob", "GET /v2/requests/" + id, "GET /v2/requests/default.x", ""},
		"wait for a ride":  {"bob", "GET /v2/requests/" + id + "?wait=20s", "GET /v2/requests/default.x?wait=20s", ""},
		"follow a ride":    {"bob", "GET /v2/requests/" + id + "/events", "GET /v2/requests/default.x/events", ""},
		"cancel a ride":    {"bob", "POST /v2/cancel", "", `{"request_id":"` + id + `"}`},
		"read as driver":   {"8", "GET /v2/requests/" + id, "GET /v2/requests/default.x", ""},
		"complete a ride":  {"8", "POST /v2/complete", "", `{"request_id":"` + id + `"}`},
		"see their driver": {"bob", "GET /v2/requests/" + id + "/driver", "GET /v2/requests/default.x/driver", ""},
		"cancel by path":   {"bob", "POST /v2/requests/" + id + "/cancel", "POST /v2/requests/default.x/cancel", ""},
		"arrive":           {"8", "POST /v2/requests/" + id + "/arrive", "POST /v2/requests/default.x/arrive", ""},
		"start":            {"8", "POST /v2/requests/" + id + "/start", "POST /v2/requests/default.x/start", ""},
		"complete":         {"8", "POST /v2/requests/" + id + "/complete", "POST /v2/requests/default.x/complete", ""},
		"give back":        {"8", "POST /v2/requests/" + id + "/release", "POST /v2/requests/default.x/release", ""},
		"see a driver":     {"bob", "GET /v2/drivers/7", "GET /v2/drivers/999", ""},
		"see as driver":    {"8", "GET /v2/drivers/7", "GET /v2/drivers/999", ""},
		"erase a driver":   {"8", "DELETE /v2/drivers/7", "DELETE /v2/drivers/999", ""},
		"see offers":       {"8", "GET /v2/drivers/7/offers", "GET /v2/drivers/999/offers", ""},
	} {
		foreign := p.Do(t, row.foreign, row.body, p.as[row.who])
		unknown := p.Do(t, row.unknown, "", p.as[row.who])
		if row.body != "" {
			unknown = p.Do(t, row.foreign, `{"request_id":"default.x"}`, p.as[row.who])
		}
		if foreign.StatusCode != 404 || requestIDs.ReplaceAllString(foreign.Text, "") != requestIDs.ReplaceAllString(unknown.Text, "") {
			t.Errorf("%s: foreign %d %s, unknown %d %s, want the same 404", name, foreign.StatusCode, foreign.Text, unknown.StatusCode, unknown.Text)
		}
	}
	for line, who := range map[string]string{
		"GET /v2/requests/" + id: "ann", "GET /v2/drivers/7": "ann", "HEAD /v2/requests/" + id: "7", "GET /v2/drivers/7/offers": "7",
	} {
		if got := p.Do(t, line, "", p.as[who]); got.StatusCode != 200 {
			t.Errorf("%s as %s = %d %s, want 200", line, who, got.StatusCode, got.Text)
		}
	}
	if got := p.Do(t, "POST /v2/complete", `{"request_id":"`+id+`"}`, p.as["7"]); got.StatusCode != 200 {
		t.Errorf("complete as its driver = %d %s", got.StatusCode, got.Text)
	}
	if got := p.Do(t, "GET /v2/drivers/7", "", p.as["ann"]); got.StatusCode != 404 {
		t.Errorf("the driver after the ride, as its rider = %d, want 404", got.StatusCode)
	}
}

// Nobody acts under another's id.
func TestNobodyActsForOthers(t *testing.T) {
	p := newPeople(t)
	for name, row := range map[string]struct{ who, line, body, want string }{
		"move another driver":  {"7", "POST /tracking", `{"id":"8","lat":1,"lng":1}`, "403 not_yours"},
		"ride as another":      {"ann", "POST /v2/search", `{"lat":1,"lng":1,"rider_id":"bob"}`, "403 not_yours"},
		"among others' drives": {"7", "POST /tracking", `[{"id":"7","lat":1,"lng":1},{"id":"8","lat":1,"lng":1}]`, "200 not_yours"},
		"move as a rider":      {"ann", "POST /tracking", `{"id":"ann","lat":1,"lng":1}`, "403 insufficient_scope"},
		"ride as a driver":     {"7", "POST /v2/search", `{"lat":1,"lng":1}`, "403 insufficient_scope"},
		"move anybody":         {"office", "POST /tracking", `{"id":"8","lat":1,"lng":1}`, "200 accepted"},
	} {
		got := p.Do(t, row.line, row.body, p.as[row.who])
		status, code, _ := strings.Cut(row.want, " ")
		if got.Status[:3] != status || !strings.Contains(got.Text, code) {
			t.Errorf("%s = %d %s, want %s", name, got.StatusCode, got.Text, row.want)
		}
	}
}

// Riders cannot follow a driver who is not theirs from answer to answer.
func TestRidersSeeDriversFromAfar(t *testing.T) {
	p := newPeople(t)
	p.Do(t, "POST /tracking", `{"lat":47.123456,"lng":9.123456}`, p.as["7"])
	search := func(who string) string {
		return p.Do(t, "POST /search", `{"lat":47.123456,"lng":9.123456}`, p.as[who]).Text
	}
	once, again, exact := search("ann"), search("ann"), search("office")
	if strings.Contains(once, `"7"`) || !strings.Contains(once, `"lat":47.123,"lng":9.123`) || !strings.Contains(once, `.000Z"`) {
		t.Errorf("as a rider: %s, want another id, three decimals and whole seconds", once)
	}
	if once == again {
		t.Errorf("the same answer twice: %s", once)
	}
	if !strings.Contains(exact, `"id":"7"`) || !strings.Contains(exact, "47.123456") {
		t.Errorf("as an operator: %s, want the driver as they are", exact)
	}
}

// A stream does not outlive the credential that opened it.
func TestStreamsEndWithTheirCredential(t *testing.T) {
	p := newPeople(t)
	fastest := time.Hour // a busy machine is late now and then
	for range 5 {
		key := p.issue(t, identity.Operator, "console")
		fastest = min(fastest, streamOutlives(t, p, key))
		if strings.Contains(p.Log.String(), key) {
			t.Error("the key is in the log")
		}
		if fastest <= 5*time.Second {
			return
		}
	}
	t.Errorf("the stream ended %v after the key, want within 5 s", fastest)
}

// streamOutlives is for how long a stream goes on when the key that opened it is revoked.
func streamOutlives(t *testing.T, p *people, key string) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/events/stream?access_token="+key, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("stream with access_token: %v, %v", res, err)
	}
	defer func() { _ = res.Body.Close() }()
	began := time.Now()
	if err := p.keys.Revoke(t.Context(), strings.Split(key, "_")[1]); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() { // until the stream ends
	}
	if ctx.Err() != nil {
		t.Fatal("the stream goes on")
	}
	return time.Since(began)
}

// A key has a limit of its own, whatever address it comes from.
func TestKeysHaveLimitsOfTheirOwn(t *testing.T) {
	p := newPeople(t, func(c *gateway.Config) { c.RateLimit = gateway.RateLimit{Requests: 3, Per: time.Hour} })
	ask := func(who string) int { return p.Do(t, "GET /api?q=vaduz", "", p.as[who]).StatusCode }
	for who := range map[string]bool{"ann": true, "bob": true, "anonymous": true} {
		for i := range 4 {
			if got, want := ask(who), map[bool]int{true: 200, false: 429}[i < 3]; got != want {
				t.Errorf("request %d of %s = %d, want %d", i+1, who, got, want)
			}
		}
	}
}

// A key pays for the upstream calls that it causes, and for no others; what is
// cached goes on, and nobody else hears of it.
func TestKeysPayForUpstreamCalls(t *testing.T) {
	p := newPeople(t)
	ledger := identity.NewLedger(p.Redis.Client(t), zerolog.Nop())
	budget := rate.Rate{Requests: 2, Per: 24 * time.Hour}
	key, kept, err := p.keys.Create(t.Context(), identity.Request{Role: identity.Rider, Subject: "app", UpstreamBudget: &budget})
	if err != nil {
		t.Fatal(err)
	}
	paying := p.Sibling(t, func(c *gateway.Config) {
		c.TryingOut = false
		c.Identity = gateway.Identity{Authority: identity.New(p.keys, identity.Config{}), Anonymous: identity.Geocode, Ledger: ledger}
	})
	app := "Authorization: Bearer " + key
	ask := func(q string, headers ...string) gatewaytest.Answer {
		return paying.Do(t, "GET /api?q="+q, "", headers...)
	}
	for i, want := range []int{200, 200, 429} {
		if got := ask([]string{"vaduz", "monaco", "bayreuth"}[i], app); got.StatusCode != want {
			t.Errorf("question %d = %d %s, want %d", i+1, got.StatusCode, got.Text, want)
		} else if want == 429 && (!strings.Contains(got.Text, "upstream_budget_spent") || got.Header.Get("Retry-After") == "") {
			t.Errorf("question %d = %s, Retry-After %q", i+1, got.Text, got.Header.Get("Retry-After"))
		}
	}
	if got := ask("vaduz", app); got.StatusCode != 200 || got.Header.Get("X-Cache") != "HIT" {
		t.Errorf("what is cached = %d %s", got.StatusCode, got.Header.Get("X-Cache"))
	}
	if got := ask("bayreuth"); got.StatusCode != 200 {
		t.Errorf("somebody else = %d %s", got.StatusCode, got.Text)
	}
	if err := ledger.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := p.keys.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range list {
		if want := (identity.Use{Requests: 4, CacheHits: 1, UpstreamCalls: 2}); k.ID == kept.ID && k.Today != want {
			t.Errorf("today = %+v, want %+v", k.Today, want)
		}
	}
}
