package rides_test

import (
	"strings"
	"testing"

	"geogate/gateway/gatewaytest"
)

// matchedRide is a ride that driver 1 has.
func matchedRide(t *testing.T, f *gatewaytest.Fixture) (path string) {
	t.Helper()
	f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago)
	var ride gatewaytest.Ride
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)
	if ride.State != "matched" {
		t.Fatalf("ride = %+v, want it matched", ride)
	}
	return "/v2/requests/" + ride.RequestID
}

// A row is one request about a ride, in the order in which they are sent.
type stepRow struct{ step, body, want string }

func (row stepRow) check(t *testing.T, f *gatewaytest.Fixture, path string) gatewaytest.Answer {
	t.Helper()
	got := f.Do(t, "POST "+path+"/"+row.step, row.body)
	status := 200
	if strings.HasPrefix(row.want, `"status":`) {
		status = got.StatusCode
	}
	if got.StatusCode != status || !strings.Contains(got.Text, row.want) {
		t.Errorf("%s %s = %d %s, want %s", row.step, row.body, got.StatusCode, got.Text, row.want)
	}
	return got
}

func TestFromTheMatchToTheDoor(t *testing.T) {
	f := gatewaytest.New(t)
	path := matchedRide(t, f)
	for _, row := range []stepRow{
		{"arrive", `{"driver_id":"2"}`, `"status":404`},
		{"arrive", ``, `"status":400`},
		{"arrive", `{"driver_id":"1"}`, `"state":"arrived"`},
		{"arrive", `{"driver_id":1}`, `"state":"arrived"`},
		{"start", `{"driver_id":"1"}`, `"state":"started"`},
		{"arrive", `{"driver_id":"1"}`, `"status":409`},
		{"cancel", ``, `"status":409`},
		{"release", `{"driver_id":"1"}`, `"status":409`},
		{"complete", `{"driver_id":"1"}`, `"state":"completed"`},
		{"complete", `{"driver_id":"1"}`, `"state":"completed"`},
		{"start", `{"driver_id":"1"}`, `"status":409`},
	} {
		row.check(t, f, path)
	}
}

func TestCancelOnTheWay(t *testing.T) {
	f := gatewaytest.New(t)
	path := matchedRide(t, f)
	for _, row := range []stepRow{
		{"cancel", `{"reason":"` + strings.Repeat("ü", 65) + `"}`, `"code":"invalid_reason"`},
		{"cancel", `{"driver_id":"1"}`, `"code":"unknown_field"`},
		{"cancel", `{"reason":7}`, `"code":"wrong_type"`},
	} {
		row.want = `"status":400`
		row.check(t, f, path)
	}
	stepRow{"arrive", `{"driver_id":"1"}`, `"state":"arrived"`}.check(t, f, path)
	first := stepRow{"cancel", `{"reason":"driver_too_far"}`, `"reason":"driver_too_far"`}.check(t, f, path)
	second := stepRow{"cancel", ``, `"state":"cancelled"`}.check(t, f, path)
	if first.Text != second.Text || !strings.Contains(first.Text, `"driver":null`) {
		t.Errorf("cancel = %s, then %s, want the same without a driver", first.Text, second.Text)
	}
	late := stepRow{"release", `{"driver_id":"1"}`, `"status":409`}.check(t, f, path)
	if !strings.Contains(late.Text, `"state":"cancelled"`) {
		t.Errorf("release of a cancelled ride = %s, want its state", late.Text)
	}
	if got := f.Do(t, "GET /v2/drivers/1", ""); !strings.Contains(got.Text, `"available"`) {
		t.Errorf("driver = %s, want them available", got.Text)
	}
}

func TestGivenBack(t *testing.T) {
	f := gatewaytest.New(t)
	path := matchedRide(t, f)
	stepRow{"release", `{"reason":"flat_tyre"}`, `"status":400`}.check(t, f, path)
	first := stepRow{"release", `{"driver_id":"1","reason":"flat_tyre"}`, `"state":"searching"`}.check(t, f, path)
	f.Do(t, "POST /tracking", `{"id":"2","lat":-33.45,"lng":-70.63}`)
	if now := f.Do(t, "GET "+path, ""); !strings.Contains(now.Text, `"matched"`) {
		t.Errorf("ride = %s, want it matched with the next driver", now.Text)
	}
	if again := (stepRow{"release", `{"driver_id":"1"}`, `"reason":"flat_tyre"`}).check(t, f, path); again.Text != first.Text {
		t.Errorf("release = %s, repeated %s, want the same", first.Text, again.Text)
	}
	stepRow{"arrive", `{"driver_id":"1"}`, `"status":404`}.check(t, f, path)
}
