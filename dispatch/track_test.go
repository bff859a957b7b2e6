package dispatch_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/geo"
)

func TestTrackRejectsEachForItself(t *testing.T) {
	now := time.Now()
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		later := at("mono", santiago)
		later.Time = now
		track(t, e, later)

		with := func(p dispatch.Position, change func(p *dispatch.Position)) dispatch.Position {
			change(&p)
			return p
		}
		positions := []struct {
			name string
			p    dispatch.Position
			code string // empty: accepted
		}{
			{"plain", at("1", santiago), ""},
			{"no id", at("", santiago), "invalid_id"},
			{"longest id", at(strings.Repeat("i", 128), santiago), ""},
			{"too long an id", at(strings.Repeat("i", 129), santiago), "invalid_id"},
			{"ten thousand bytes of id", at(strings.Repeat("i", 10_000), santiago), "invalid_id"},
			{"NUL in the id", at("a\x00b", santiago), "invalid_id"},
			{"id not UTF-8", at("a\xff", santiago), "invalid_id"},
			{"NaN", at("2", geo.Point{Lat: math.NaN(), Lon: 1}), "invalid_position"},
			{"infinite", at("2", geo.Point{Lat: 1, Lon: math.Inf(-1)}), "invalid_position"},
			{"latitude 91", at("2", geo.Point{Lat: 91}), "invalid_position"},
			{"longitude 181", at("2", geo.Point{Lon: 181}), "invalid_position"},
			{"last indexable latitude", at("n", geo.Point{Lat: geo.MaxMercatorLat, Lon: 180}), ""},
			{"beyond it", at("2", geo.Point{Lat: 85.0512}), "invalid_position"},
			{"southern edge", at("s", geo.Point{Lat: -geo.MaxMercatorLat, Lon: -180}), ""},
			{"region with a brace", with(at("2", santiago), func(p *dispatch.Position) { p.Region = "a{" }), "unknown_region"},
			{"tag with a line feed", with(at("2", santiago), func(p *dispatch.Position) { p.Tags = &[]string{"a\nb"} }), "invalid_tags"},
			{"17 tags", with(at("2", santiago), func(p *dispatch.Position) { tags := slices.Repeat([]string{"t"}, 17); p.Tags = &tags }), "invalid_tags"},
			{"vehicle too long", with(at("2", santiago), func(p *dispatch.Position) { v := strings.Repeat("v", 65); p.Vehicle = &v }), "invalid_vehicle"},
			{"older", with(at("mono", north(100)), func(p *dispatch.Position) { p.Time = now.Add(-time.Millisecond) }), "older"},
			{"same time", with(at("mono", north(1)), func(p *dispatch.Position) { p.Time = now }), ""},
			{"not said when", at("mono", north(2)), ""},
			{"next year", with(at("mono", north(3)), func(p *dispatch.Position) { p.Time = now.AddDate(1, 0, 0) }), "future"},
			{"before 1970", with(at("old", north(3)), func(p *dispatch.Position) { p.Time = time.UnixMilli(-5) }), ""},
		}
		var all []dispatch.Position
		for _, tt := range positions {
			all = append(all, tt.p)
		}
		result, err := e.Track(t.Context(), all)
		if err != nil {
			t.Fatal(err)
		}
		codes := make(map[int]string)
		for _, r := range result.Rejected {
			codes[r.Index] = r.Code
			if r.ID != all[r.Index].ID || r.Detail == "" {
				t.Errorf("rejection %+v, want the id of its position and a detail", r)
			}
		}
		for i, tt := range positions {
			if codes[i] != tt.code {
				t.Errorf("%s: code %q, want %q", tt.name, codes[i], tt.code)
			}
		}
		if result.Accepted+len(result.Rejected) != len(all) {
			t.Errorf("%d accepted and %d rejected of %d", result.Accepted, len(result.Rejected), len(all))
		}
		if d := driver(t, e, "mono"); d.Point != north(2) {
			t.Errorf("driver stands at %v, want %v", d.Point, north(2))
		}
	})
}

func TestTrackTenThousand(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{RedisTimeout: time.Minute}) // other tests keep the machine busy
		all := make([]dispatch.Position, 10_000)
		for i := range all {
			all[i] = at(fmt.Sprint(i), north(float64(i)/10))
		}
		all[9_000].ID = ""
		result, err := e.Track(t.Context(), all)
		if err != nil || result.Accepted != 9_999 || len(result.Rejected) != 1 || result.Rejected[0].Index != 9_000 {
			t.Fatalf("Track = %+v, %v, want all but number 9000", result, err)
		}
		if n := rdb.ZCard(t.Context(), "geogate:{default}:avail").Val(); n != 9_999 {
			t.Errorf("%d drivers on the map, want 9999", n)
		}
	})
}

// Ids are the client's choice: they must name that driver and nothing else.
func TestIDsTouchOnlyThemselves(t *testing.T) {
	ids := []string{"drivers", "*", "{x}", "}", "a b", "avail", "1:ride", "ü", "-", "=", "KEYS[1]", "%d", "driver:1", strings.Repeat("{", 128)}
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{})
		rdb.Set(ctx, "drivers", "mine", 0)
		for i, id := range ids {
			track(t, e, at(id, north(float64(10*i))))
		}
		want := []string{"drivers", "geogate:{default}:avail", "geogate:{default}:changes", "geogate:{default}:counts", "geogate:{default}:drivers:available", "geogate:{default}:events", "geogate:{default}:moved", "geogate:{default}:watch"}
		for _, id := range ids {
			want = append(want, "geogate:{default}:driver:"+id)
		}
		slices.Sort(want)
		got := keys(t, rdb)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("keys differ (want, got):\n%s", diff)
		}
		if v := rdb.Get(ctx, "drivers").Val(); v != "mine" {
			t.Errorf("somebody else's key holds %q", v)
		}
		for i, id := range ids {
			if d := driver(t, e, id); d.ID != id || d.Point != north(float64(10*i)) {
				t.Errorf("Driver(%q) = %+v", id, d)
			}
			ride := request(t, e, north(float64(10*i)))
			if ride.Driver == nil || ride.Driver.DriverID != id {
				t.Errorf("ride at %q = %+v, want that driver", id, ride)
			}
		}
	})
}

func TestTrackKeepsVehicleAndTags(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		set := func(vehicle *string, tags *[]string) {
			t.Helper()
			p := at("1", santiago)
			p.Vehicle, p.Tags = vehicle, tags
			track(t, e, p)
		}
		found := func(vehicle string, tags ...string) bool {
			t.Helper()
			got, _, err := e.Nearest(t.Context(), dispatch.NearestQuery{Point: santiago, RadiusM: 1000, Limit: 1, Vehicle: vehicle, Tags: tags})
			if err != nil {
				t.Fatal(err)
			}
			return len(got) == 1
		}
		set(new("van"), &[]string{"xl", "child seat"})
		set(nil, nil)
		if d := driver(t, e, "1"); d.Vehicle != "van" || !slices.Equal(d.Tags, []string{"xl", "child seat"}) {
			t.Errorf("driver = %+v, want vehicle and tags kept", d)
		}
		if !found("van", "child seat", "xl") || found("car") || found("", "x") || found("van", "xl", "child") {
			t.Error("filters by vehicle and tags do not hold")
		}
		set(new("car"), &[]string{})
		if !found("car") || found("van") || found("", "xl") {
			t.Error("filters still go by the old vehicle or tags")
		}
		if n := rdb.Exists(t.Context(), "geogate:{default}:avail:v:van", "geogate:{default}:avail:t:xl").Val(); n != 0 {
			t.Errorf("%d indexes of former vehicles and tags left", n)
		}
	})
}
