package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// Secrets as an operator sets them, each in the place where it belongs.
const (
	redisPassword    = "redis-hunter2"
	adminToken       = "admin-hunter2"
	upstreamPassword = "password-hunter2"
	upstreamKey      = "key-hunter2"
	anySecret        = "hunter2" // in all of them
)

// secretUpstream is an upstream with both kinds of credentials.
func secretUpstream(kind, base string) string {
	host := strings.TrimPrefix(base, "http://")
	return kind + "+http://someone:" + upstreamPassword + "@" + host + "/?key=" + upstreamKey
}

// told is everything that geogate has let out.
type told struct {
	t    *testing.T
	text strings.Builder
}

func (w *told) add(what, text string) { fmt.Fprintf(&w.text, "== %s\n%s\n", what, text) }

func (w *told) answer(what string, a answer) {
	w.add(what, fmt.Sprintf("%d %v\n%s", a.Status, a.Header, a.Body))
}

// check fails when any secret is in it, in whatever form.
func (w *told) check() {
	w.t.Helper()
	text := w.text.String()
	for _, secret := range []string{anySecret, "cmVkaXMtaHVudGVyMg", "c29tZW9uZTpw"} { // the last two in base64
		for line := range strings.SplitSeq(text, "\n") {
			if strings.Contains(line, secret) {
				w.t.Errorf("tells a secret: %s", line)
			}
		}
	}
}

// askAll sends requests that succeed and such that fail in every layer.
func (w *told) askAll(p *process) {
	w.t.Helper()
	for _, path := range []string{
		"/healthz", "/readyz", "/version", "/metrics", "/admin", "/nope", "/status?format=json",
		cachedQuery, cachedQuery + "&format=xml", "/reverse?lat=1&lon=1&format=json", "/api?q=Vaduz", "/api?lat=abc&lon=1",
		"/v2/requests/x", "/metrics?token=" + "x",
	} {
		w.answer(path, p.get(w.t, path))
	}
	w.answer("metrics, wrong token", p.get(w.t, "/metrics", "Authorization", "Bearer wrong"))
	w.answer("metrics", p.get(w.t, "/metrics", "Authorization", "Bearer "+adminToken))
	for _, c := range dispatchCalls() {
		if !strings.Contains(c.path, "wait=") {
			w.answer(c.String(), p.send(w.t, c.method, c.path, c.body))
		}
	}
}

// TestSecretsStaySecret looks for secrets in all that geogate tells, while all
// is well and while Redis or the geocoder refuses it.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	redis, upstream := redistest.Start(t), upstreamtest.New(t)
	if err := redis.Client(t).ConfigSet(t.Context(), "requirepass", redisPassword).Err(); err != nil {
		t.Fatal(err)
	}
	dead := upstreamtest.New(t)
	dead.Close()
	good := "redis://:" + redisPassword + "@" + redis.Addr
	tests := []struct {
		name, redisURL, upstreams string
		healthy                   bool
	}{
		{"all is well", good, secretUpstream("nominatim", upstream.URL), true},
		{"the geocoder is down", good, secretUpstream("nominatim", dead.URL), false},
		{"redis refuses the password", "redis://someone:" + redisPassword + "@" + redis.Addr, secretUpstream("nominatim", upstream.URL), false},
		{"nobody at the address of redis", "redis://:" + redisPassword + "@127.0.0.1:1", secretUpstream("nominatim", upstream.URL), false},
		{"no such host", "redis://:" + redisPassword + "@nowhere.invalid", "nominatim+http://someone:" + upstreamPassword + "@nowhere.invalid/?key=" + upstreamKey, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &told{t: t}
			vars := settings("REDIS_URL", tt.redisURL, "UPSTREAMS", tt.upstreams, "ADMIN_TOKEN", adminToken, "LOG_LEVEL", "debug")
			for _, args := range [][]string{{"doctor"}, {"doctor", "--json"}, {"--help"}} {
				code, stdout, stderr := execute(t, vars, args...)
				w.add(fmt.Sprint(args), stdout+stderr)
				if args[0] == "doctor" && len(args) < 2 && (code == 0) != tt.healthy {
					t.Errorf("doctor: exit code %d, want healthy %t:\n%s%s", code, tt.healthy, stdout, stderr)
				}
			}
			g := start(t, vars)
			w.askAll(g)
			g.stop(t)
			w.add("stdout", g.Stdout.String())
			w.add("stderr", g.Stderr.String())
			w.check()
		})
	}
}

// TestSecretsInMistakes puts the secrets into settings that are malformed.
func TestSecretsInMistakes(t *testing.T) {
	t.Parallel()
	for name, vars := range map[string]env{
		"scheme of redis":     {"REDIS_URL": "http://:redis-hunter2@localhost"},
		"port of redis":       {"REDIS_URL": "redis://:redis-hunter2@localhost:port"},
		"database of redis":   {"REDIS_URL": "redis://:redis-hunter2@localhost/one"},
		"no URL":              {"REDIS_URL": "redis-hunter2"},
		"escape in redis":     {"REDIS_URL": "redis://:redis-hunter2%zz@localhost"},
		"options of redis":    {"REDIS_URL": "redis://localhost?password=redis-hunter2&read_timeout=x"},
		"cluster":             {"REDIS_URL": "redis://:redis-hunter2@localhost?addr=x:y:z"},
		"kind of upstream":    {"UPSTREAMS": "nonsense+http://a:hunter2@localhost/?key=hunter2"},
		"scheme of upstream":  {"UPSTREAMS": "nominatim+ftp://a:hunter2@localhost/?key=hunter2"},
		"escape in upstream":  {"UPSTREAMS": "nominatim+http://a:hunter2%zz@localhost"},
		"options of upstream": {"UPSTREAMS": "nominatim+http://a:hunter2@localhost/?key=hunter2#rate=fast&nonsense=1"},
		"forgotten kind":      {"UPSTREAMS": "http://a:hunter2@localhost/?key=hunter2"},
		"all wrong":           {"ADMIN_TOKEN": "hunter2", "PORT": "x", "CACHE_TTL": "x", "RATE_LIMIT": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, args := range [][]string{nil, {"doctor"}, {"doctor", "--json"}, {"healthcheck"}} {
				code, stdout, stderr := execute(t, vars, args...)
				if code == 0 {
					t.Errorf("geogate %v: exit code 0", args)
				}
				w := &told{t: t}
				w.add(fmt.Sprint(args), stdout+stderr)
				w.check()
			}
		})
	}
}

// TestAdminToken checks that the token works, and only where it
// belongs: query strings are in the logs of every proxy.
func TestAdminToken(t *testing.T) {
	t.Parallel()
	g := start(t, settings("ADMIN_TOKEN", adminToken))
	if a := g.get(t, "/metrics", "Authorization", "Bearer "+adminToken); a.Status != http.StatusOK ||
		!strings.Contains(string(a.Body), "geogate_http_request_duration_seconds") {
		t.Errorf("metrics with the token: %s", a)
	}
	for name, a := range map[string]answer{
		"no token":     g.get(t, "/metrics"),
		"wrong token":  g.get(t, "/metrics", "Authorization", "Bearer x"),
		"prefix":       g.get(t, "/metrics", "Authorization", "Bearer "+adminToken[:5]),
		"basic":        g.get(t, "/metrics", "Authorization", "Basic "+adminToken),
		"in the query": g.get(t, "/metrics?token="+adminToken),
	} {
		if _, err := checkProblem(a, http.StatusUnauthorized); err != nil {
			t.Errorf("metrics, %s: %v", name, err)
		}
	}
	wantProblem(t, g.get(t, "/metrics?access_token="+adminToken), http.StatusBadRequest)
	closed := start(t, settings())
	wantProblem(t, closed.get(t, "/metrics", "Authorization", "Bearer ", "Via", "1.1 proxy"), http.StatusUnauthorized)
}

// decodeLog returns the lines of a JSON log, banner left out.
func decodeLog(tb testing.TB, stderr string) []map[string]any {
	tb.Helper()
	var lines []map[string]any
	all := strings.Split(strings.TrimRight(stderr, "\n"), "\n")
	first := slices.IndexFunc(all, func(line string) bool { return strings.HasPrefix(line, "{") })
	if first < 0 {
		return nil
	}
	for _, text := range all[first:] {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			tb.Errorf("log line %q: %v", text, err)
			continue
		}
		lines = append(lines, line)
	}
	return lines
}
