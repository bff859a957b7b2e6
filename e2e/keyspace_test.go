package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"geogate/internal/redistest"
)

// hostileIDs are names that a client could choose to reach what is not his.
var hostileIDs = []string{
	"drivers", "driver", "default", "*", "?", "[a-z]*", "{x}", "{default}", "{", "}", "}{",
	"..", "../..", "../../avail", "/", `\`, "a:b", ":ride:x", "geogate:{default}:avail", "avail", "counts", "events",
	"' or 1=1", `"`, "$(id)", "%00", "%2e%2e%2f", "a b", " ", "null", "0", "-1", "1e3", "№ 5", "司机", "👩‍🚗",
	"KEYS[1]", "return redis.call('FLUSHALL')", "<script>", strings.Repeat("x", 128), strings.Repeat("界", 42),
}

// TestHostileDriverIDs takes each such id through the life of a driver and
// compares all of Redis before and after.
func TestHostileDriverIDs(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	client := redis.Client(t)
	g := start(t, settings("REDIS_URL", "redis://"+redis.Addr))

	// Something of everything: a cached answer, drivers, a ride under way and one that ended.
	wantPlaces(t, g.get(t, "/search?q=Vaduz"), "MISS")
	g.track(t, "busy", driverLat, driverLng)
	if r := g.requestRide(t); r.driverID() != "busy" {
		t.Fatalf("ride = %+v, want it matched with driver busy", r)
	}
	g.track(t, "free", driverLat+2, driverLng)
	r := decode[ride](t, g.post(t, "/v2/search", `{"lat":10,"lng":10}`), http.StatusOK)
	g.finish(t, "/v2/cancel", r.RequestID, "cancelled")
	// What the first deleted driver brings is there before the comparison.
	g.track(t, "someone", 1, 1)
	g.deleteDriver(t, "someone")

	before := snapshot(t, client)
	for _, id := range hostileIDs {
		t.Run(id, func(t *testing.T) {
			g.track(t, id, -20, 20)
			got := decode[found](t, g.post(t, "/search", `{"lat":-20,"lng":20}`), http.StatusOK)
			if len(got.Drivers) != 1 || got.Drivers[0].ID != id {
				t.Fatalf("POST /search = %+v, want driver %q", got, id)
			}
			path := "/v2/drivers/" + url.PathEscape(id)
			d := decode[struct{ ID, State string }](t, g.get(t, path), http.StatusOK)
			if d.ID != id || d.State != "available" {
				t.Errorf("GET %s = %+v, want driver %q, available", path, d, id)
			}
			during := snapshot(t, client)
			added := slices.Collect(maps.Keys(during))
			added = slices.DeleteFunc(added, func(key string) bool { _, old := before[key]; return old })
			if len(added) != 1 || !strings.HasSuffix(added[0], id) {
				t.Errorf("new keys are %q, want one that ends in the id", added)
			}
			g.deleteDriver(t, id)
			if diff := cmp.Diff(before, snapshot(t, client)); diff != "" {
				t.Errorf("Redis after driver %q (-before +after):\n%s", id, diff)
			}
			wantProblem(t, g.get(t, path), http.StatusNotFound)
		})
	}
}

// TestRefusedDriverIDs sends ids that must not be stored.
func TestRefusedDriverIDs(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	client := redis.Client(t)
	g := start(t, settings("REDIS_URL", "redis://"+redis.Addr))
	g.track(t, "1", driverLat, driverLng)
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

func (p *process) deleteDriver(tb testing.TB, id string) {
	tb.Helper()
	if a := p.send(tb, http.MethodDelete, "/v2/drivers/"+url.PathEscape(id), ""); a.Status/100 != 2 {
		tb.Fatalf("DELETE of driver %q: %s", id, a)
	}
}

// snapshot returns what Redis holds: of each key the members and fields. The
// record of what has happened (streams, counts, leases) and the times in sorted
// sets are left out: they go on without anybody touching them.
func snapshot(tb testing.TB, client *redis.Client) map[string]string {
	tb.Helper()
	ctx := tb.Context()
	content := map[string]string{}
	scan := client.Scan(ctx, 0, "*", 1000).Iterator()
	for scan.Next(ctx) {
		key := scan.Val()
		if record(key) {
			continue
		}
		value, err := dump(ctx, client, key)
		if err != nil {
			tb.Fatalf("read key %q: %v", key, err)
		}
		content[key] = value
	}
	if err := scan.Err(); err != nil {
		tb.Fatal(err)
	}
	return content
}

func record(key string) bool {
	return strings.HasSuffix(key, ":events") || strings.HasSuffix(key, ":counts") || strings.Contains(key, ":outbox")
}

func dump(ctx context.Context, client *redis.Client, key string) (string, error) {
	kind, err := client.Type(ctx, key).Result()
	if err != nil {
		return "", err
	}
	var value any
	switch kind {
	case "hash":
		value, err = client.HGetAll(ctx, key).Result()
	case "set":
		var members []string
		members, err = client.SMembers(ctx, key).Result()
		slices.Sort(members)
		value = members
	case "zset":
		var members []string
		members, err = client.ZRange(ctx, key, 0, -1).Result()
		slices.Sort(members)
		value = members
	case "string":
		value, err = client.Get(ctx, key).Result()
	default:
		return "", fmt.Errorf("unexpected type %s", kind)
	}
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(value)
	return kind + " " + string(text), err
}
