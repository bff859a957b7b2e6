package rides_test

import (
	"net/url"
	"strings"
	"testing"

	"geogate/gateway/gatewaytest"
)

// driverBody is a driver as his app reads him.
type driverBody struct {
	ID        string
	Lat, Lng  float64
	State     string
	Vehicle   string
	Tags      []string
	Region    string
	SeenAt    string  `json:"seen_at"`
	RequestID *string `json:"request_id"`
}

func TestDriver(t *testing.T) {
	f := gatewaytest.NewWithRegions(t, []string{"default", "north", "south"})
	f.Do(t, "POST /tracking", `{"id":7,"lat":1,"lng":2,"vehicle":"van","tags":["b","a"],"region":"north"}`)
	got := f.Do(t, "GET /v2/drivers/7", "")
	var d driverBody
	got.JSON(t, &d)
	if got.StatusCode != 200 || d.ID != "7" || d.Lat != 1 || d.Lng != 2 || d.State != "available" || d.Vehicle != "van" ||
		len(d.Tags) != 2 || d.Region != "north" || d.SeenAt == "" || d.RequestID != nil {
		t.Errorf("driver = %d %s", got.StatusCode, got.Text)
	}
	for name, want := range map[string]int{"north": 200, "south": 404, "": 200} {
		if got := f.Do(t, "GET /v2/drivers/7?region="+name, ""); got.StatusCode != want {
			t.Errorf("driver in region %q: %d, want %d", name, got.StatusCode, want)
		}
	}
	// A filter finds him, another one does not.
	for body, want := range map[string]int{
		`{"lat":1,"lng":2,"region":"north","vehicle":"van","tags":["a","b"]}`: 1,
		`{"lat":1,"lng":2,"region":"north","vehicle":"bike"}`:                 0,
		`{"lat":1,"lng":2,"region":"north","tags":["a","c"]}`:                 0,
		`{"lat":1,"lng":2}`: 0,
	} {
		var found struct{ Drivers []driverBody }
		f.Do(t, "POST /search", body).JSON(t, &found)
		if len(found.Drivers) != want {
			t.Errorf("search %s: %d drivers, want %d", body, len(found.Drivers), want)
		}
	}
	if got := f.Do(t, "HEAD /v2/drivers/7", ""); got.StatusCode != 200 || got.Text != "" {
		t.Errorf("HEAD: %d %q", got.StatusCode, got.Text)
	}
}

// A driver goes offline by being deleted, unless a rider waits for him.
func TestDeleteDriver(t *testing.T) {
	f := gatewaytest.New(t)
	f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago)
	var ride gatewaytest.Ride
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)
	engaged := f.Do(t, "DELETE /v2/drivers/1", "")
	var p gatewaytest.Problem
	engaged.JSON(t, &p)
	if engaged.StatusCode != 409 || p.Code != "driver_engaged" {
		t.Fatalf("DELETE of a busy driver: %d %s, want 409", engaged.StatusCode, engaged.Text)
	}
	var d driverBody
	f.Do(t, "GET /v2/drivers/1", "").JSON(t, &d)
	if d.State != "busy" || d.RequestID == nil || *d.RequestID != ride.RequestID {
		t.Errorf("driver = %+v, want him busy with %s", d, ride.RequestID)
	}

	f.Do(t, "POST /v2/complete", `{"request_id":"`+ride.RequestID+`"}`)
	if got := f.Do(t, "DELETE /v2/drivers/1", ""); got.StatusCode != 204 || got.Text != "" {
		t.Errorf("DELETE: %d %q, want 204 and nothing", got.StatusCode, got.Text)
	}
	for _, request := range []string{"GET /v2/drivers/1", "DELETE /v2/drivers/1"} {
		if got := f.Do(t, request, ""); got.StatusCode != 404 {
			t.Errorf("%s of a deleted driver: %d, want 404", request, got.StatusCode)
		}
	}
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)
	if ride.State != "searching" {
		t.Errorf("a ride got a deleted driver: %s", ride.State)
	}
}

// Ids in paths are decoded exactly once, whatever is in them.
func TestDriverIDsInPaths(t *testing.T) {
	f := gatewaytest.New(t)
	escape := strings.NewReplacer(".", "%2E", "*", "%2A", "!", "%21")
	for _, id := range []string{
		"a/b", "/", "//", "a//b/", "%", "%25", "%2f", "a%2Fb", "*", "+", "a+b", "a b", ".", "..", "../../tracking",
		"?", "#", "a?b=c", ";", "é", "💥", "offers", "{id}", "1.5",
	} {
		f.Do(t, "POST /tracking", `{"id":"`+id+`","lat":1,"lng":1}`)
		paths := map[string]string{"as Go escapes it": url.PathEscape(id), "with more escaped": escape.Replace(url.PathEscape(id))}
		for how, path := range paths {
			var d driverBody
			got := f.Do(t, "GET /v2/drivers/"+path, "")
			if got.JSON(t, &d); d.ID != id {
				t.Errorf("GET of %q, %s (%s): %d %s", id, how, path, got.StatusCode, got.Text)
			}
			var offers struct{ Offers []any }
			if got := f.Do(t, "GET /v2/drivers/"+path+"/offers", ""); got.StatusCode != 200 {
				t.Errorf("offers of %q (%s): %d %s", id, path, got.StatusCode, got.Text)
			} else if got.JSON(t, &offers); offers.Offers == nil {
				t.Errorf("offers of %q (%s): %s, want a list", id, path, got.Text)
			}
		}
		if got := f.Do(t, "DELETE /v2/drivers/"+escape.Replace(url.PathEscape(id)), ""); got.StatusCode != 204 {
			t.Errorf("DELETE of %q: %d %s", id, got.StatusCode, got.Text)
		}
	}
	f.Do(t, "POST /tracking", `{"id":"doubled","lat":1,"lng":1}`)
	if got := f.Do(t, "GET //v2///drivers/doubled/", ""); got.StatusCode != 200 {
		t.Errorf("doubled slashes: %d %s", got.StatusCode, got.Text)
	}
}
