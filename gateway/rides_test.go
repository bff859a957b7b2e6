package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"geogate/upstream/upstreamtest"
)

type rideBody struct {
	RequestID string `json:"request_id"`
	State     string `json:"state"`
	Version   int64  `json:"version"`
	Cache     bool   `json:"cache"`
	Driver    *struct {
		ID        string  `json:"id"`
		DistanceM float64 `json:"distance_m"`
	} `json:"driver"`
	Place *struct {
		DisplayName string `json:"display_name"`
	} `json:"place"`
	ExpiresAt string `json:"expires_at"`
}

const (
	driverInSantiago = `{"id":"1","lat":-33.44091,"lng":-70.6301}`
	riderInSantiago  = `{"lat":-33.44262,"lng":-70.63054}`
)

// The case that the project began with: a driver 200 m away.
func TestNearestDriver(t *testing.T) {
	f := newFixture(t)
	if got := f.do(t, "POST /tracking", driverInSantiago); got.StatusCode != 200 || strings.TrimSpace(got.body) != `{"accepted":1}` {
		t.Fatalf("tracking: %d %s", got.StatusCode, got.body)
	}
	got := f.do(t, "POST /search", `{"lat":-33.44262,"lng":-70.63054,"limit":5}`)
	var found struct {
		Cache   *bool `json:"cache"`
		Drivers []struct {
			ID        string
			Lat, Lng  float64
			DistanceM float64 `json:"distance_m"`
			SeenAt    string  `json:"seen_at"`
		}
	}
	got.json(t, &found)
	if found.Cache == nil || *found.Cache || len(found.Drivers) != 1 {
		t.Fatalf("search = %s, want one driver and cache false", got.body)
	}
	d := found.Drivers[0]
	if d.ID != "1" || d.DistanceM < 190 || d.DistanceM > 200 {
		t.Errorf("driver %q at %g m, want \"1\" at about 194 m", d.ID, d.DistanceM)
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000Z", d.SeenAt); err != nil {
		t.Errorf("seen_at %q is not RFC 3339 in UTC with milliseconds", d.SeenAt)
	}
	if got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("positions may be stored by caches: Cache-Control %q", got.Header.Get("Cache-Control"))
	}
}

func TestOneDriverTwoRiders(t *testing.T) {
	f := newFixture(t)
	f.do(t, "POST /tracking", driverInSantiago)
	rides := make([]rideBody, 2)
	var wg sync.WaitGroup
	for i := range rides {
		wg.Go(func() { f.do(t, "POST /v2/search", riderInSantiago).json(t, &rides[i]) })
	}
	wg.Wait()
	var matched, searching []rideBody
	for _, r := range rides {
		switch r.State {
		case "matched":
			matched = append(matched, r)
		case "searching":
			searching = append(searching, r)
		}
	}
	if len(matched) != 1 || len(searching) != 1 {
		t.Fatalf("states %q and %q, want one matched and one searching", rides[0].State, rides[1].State)
	}
	if matched[0].Driver == nil || matched[0].Driver.ID != "1" || searching[0].Driver != nil {
		t.Errorf("drivers %+v and %+v", matched[0].Driver, searching[0].Driver)
	}

	// The ride that waits gets the driver as soon as the other one is done.
	waited := make(chan answer)
	go func() { // for a change from this version, which may have happened before the request arrives
		waited <- f.do(t, "GET /v2/requests/"+searching[0].RequestID+"?wait=20s", "", `If-None-Match: "1"`)
	}()
	f.do(t, "POST /v2/complete", fmt.Sprintf(`{"request_id":%q}`, matched[0].RequestID))
	var later rideBody
	(<-waited).json(t, &later)
	if later.State != "matched" || later.Driver.ID != "1" {
		t.Errorf("after the first ride ended the second is %s, want matched", later.State)
	}
}

func TestCancel(t *testing.T) {
	f := newFixture(t)
	var ride rideBody
	created := f.do(t, "POST /v2/search", riderInSantiago)
	created.json(t, &ride)
	if created.StatusCode != 200 || created.Header.Get("Location") != "/v2/requests/"+ride.RequestID || ride.State != "searching" || ride.ExpiresAt == "" {
		t.Fatalf("created %d %s, Location %q", created.StatusCode, created.body, created.Header.Get("Location"))
	}
	body := fmt.Sprintf(`{"request_id":%q}`, ride.RequestID)
	first := f.do(t, "POST /v2/cancel", body)
	second := f.do(t, "POST /v2/cancel", body)
	if first.StatusCode != 200 || !strings.Contains(first.body, `"state":"cancelled"`) || second.body != first.body {
		t.Errorf("cancel: %d %s, then %d %s", first.StatusCode, first.body, second.StatusCode, second.body)
	}

	f.do(t, "POST /tracking", driverInSantiago)
	f.do(t, "POST /v2/search", riderInSantiago).json(t, &ride)
	late := f.do(t, "POST /v2/cancel", fmt.Sprintf(`{"request_id":%q}`, ride.RequestID))
	if late.StatusCode != 409 || !strings.Contains(late.body, `"state":"matched"`) {
		t.Errorf("cancel of a matched ride: %d %s, want 409 with its state", late.StatusCode, late.body)
	}
}

// Ids are the client's choice; they must not reach anything but the driver.
func TestHostileIDs(t *testing.T) {
	f := newFixture(t)
	f.do(t, "POST /tracking", driverInSantiago)
	ids := []string{"drivers", "*", "{x}", "geogate:{default}:avail", "../..", "a b", "%", "é", "💥"}
	for _, id := range ids {
		if got := f.do(t, "POST /tracking", fmt.Sprintf(`{"id":%q,"lat":1,"lng":1}`, id)); got.StatusCode != 200 {
			t.Errorf("tracking as %q: %d %s", id, got.StatusCode, got.body)
		}
	}
	var found struct{ Drivers []struct{ ID string } }
	f.do(t, "POST /search", `{"lat":1,"lng":1,"limit":100}`).json(t, &found)
	if len(found.Drivers) != len(ids) {
		t.Errorf("%d drivers found, want %d", len(found.Drivers), len(ids))
	}
	for _, d := range found.Drivers {
		if !slices.Contains(ids, d.ID) {
			t.Errorf("a driver came back as %q", d.ID)
		}
	}
	f.do(t, "POST /search", `{"lat":-33.44262,"lng":-70.63054}`).json(t, &found)
	if len(found.Drivers) != 1 || found.Drivers[0].ID != "1" {
		t.Errorf("the other driver became %+v", found.Drivers)
	}
}

func TestRideFromAnAddress(t *testing.T) {
	f := newFixture(t)
	f.upstream.SetAnswer(&upstreamtest.Fixed{
		ContentType: "application/json; charset=utf-8",
		Body:        `[{"place_id":1,"lat":"47.1392862","lon":"9.5227962","class":"boundary","type":"administrative","display_name":"Vaduz, Liechtenstein"}]`,
	})
	for _, cached := range []bool{false, true} {
		var ride rideBody
		got := f.do(t, "POST /v2/search", `{"q":"Vaduz"}`)
		got.json(t, &ride)
		if got.StatusCode != 200 || ride.Cache != cached || ride.Place == nil || !strings.HasPrefix(ride.Place.DisplayName, "Vaduz") {
			t.Errorf("%d %s, want a ride from Vaduz with cache %t", got.StatusCode, got.body, cached)
		}
	}
}

func TestIdempotencyKey(t *testing.T) {
	f := newFixture(t)
	var first, again rideBody
	f.do(t, "POST /v2/search", riderInSantiago, "Idempotency-Key: k").json(t, &first)
	f.do(t, "POST /v2/search", `{"lon":-70.63054,"lat":-33.44262}`, "Idempotency-Key: k").json(t, &again)
	if first.RequestID == "" || again.RequestID != first.RequestID {
		t.Errorf("the same request under one key gave rides %q and %q", first.RequestID, again.RequestID)
	}
	other := f.do(t, "POST /v2/search", `{"lat":1,"lng":1}`, "Idempotency-Key: k")
	if other.StatusCode != 422 {
		t.Errorf("another request under the key: %d, want 422", other.StatusCode)
	}
	// A request that came to nothing leaves its key free.
	if got := f.do(t, "POST /v2/search", `{"q":"xyzzyqwert nowhere"}`, "Idempotency-Key: n"); got.StatusCode != 422 {
		t.Errorf("address not found: %d", got.StatusCode)
	}
	if got := f.do(t, "POST /v2/search", riderInSantiago, "Idempotency-Key: n"); got.StatusCode != 200 {
		t.Errorf("the key of a failed request: %d %s, want it free", got.StatusCode, got.body)
	}
}

func TestTrackingAnswersForEachPosition(t *testing.T) {
	f := newFixture(t)
	f.do(t, "POST /tracking", `{"id":"old","lat":1,"lng":1,"ts":"2026-01-01T12:00:00Z"}`)
	got := f.do(t, "POST /tracking", `[{"id":"a","lat":1,"lng":1},{"id":"b","lat":91,"lng":1},{"id":7,"lat":1,"lon":1},
		{"id":"old","lat":2,"lng":2,"ts":1767268799999},{"id":"c","lat":1,"lng":1,"speed":1}]`)
	var res struct {
		Accepted int
		Rejected []rejection
	}
	got.json(t, &res)
	if got.StatusCode != 200 || res.Accepted != 2 || len(res.Rejected) != 3 {
		t.Fatalf("%d %s, want 2 accepted and 3 rejected", got.StatusCode, got.body)
	}
	slices.SortFunc(res.Rejected, func(a, b rejection) int { return a.Index - b.Index })
	want := []string{"1 b invalid_position", "3 old older", "4 c unknown_field"}
	for i, no := range res.Rejected {
		if s := fmt.Sprint(no.Index, " ", no.ID, " ", no.Code); s != want[i] {
			t.Errorf("rejected %q, want %q", s, want[i])
		}
	}
	if got := f.do(t, "POST /tracking", `{"id":"old","lat":2,"lng":2,"ts":"2026-01-01T11:59:59.999Z"}`); got.StatusCode != 409 {
		t.Errorf("a single older position: %d, want 409", got.StatusCode)
	}
}

// Without Redis geocoding goes on, dispatch says so, and both recover.
func TestRedisComesAndGoes(t *testing.T) {
	f := newFixture(t)
	f.redis.Stop()
	if got := f.do(t, "GET /search?q=vaduz&format=jsonv2", ""); got.StatusCode != 200 {
		t.Errorf("geocode without Redis: %d %s", got.StatusCode, got.body)
	}
	for _, request := range []string{"POST /tracking", "POST /search", "POST /v2/search"} {
		body := riderInSantiago
		if request == "POST /tracking" {
			body = driverInSantiago
		}
		got := f.do(t, request, body)
		if got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
			t.Errorf("%s without Redis: %d, Retry-After %q", request, got.StatusCode, got.Header.Get("Retry-After"))
		}
	}
	if got := f.do(t, "GET /readyz", ""); got.StatusCode != 200 || !strings.Contains(got.body, `"redis":"down"`) {
		t.Errorf("readyz: %d %s, want 200 and redis down", got.StatusCode, got.body)
	}

	f.redis.Restart(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for f.do(t, "POST /tracking", driverInSantiago).StatusCode != 200 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("dispatch did not recover within 10 s")
		}
	}
}

// With ?wait= an answer is held back until the client's version is an old one.
func TestWaitAndETag(t *testing.T) {
	f := newFixture(t)
	var ride rideBody
	f.do(t, "POST /v2/search", riderInSantiago).json(t, &ride)
	path := "GET /v2/requests/" + ride.RequestID
	tests := []struct {
		name, query, held string
		status            int
	}{
		{"plain", "", "", 200},
		{"the version held", "", `"1"`, 304},
		{"weakly held", "", `W/"1"`, 304},
		{"one of several held", "", `"7", "1"`, 304},
		{"any held", "", "*", 304},
		{"another one held", "", `"0"`, 200},
		{"a wait without a change", "?wait=30ms", "", 200},
		{"a wait in seconds", "?wait=0.03", "", 200},
		{"a wait without a change from the version held", "?wait=30ms", `"1"`, 304},
		{"a wait from an older version does not wait", "?wait=25s", `"0"`, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			started := time.Now()
			got := f.do(t, path+tt.query, "", "If-None-Match: "+tt.held)
			if got.StatusCode != tt.status || got.Header.Get("ETag") != `"1"` || (got.body == "") != (tt.status == 304) {
				t.Errorf("%d %q %s, want %d with ETag \"1\"", got.StatusCode, got.Header.Get("ETag"), got.body, tt.status)
			}
			took := time.Since(started)
			if held := strings.Contains(tt.name, "without a change"); took > 20*time.Second || held && took < 30*time.Millisecond {
				t.Errorf("took %s", took)
			}
		})
	}

	for name, held := range map[string]string{"the version held": `"1"`, "nothing held": ""} {
		t.Run("change from "+name, func(t *testing.T) {
			changed := make(chan answer)
			go func() { changed <- f.do(t, path+"?wait=25s", "", "If-None-Match: "+held) }()
			f.do(t, "POST /v2/cancel", fmt.Sprintf(`{"request_id":%q}`, ride.RequestID))
			if got := <-changed; got.StatusCode != 200 || got.Header.Get("ETag") != `"2"` || !strings.Contains(got.body, `"state":"cancelled"`) {
				t.Errorf("%d %s, want the cancelled ride", got.StatusCode, got.body)
			}
		})
	}
	// Nothing will come after an end: there is nothing to wait for.
	if got := f.do(t, path+"?wait=25s", "", `If-None-Match: "2"`); got.StatusCode != 304 {
		t.Errorf("a wait after the end: %d, want 304 at once", got.StatusCode)
	}
}
