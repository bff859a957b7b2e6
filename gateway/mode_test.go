package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/asynctest"
	"geogate/internal/fleet"
)

// newMember adds a gateway to the fleet of f.
func newMember(t *testing.T, f *gatewaytest.Fixture) *gatewaytest.Fixture {
	t.Helper()
	member := fleet.New(f.Redis.Client(t), "test", zerolog.Nop())
	asynctest.Background(t, member.Run)
	s := f.Sibling(t, func(c *gateway.Config) { c.Fleet = member }, gatewaytest.WithAdmin)
	return s
}

type modeAnswer struct {
	Mode       string
	Generation uint64
	Reason     string
	SetBy      string `json:"set_by"`
	SetAt      string `json:"set_at"`
	Members    []struct {
		Name       string
		Generation uint64
	}
}

// What is stored is answered in cached_only, fresh or stale, and says so; what is not
// is refused, and no upstream hears of it. The rest goes on.
func TestCachedOnly(t *testing.T) {
	f := gatewaytest.New(t)
	told, other := newMember(t, f), newMember(t, f)
	other.Do(t, "GET /search?q=vaduz&format=json", "")
	if got := told.Do(t, "GET /readyz", ""); got.Header.Get("X-Geogate-Mode") != "" {
		t.Errorf("normal: X-Geogate-Mode: %s, want none", got.Header.Get("X-Geogate-Mode"))
	}

	var set modeAnswer
	got := told.Do(t, "PUT /admin/mode", `{"mode":"cached_only","reason":"the bill is spent"}`, gatewaytest.AsAdmin)
	if got.JSON(t, &set); got.StatusCode != http.StatusOK || set.Mode != "cached_only" || set.Generation != 1 || set.Reason != "the bill is spent" || set.SetBy != "admin" || set.SetAt == "" {
		t.Errorf("PUT /admin/mode = %d %s", got.StatusCode, got.Text)
	}
	gatewaytest.Eventually(t, "the other member knows", func() error {
		var seen modeAnswer
		got := other.Do(t, "GET /admin/mode", "", gatewaytest.AsAdmin)
		got.JSON(t, &seen)
		if seen.Mode != "cached_only" || len(seen.Members) != 2 || seen.Members[0].Generation+seen.Members[1].Generation != 2 {
			return fmt.Errorf("GET /admin/mode = %s", got.Text)
		}
		return nil
	})
	calls := f.Upstream.Calls()
	for _, row := range []struct{ line, body, want string }{
		{"GET /search?q=vaduz&format=json", "", "200 HIT"},
		{"GET /api?q=vaduz", "", "200 "},
		{"GET /search?q=balzers&format=json", "", "503 asks no geocoder"},
		{"GET /api?q=balzers", "", "503 cached_only"},
		{"GET /reverse?lat=47.1&lon=9.5", "", "503 asks no geocoder"},
		{"POST /v2/search", `{"q":"balzers"}`, "503 cached_only"},
		{"POST /v2/search", `{"lat":47.1,"lng":9.5}`, "200 searching"},
		{"POST /tracking", `{"id":"7","lat":1,"lng":1}`, "200 accepted"},
		{"GET /suggest?q=vad", "", "200 "},
		{"GET /healthz", "", "200 "},
	} {
		got := other.Do(t, row.line, row.body)
		status, code, _ := strings.Cut(row.want, " ")
		if fmt.Sprint(got.StatusCode) != status || !strings.Contains(got.Header.Get("X-Cache")+got.Text, code) {
			t.Errorf("%s %s = %d %s, want %s", row.line, row.body, got.StatusCode, got.Text, row.want)
		}
		if got.Header.Get("X-Geogate-Mode") != "cached_only" {
			t.Errorf("%s: X-Geogate-Mode: %q", row.line, got.Header.Get("X-Geogate-Mode"))
		}
		if got.StatusCode == http.StatusServiceUnavailable {
			if got.Header.Get("Retry-After") == "" {
				t.Errorf("%s: 503 without Retry-After", row.line)
			}
			if row.body == "" && !strings.Contains(got.Header.Get("Cache-Status"), "detail=cached_only") {
				t.Errorf("%s: Cache-Status: %s", row.line, got.Header.Get("Cache-Status"))
			}
		}
	}
	if n := f.Upstream.Calls() - calls; n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
	if !strings.Contains(other.Figures(t), `geogate_mode{mode="cached_only"} 1`) {
		t.Error("/metrics does not tell the mode")
	}

	if got := other.Do(t, "PUT /admin/mode", `{"mode":"normal","if_generation":1}`, gatewaytest.AsAdmin); got.StatusCode != http.StatusOK {
		t.Errorf("back to normal = %d %s", got.StatusCode, got.Text)
	}
	if got := other.Do(t, "GET /search?q=balzers&format=json", ""); got.StatusCode != http.StatusOK || got.Header.Get("X-Geogate-Mode") != "" {
		t.Errorf("normal again: %d, X-Geogate-Mode: %q", got.StatusCode, got.Header.Get("X-Geogate-Mode"))
	}
}

// In read_only no ride begins; what has begun goes on.
func TestReadOnly(t *testing.T) {
	f := newMember(t, gatewaytest.New(t))
	var ride struct {
		ID string `json:"request_id"`
	}
	f.Do(t, "POST /v2/search", `{"lat":1,"lng":1}`).JSON(t, &ride)
	if got := f.Do(t, "PUT /admin/mode", `{"mode":"read_only"}`, gatewaytest.AsAdmin); got.StatusCode != http.StatusOK {
		t.Fatalf("PUT /admin/mode = %d %s", got.StatusCode, got.Text)
	}
	got := f.Do(t, "POST /v2/search", `{"lat":1,"lng":1}`, "Idempotency-Key: once")
	if got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got.Text, `"read_only"`) || got.Header.Get("Retry-After") == "" {
		t.Errorf("a new ride = %d %s", got.StatusCode, got.Text)
	}
	for _, row := range []struct{ line, body string }{
		{"POST /tracking", `{"id":"7","lat":1,"lng":1}`},
		{"GET /v2/requests/" + ride.ID, ""},
		{"POST /search", `{"lat":1,"lng":1}`},
		{"POST /v2/complete", `{"request_id":"` + ride.ID + `"}`},
		{"GET /search?q=vaduz&format=json", ""},
	} {
		if got := f.Do(t, row.line, row.body); got.StatusCode >= 300 || got.Header.Get("X-Geogate-Mode") != "read_only" {
			t.Errorf("%s = %d %s, X-Geogate-Mode: %q", row.line, got.StatusCode, got.Text, got.Header.Get("X-Geogate-Mode"))
		}
	}
	f.Do(t, "PUT /admin/mode", `{"mode":"normal"}`, gatewaytest.AsAdmin)
	if got := f.Do(t, "POST /v2/search", `{"lat":1,"lng":1}`, "Idempotency-Key: once"); got.StatusCode != http.StatusOK {
		t.Errorf("the same order afterwards = %d %s, want 200", got.StatusCode, got.Text)
	}
}

func TestOrdersOfModesThatAreRefused(t *testing.T) {
	f := newMember(t, gatewaytest.New(t))
	f.Do(t, "PUT /admin/mode", `{"mode":"read_only"}`, gatewaytest.AsAdmin)
	for body, want := range map[string]string{
		`{}`:                                   "400 invalid_mode",
		`{"mode":""}`:                          "400 invalid_mode",
		`{"mode":"NORMAL"}`:                    "400 invalid_mode",
		`{"mode":7}`:                           "400 wrong_type",
		`{"mode":"normal","why":"x"}`:          "400 unknown_field",
		`{"mode":"normal","if_generation":-1}`: "400 wrong_type",
		`{"mode":"normal","if_generation":0}`:  `409 "read_only"`,
		`{"mode":"normal","if_generation":2}`:  `409 "generation":1`,
		`{"mode":"normal","reason":"` + strings.Repeat("x", 257) + `"}`: "400 invalid_reason",
		`[]`: "400 ",
	} {
		got := f.Do(t, "PUT /admin/mode", body, gatewaytest.AsAdmin)
		if status, text, _ := strings.Cut(want, " "); fmt.Sprint(got.StatusCode) != status || !strings.Contains(got.Text, text) {
			t.Errorf("%s = %d %s, want %s", body, got.StatusCode, got.Text, want)
		}
	}
	without := f.Sibling(t, gatewaytest.WithAdmin)
	if got := without.Do(t, "PUT /admin/mode", `{"mode":"normal"}`, gatewaytest.AsAdmin); got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without Redis = %d %s, want 503", got.StatusCode, got.Text)
	}
}
