package rides_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"geogate/gateway/gatewaytest"
	"geogate/gateway/rides"
	"geogate/upstream/upstreamtest"
)

// The case that the project began with: a driver 200 m away.
func TestNearestDriver(t *testing.T) {
	f := gatewaytest.New(t)
	if got := f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago); got.StatusCode != 200 || strings.TrimSpace(got.Text) != `{"accepted":1}` {
		t.Fatalf("tracking: %d %s", got.StatusCode, got.Text)
	}
	got := f.Do(t, "POST /search", `{"lat":-33.44262,"lng":-70.63054,"limit":5}`)
	var found struct {
		Cache   *bool `json:"cache"`
		Drivers []struct {
			ID        string
			Lat, Lng  float64
			DistanceM float64 `json:"distance_m"`
			SeenAt    string  `json:"seen_at"`
		}
	}
	got.JSON(t, &found)
	if found.Cache == nil || *found.Cache || len(found.Drivers) != 1 {
		t.Fatalf("search = %s, want one driver and cache false", got.Text)
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
	f := gatewaytest.New(t)
	f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago)
	rides := make([]gatewaytest.Ride, 2)
	var wg sync.WaitGroup
	for i := range rides {
		wg.Go(func() { f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &rides[i]) })
	}
	wg.Wait()
	var matched, searching []gatewaytest.Ride
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
	waited := make(chan gatewaytest.Answer)
	path := "GET /v2/requests/" + searching[0].RequestID
	held := f.Do(t, path, "").Header.Get("ETag")
	go func() { waited <- f.Do(t, path+"?wait=20s", "", "If-None-Match: "+held) }()
	f.Do(t, "POST /v2/complete", fmt.Sprintf(`{"request_id":%q}`, matched[0].RequestID))
	var later gatewaytest.Ride
	(<-waited).JSON(t, &later)
	if later.State != "matched" || later.Driver.ID != "1" {
		t.Errorf("after the first ride ended the second is %s, want matched", later.State)
	}
}

func TestCancel(t *testing.T) {
	f := gatewaytest.New(t)
	var ride gatewaytest.Ride
	created := f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago)
	created.JSON(t, &ride)
	if created.StatusCode != 200 || created.Header.Get("Location") != "/v2/requests/"+ride.RequestID || ride.State != "searching" || ride.ExpiresAt == "" {
		t.Fatalf("created %d %s, Location %q", created.StatusCode, created.Text, created.Header.Get("Location"))
	}
	body := fmt.Sprintf(`{"request_id":%q}`, ride.RequestID)
	first := f.Do(t, "POST /v2/cancel", body)
	second := f.Do(t, "POST /v2/cancel", body)
	if first.StatusCode != 200 || !strings.Contains(first.Text, `"state":"cancelled"`) || second.Text != first.Text {
		t.Errorf("cancel: %d %s, then %d %s", first.StatusCode, first.Text, second.StatusCode, second.Text)
	}

	f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago)
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)
	f.Do(t, "POST /v2/requests/"+ride.RequestID+"/start", `{"driver_id":"1"}`)
	late := f.Do(t, "POST /v2/cancel", fmt.Sprintf(`{"request_id":%q}`, ride.RequestID))
	if late.StatusCode != 409 || !strings.Contains(late.Text, `"state":"started"`) {
		t.Errorf("cancel of a started ride: %d %s, want 409 with its state", late.StatusCode, late.Text)
	}
}

// Ids are the client's choice; they must not reach anything but the driver.
func TestHostileIDs(t *testing.T) {
	f := gatewaytest.New(t)
	f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago)
	ids := []string{"drivers", "*", "{x}", "geogate:{default}:avail", "../..", "a b", "%", "é", "💥"}
	for _, id := range ids {
		if got := f.Do(t, "POST /tracking", fmt.Sprintf(`{"id":%q,"lat":1,"lng":1}`, id)); got.StatusCode != 200 {
			t.Errorf("tracking as %q: %d %s", id, got.StatusCode, got.Text)
		}
	}
	var found struct{ Drivers []struct{ ID string } }
	f.Do(t, "POST /search", `{"lat":1,"lng":1,"limit":100}`).JSON(t, &found)
	if len(found.Drivers) != len(ids) {
		t.Errorf("%d drivers found, want %d", len(found.Drivers), len(ids))
	}
	for _, d := range found.Drivers {
		if !slices.Contains(ids, d.ID) {
			t.Errorf("a driver came back as %q", d.ID)
		}
	}
	f.Do(t, "POST /search", `{"lat":-33.44262,"lng":-70.63054}`).JSON(t, &found)
	if len(found.Drivers) != 1 || found.Drivers[0].ID != "1" {
		t.Errorf("the other driver became %+v", found.Drivers)
	}
}

func TestRideFromAnAddress(t *testing.T) {
	f := gatewaytest.New(t)
	f.Upstream.SetAnswer(&upstreamtest.Fixed{
		ContentType: "application/json; charset=utf-8",
		Body:        `[{"place_id":1,"lat":"47.1392862","lon":"9.5227962","class":"boundary","type":"administrative","display_name":"Vaduz, Liechtenstein"}]`,
	})
	for _, cached := range []bool{false, true} {
		var ride gatewaytest.Ride
		got := f.Do(t, "POST /v2/search", `{"q":"Vaduz"}`)
		got.JSON(t, &ride)
		if got.StatusCode != 200 || ride.Cache != cached || ride.Place == nil || !strings.HasPrefix(ride.Place.DisplayName, "Vaduz") {
			t.Errorf("%d %s, want a ride from Vaduz with cache %t", got.StatusCode, got.Text, cached)
		}
	}
}

func TestIdempotencyKey(t *testing.T) {
	f := gatewaytest.New(t)
	var first, again gatewaytest.Ride
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago, "Idempotency-Key: k").JSON(t, &first)
	f.Do(t, "POST /v2/search", `{"lon":-70.63054,"lat":-33.44262}`, "Idempotency-Key: k").JSON(t, &again)
	if first.RequestID == "" || again.RequestID != first.RequestID {
		t.Errorf("the same request under one key gave rides %q and %q", first.RequestID, again.RequestID)
	}
	other := f.Do(t, "POST /v2/search", `{"lat":1,"lng":1}`, "Idempotency-Key: k")
	if other.StatusCode != 422 {
		t.Errorf("another request under the key: %d, want 422", other.StatusCode)
	}
	// A request that came to nothing leaves its key free.
	if got := f.Do(t, "POST /v2/search", `{"q":"xyzzyqwert nowhere"}`, "Idempotency-Key: n"); got.StatusCode != 422 {
		t.Errorf("address not found: %d", got.StatusCode)
	}
	if got := f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago, "Idempotency-Key: n"); got.StatusCode != 200 {
		t.Errorf("the key of a failed request: %d %s, want it free", got.StatusCode, got.Text)
	}
}

func TestTrackingAnswersForEachPosition(t *testing.T) {
	f := gatewaytest.New(t)
	f.Do(t, "POST /tracking", `{"id":"old","lat":1,"lng":1,"ts":"2026-01-01T12:00:00Z"}`)
	got := f.Do(t, "POST /tracking", `[{"id":"a","lat":1,"lng":1},{"id":"b","lat":91,"lng":1},{"id":7,"lat":1,"lon":1},
		{"id":"old","lat":2,"lng":2,"ts":1767268799999},{"id":"c","lat":1,"lng":1,"colour":1}]`)
	var res struct {
		Accepted int
		Rejected []rides.Rejection
	}
	got.JSON(t, &res)
	if got.StatusCode != 200 || res.Accepted != 2 || len(res.Rejected) != 3 {
		t.Fatalf("%d %s, want 2 accepted and 3 rejected", got.StatusCode, got.Text)
	}
	slices.SortFunc(res.Rejected, func(a, b rides.Rejection) int { return a.Index - b.Index })
	want := []string{"1 b invalid_position", "3 old older", "4 c unknown_field"}
	for i, no := range res.Rejected {
		if s := fmt.Sprint(no.Index, " ", no.ID, " ", no.Code); s != want[i] {
			t.Errorf("rejected %q, want %q", s, want[i])
		}
	}
	if got := f.Do(t, "POST /tracking", `{"id":"old","lat":2,"lng":2,"ts":"2026-01-01T11:59:59.999Z"}`); got.StatusCode != 409 {
		t.Errorf("a single older position: %d, want 409", got.StatusCode)
	}
}

// Without Redis geocoding goes on, dispatch says so, and both recover.
func TestRedisComesAndGoes(t *testing.T) {
	f := gatewaytest.New(t)
	f.Redis.Stop()
	if got := f.Do(t, "GET /search?q=vaduz&format=jsonv2", ""); got.StatusCode != 200 {
		t.Errorf("geocode without Redis: %d %s", got.StatusCode, got.Text)
	}
	for _, request := range []string{"POST /tracking", "POST /search", "POST /v2/search"} {
		body := gatewaytest.RiderInSantiago
		if request == "POST /tracking" {
			body = gatewaytest.DriverInSantiago
		}
		got := f.Do(t, request, body)
		if got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
			t.Errorf("%s without Redis: %d, Retry-After %q", request, got.StatusCode, got.Header.Get("Retry-After"))
		}
	}
	if got := f.Do(t, "GET /readyz", ""); got.StatusCode != 200 || !strings.Contains(got.Text, `"redis":"down"`) {
		t.Errorf("readyz: %d %s, want 200 and redis down", got.StatusCode, got.Text)
	}

	f.Redis.Restart(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago).StatusCode != 200 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("dispatch did not recover within a minute")
		}
	}
}

// With ?wait= an answer is held back until the client's version is an old one.
func TestWaitAndETag(t *testing.T) {
	f := gatewaytest.New(t)
	var ride gatewaytest.Ride
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)
	path := "GET /v2/requests/" + ride.RequestID
	present := f.Do(t, path, "").Header.Get("ETag")
	if !strings.HasPrefix(present, `"1-`) {
		t.Errorf("ETag = %s, want one that begins with the version", present)
	}
	tests := []struct {
		name, query, held string
		status            int
	}{
		{"plain", "", "", 200},
		{"the version held", "", present, 304},
		{"weakly held", "", "W/" + present, 304},
		{"one of several held", "", `"7", ` + present, 304},
		{"any held", "", "*", 304},
		{"another one held", "", `"0"`, 200},
		{"a wait without a change", "?wait=30ms", "", 200},
		{"a wait in seconds", "?wait=0.03", "", 200},
		{"a wait without a change from the version held", "?wait=30ms", present, 304},
		{"a wait from an older version does not wait", "?wait=25s", `"0"`, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			started := time.Now()
			got := f.Do(t, path+tt.query, "", "If-None-Match: "+tt.held)
			if got.StatusCode != tt.status || got.Header.Get("ETag") != present || (got.Text == "") != (tt.status == 304) {
				t.Errorf("%d %q %s, want %d with ETag %s", got.StatusCode, got.Header.Get("ETag"), got.Text, tt.status, present)
			}
			took := time.Since(started)
			if held := strings.Contains(tt.name, "without a change"); took > 20*time.Second || held && took < 30*time.Millisecond {
				t.Errorf("took %s", took)
			}
		})
	}

	for name, held := range map[string]string{"the version held": present, "nothing held": ""} {
		t.Run("change from "+name, func(t *testing.T) {
			changed := make(chan gatewaytest.Answer)
			go func() { changed <- f.Do(t, path+"?wait=25s", "", "If-None-Match: "+held) }()
			f.Do(t, "POST /v2/cancel", fmt.Sprintf(`{"request_id":%q}`, ride.RequestID))
			if got := <-changed; got.StatusCode != 200 || !strings.HasPrefix(got.Header.Get("ETag"), `"2-`) || !strings.Contains(got.Text, `"state":"cancelled"`) {
				t.Errorf("%d %s, want the cancelled ride", got.StatusCode, got.Text)
			}
		})
	}
	// Nothing will come after an end: there is nothing to wait for.
	present = f.Do(t, path, "").Header.Get("ETag")
	if got := f.Do(t, path+"?wait=25s", "", "If-None-Match: "+present); got.StatusCode != 304 {
		t.Errorf("a wait after the end: %d, want 304 at once", got.StatusCode)
	}
}
