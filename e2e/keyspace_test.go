package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// hostileIDs are names that a client could choose to reach what is not his.
var hostileIDs = []string{
	"drivers", "driver", "default", "*", "?", "[a-z]*", "{x}", "{default}", "{", "}", "}{",
	"..", "../..", "../../avail", "/", `\`, "a:b", ":ride:x", "geogate:{default}:avail", "avail", "counts", "events",
	"' or 1=1", `"`, "$(id)", "%00", "%2e%2e%2f", "a b", " ", "null", "0", "-1", "1e3", "№ 5", "司机", "👩‍🚗",
	"KEYS[1]", "return redis.call('FLUSHALL')", "<script>", strings.Repeat("x", 128), strings.Repeat("界", 42),
}

// TestHostileDriverIDs uses each such id as a driver's and compares all of
// Redis before and after: there is one more driver, and nothing else has
// changed.
func TestHostileDriverIDs(t *testing.T) {
	t.Parallel()
	g, client := startWithState(t)
	for i, id := range hostileIDs {
		t.Run(id, func(t *testing.T) {
			lat := -20 - float64(i)
			before := snapshot(t, client)
			g.track(t, id, lat, 20)
			added, removed := difference(before, snapshot(t, client))
			for _, e := range added {
				if e.member != id && !strings.HasSuffix(e.key, ":driver:"+id) {
					t.Errorf("%q was added to %q", e.member, e.key)
				}
			}
			if len(added) == 0 || len(removed) != 0 {
				t.Errorf("added %d elements and removed %q, want a driver added", len(added), removed)
			}
			got := decode[found](t, g.post(t, "/search", fmt.Sprintf(`{"lat":%v,"lng":20}`, lat)), http.StatusOK)
			if len(got.Drivers) != 1 || got.Drivers[0].ID != id {
				t.Errorf("POST /search = %+v, want driver %q", got, id)
			}
		})
	}
}

// TestHostileRideIDs uses each such id as that of a ride: none of them exists,
// and nothing changes.
func TestHostileRideIDs(t *testing.T) {
	t.Parallel()
	g, client := startWithState(t)
	before := snapshot(t, client)
	for _, id := range hostileIDs {
		for _, c := range []call{
			{http.MethodGet, "/v2/requests/" + url.PathEscape(id), ""},
			{http.MethodPost, "/v2/cancel", requestID(id)},
			{http.MethodPost, "/v2/complete", requestID(id)},
		} {
			if _, err := checkProblem(g.send(t, c.method, c.path, c.body), http.StatusNotFound); err != nil {
				t.Errorf("%s with id %q: %v", c, id, err)
			}
		}
	}
	if diff := cmp.Diff(before, snapshot(t, client)); diff != "" {
		t.Errorf("Redis (-before +after):\n%s", diff)
	}
}

// startWithState starts geogate on a Redis that holds something of everything:
// a cached answer, drivers, a ride under way and one that has ended.
func startWithState(t *testing.T) (*process, *redis.Client) {
	t.Helper()
	server, upstream := redistest.Start(t), upstreamtest.New(t)
	g := start(t, settings("REDIS_URL", "redis://"+server.Addr, "UPSTREAMS", "nominatim+"+upstream.URL, "DRIVER_TTL", "1h"))
	wantPlaces(t, g.get(t, cachedQuery), "MISS")
	g.track(t, "busy", driverLat, driverLng)
	if r := g.requestRide(t); r.State != "matched" {
		t.Fatalf("ride = %+v, want it matched", r)
	}
	g.track(t, "free", driverLat+2, driverLng)
	r := decode[ride](t, g.post(t, "/v2/search", `{"lat":10,"lng":10}`), http.StatusOK)
	g.finish(t, "/v2/cancel", r.RequestID, "cancelled")
	client := server.Client(t)
	eventually(t, patience, "the process has noted what it begins with", func() error {
		if client.Exists(t.Context(), "geogate:schema", "geogate:schema:settings").Val() < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	return g, client
}

// TestRefusedDriverIDs sends ids that must not be stored.
func TestRefusedDriverIDs(t *testing.T) {
	t.Parallel()
	g, client := startWithState(t)
	before := snapshot(t, client)
	for name, id := range map[string]string{
		"empty":            `""`,
		"too long":         `"` + strings.Repeat("x", 129) + `"`,
		"very long":        `"` + strings.Repeat("x", 60_000) + `"`,
		"newline":          `"a\nb"`,
		"carriage return":  `"a\r\nDEL x"`,
		"NUL":              `"a\u0000b"`,
		"escape":           `"\u001b[2J"`,
		"half a surrogate": `"\ud800"`,
		"invalid UTF-8":    "\"\xff\"",
		"fraction":         `1.5`,
		"list":             `["1"]`,
		"null":             `null`,
		"exponent":         `1e3`,
	} {
		t.Run(name, func(t *testing.T) {
			body := fmt.Sprintf(`{"id":%s,"lat":1,"lng":1}`, id)
			wantProblem(t, g.post(t, "/tracking", body), http.StatusBadRequest)
			if diff := cmp.Diff(before, snapshot(t, client)); diff != "" {
				t.Errorf("Redis after a refused position (-before +after):\n%s", diff)
			}
		})
	}
}

// element is a member of a set or sorted set, a field of a hash with its
// value, or a string, with its key.
type element struct{ key, member string }

// snapshot returns what Redis holds. The record of what has happened (streams,
// counts, leases) and the times in sorted sets are left out: they go on
// without anybody touching them.
func snapshot(tb testing.TB, client *redis.Client) map[element]bool {
	tb.Helper()
	ctx := tb.Context()
	content := map[element]bool{}
	scan := client.Scan(ctx, 0, "*", 1000).Iterator()
	for scan.Next(ctx) {
		key := scan.Val()
		if isRecord(key) {
			continue
		}
		members, err := membersOf(ctx, client, key)
		if err != nil {
			tb.Fatalf("read key %q: %v", key, err)
		}
		for _, m := range members {
			content[element{key, m}] = true
		}
	}
	if err := scan.Err(); err != nil {
		tb.Fatal(err)
	}
	return content
}

func isRecord(key string) bool {
	return strings.HasPrefix(key, "geogate:{events}:") || strings.HasSuffix(key, ":events") || strings.HasSuffix(key, ":changes") || strings.HasSuffix(key, ":counts") || strings.Contains(key, ":outbox") || strings.Contains(key, ":claimed:") ||
		key == "geogate:duty" || key == "geogate:schema:settings" || key == "geogate:{fleet}:members"
}

func membersOf(ctx context.Context, client *redis.Client, key string) ([]string, error) {
	kind, err := client.Type(ctx, key).Result()
	if err != nil {
		return nil, err
	}
	switch kind {
	case "hash":
		fields, err := client.HGetAll(ctx, key).Result()
		var members []string
		for name, value := range fields {
			members = append(members, name+"="+value)
		}
		return members, err
	case "set":
		return client.SMembers(ctx, key).Result()
	case "zset":
		return client.ZRange(ctx, key, 0, -1).Result()
	case "string":
		value, err := client.Get(ctx, key).Result()
		return []string{value}, err
	}
	return nil, fmt.Errorf("unexpected type %s", kind)
}

func difference(before, after map[element]bool) (added, removed []element) {
	for e := range after {
		if !before[e] {
			added = append(added, e)
		}
	}
	for e := range before {
		if !after[e] {
			removed = append(removed, e)
		}
	}
	return added, removed
}
