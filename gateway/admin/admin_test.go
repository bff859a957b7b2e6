package admin_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"geogate/gateway/admin"
	"geogate/gateway/gatewaytest"
)

func TestExplain(t *testing.T) {
	f := gatewaytest.New(t, gatewaytest.WithAdmin)
	var before, after admin.Explanation
	const asked = "GET /admin/explain?q=++VADUZ&format=jsonv2"
	f.Do(t, asked, "", gatewaytest.AsAdmin).JSON(t, &before)
	if before.Cached != nil || f.Upstream.Calls() != 0 || before.Provider != "recorded" || !before.Policy.Allowed {
		t.Errorf("before: %+v, %d upstream calls", before, f.Upstream.Calls())
	}
	f.Do(t, "GET "+gatewaytest.Vaduz, "")
	f.Do(t, asked, "", gatewaytest.AsAdmin).JSON(t, &after)
	if after.Cached == nil || after.Key != before.Key || after.Cached.Outcome != "found" || after.Cached.Class != "HIT" {
		t.Errorf("after: %+v, want it cached under the key %q", after, before.Key)
	}
	if got := f.Do(t, "GET /admin/explain?q=a&endpoint=nowhere", "", gatewaytest.AsAdmin); got.StatusCode != 400 {
		t.Errorf("unknown endpoint: %d", got.StatusCode)
	}
}

func TestPurge(t *testing.T) {
	f := gatewaytest.New(t, gatewaytest.WithAdmin)
	other := f.Sibling(t, gatewaytest.WithAdmin)
	var known admin.Explanation
	f.Do(t, "GET /admin/explain?q=vaduz&format=jsonv2", "", gatewaytest.AsAdmin).JSON(t, &known)
	tests := []struct {
		name, order string
		status      int
		gone        bool
	}{
		{"by key", `{"key":` + strconv.Quote(known.Key) + `}`, 204, true},
		{"by query", `{"query":"/search?format=jsonv2&q=Vaduz"}`, 204, true},
		{"by provider", `{"provider":"recorded"}`, 204, true},
		{"by outcome", `{"outcome":"found"}`, 204, true},
		{"all", `{"all":true}`, 204, true},
		{"another key", `{"key":"x"}`, 204, false},
		{"another provider", `{"provider":"x"}`, 204, false},
		{"another outcome", `{"outcome":"empty"}`, 204, false},
		{"nothing", `{}`, 400, false},
		{"two things", `{"all":true,"key":"x"}`, 400, false},
		{"no outcome", `{"outcome":"lost"}`, 400, false},
		{"no query", `{"query":"Vaduz"}`, 400, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.Do(t, "GET "+gatewaytest.Vaduz, "")
			other.Do(t, "GET "+gatewaytest.Vaduz, "")
			if got := f.Do(t, "POST /admin/purge", tt.order, gatewaytest.AsAdmin); got.StatusCode != tt.status {
				t.Fatalf("purge: %d %s, want %d", got.StatusCode, got.Text, tt.status)
			}
			for name, g := range map[string]*gatewaytest.Fixture{"this": f, "the other": other} {
				want := map[bool]int{true: 504, false: 200}[tt.gone]
				gatewaytest.Eventually(t, "it is as it should be in "+name+" process", func() error { // the other one has to hear of it
					if got := g.Do(t, "GET "+gatewaytest.Vaduz, "", "Cache-Control: only-if-cached"); got.StatusCode != want {
						return fmt.Errorf("%d, want %d", got.StatusCode, want)
					}
					return nil
				})
			}
		})
	}
}

func TestStats(t *testing.T) {
	f := gatewaytest.New(t, gatewaytest.WithAdmin)
	for range 3 {
		f.Do(t, "GET "+gatewaytest.Vaduz, "")
	}
	var stats admin.CacheStats
	f.Do(t, "GET /admin/stats", "", gatewaytest.AsAdmin).JSON(t, &stats)
	if stats.Misses != 1 || stats.Hits["memory"] != 2 || len(stats.TopKeys) != 1 || stats.TopKeys[0].Hits != 2 {
		t.Errorf("stats %+v, want one miss and two hits of one key", stats)
	}
	if p := stats.Providers["recorded"]; p.CallsSpent != 1 || p.CallsAvoided != 2 || p.Calls["found"] != 1 {
		t.Errorf("provider %+v, want one call spent and two avoided", p)
	}
}

// What one geogate exports warms the cache of another.
func TestExportAndImport(t *testing.T) {
	f := gatewaytest.New(t, gatewaytest.WithAdmin)
	f.Do(t, "GET "+gatewaytest.Vaduz, "")
	f.Do(t, "GET /search?q=Monaco&format=jsonv2&countrycodes=li", "")
	export := f.Do(t, "GET /admin/export", "", gatewaytest.AsAdmin)
	if lines := strings.Count(export.Text, "\n"); lines != 3 || !strings.HasSuffix(export.Text, "{\"exported\":2,\"withheld\":0}\n") {
		t.Fatalf("export of %d lines: %s", lines, export.Text)
	}
	f.Flush(t)
	fresh := f.Sibling(t, gatewaytest.WithAdmin)
	if got := fresh.Do(t, "POST /admin/import", export.Text, gatewaytest.AsAdmin); strings.TrimSpace(got.Text) != `{"imported":2,"skipped":0}` {
		t.Errorf("import: %d %s", got.StatusCode, got.Text)
	}
	if got := fresh.Do(t, "POST /admin/import", export.Text, gatewaytest.AsAdmin); strings.TrimSpace(got.Text) != `{"imported":0,"skipped":2}` {
		t.Errorf("import again: %d %s", got.StatusCode, got.Text)
	}
	calls := f.Upstream.Calls()
	if got := fresh.Do(t, "GET "+gatewaytest.Vaduz, ""); got.Header.Get("X-Cache") != "HIT" || f.Upstream.Calls() != calls {
		t.Errorf("after the import: %s", got.Header.Get("X-Cache"))
	}
	for name, body := range map[string]string{"no JSON": "x", "unknown field": `{"kee":1}`, "no key": `{"key":""}`} {
		got := fresh.Do(t, "POST /admin/import", body+"\n", gatewaytest.AsAdmin)
		if name != "no key" && got.StatusCode != 400 {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
		if name == "no key" && strings.TrimSpace(got.Text) != `{"imported":0,"skipped":1}` {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.Text)
		}
	}
}
