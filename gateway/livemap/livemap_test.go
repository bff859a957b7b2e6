package livemap_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
)

// seen is what a client of a map knows.
type seen struct {
	drivers map[string]string // id → state
	rides   map[string]string
}

// take applies an event as a client does.
func (s *seen) take(t testing.TB, b gatewaytest.Block) {
	t.Helper()
	if b.Event == "gone" {
		var gone struct{ Drivers, Rides []string }
		if err := json.Unmarshal([]byte(b.Data), &gone); err != nil {
			t.Fatalf("%s: %v", b.Data, err)
		}
		for _, id := range gone.Drivers {
			delete(s.drivers, id)
		}
		for _, id := range gone.Rides {
			delete(s.rides, id)
		}
		return
	}
	var lists struct {
		Drivers []struct{ ID, State string }
		Rides   []struct {
			ID    string `json:"request_id"`
			State string
		}
	}
	if err := json.Unmarshal([]byte(b.Data), &lists); err != nil {
		t.Fatalf("%s: %v", b.Data, err)
	}
	for _, d := range lists.Drivers {
		s.drivers[d.ID] = d.State
	}
	for _, r := range lists.Rides {
		s.rides[r.ID] = r.State
	}
}

// open follows a box; expect reads on until the client knows exactly this.
func open(t *testing.T, f *gatewaytest.Fixture, box string) (expect func(what, drivers, rides string)) {
	t.Helper()
	stream := f.Open(t, "/v2/map/events?bbox="+url.QueryEscape(box))
	if stream.Status != http.StatusOK {
		t.Fatalf("bbox %s: %d", box, stream.Status)
	}
	s := seen{map[string]string{}, map[string]string{}}
	for range names { // there is one of each to begin with
		s.take(t, gatewaytest.NextEvent(t, stream.Blocks))
	}
	return func(what, drivers, rides string) {
		t.Helper()
		for s.text() != drivers+" | "+rides {
			t.Logf("%s: %s so far", what, s.text())
			s.take(t, gatewaytest.NextEvent(t, stream.Blocks))
		}
	}
}

var names = []string{"drivers", "rides"}

func (s *seen) text() string {
	var drivers, states []string
	for id, state := range s.drivers {
		drivers = append(drivers, id+" "+state)
	}
	for _, state := range s.rides {
		states = append(states, state)
	}
	slices.Sort(drivers)
	slices.Sort(states)
	return strings.Join(drivers, ", ") + " | " + strings.Join(states, ", ")
}

func at(id string, lat, lng float64) string {
	return fmt.Sprintf(`{"id":%q,"lat":%v,"lng":%v}`, id, lat, lng)
}

func TestMapShowsWhatIsInTheBoxAndWhatChanges(t *testing.T) {
	f := gatewaytest.New(t)
	f.Do(t, "POST /tracking", "["+at("in", 47.1, 9.5)+","+at("out", 47.1, 12)+"]")
	expect := open(t, f, "9,47,10,48")
	other := open(t, f, "9,47,10,48") // shares the text
	everywhere := open(t, f, "-180,-90,180,90")
	expect("at first", "in available", "")
	everywhere("at first", "in available, out available", "")

	f.Do(t, "POST /tracking", "["+at("in", 47.1, 12)+","+at("out", 47.2, 9.5)+"]")
	expect("one leaves and one comes", "out available", "")

	var ride gatewaytest.Ride
	f.Do(t, "POST /v2/search", `{"lat":47.2,"lng":9.5}`).JSON(t, &ride)
	expect("a ride is matched", "out busy", "matched")
	other("a ride is matched", "out busy", "matched")
	f.Do(t, "POST /v2/complete", `{"request_id":"`+ride.RequestID+`"}`)
	expect("it ends", "out available", "")
	f.Do(t, "DELETE /v2/drivers/out", "")
	expect("the driver is erased", "", "")
	everywhere("the driver is erased", "in available", "")
}

func TestMapAcrossTheDateLine(t *testing.T) {
	f := gatewaytest.New(t)
	f.Do(t, "POST /tracking", "["+at("fiji", -17, 179)+","+at("samoa", -13, -172)+","+at("vaduz", 47, 9.5)+"]")
	open(t, f, "170,-20,-170,-10")("at first", "fiji available, samoa available", "")
}

func TestMapRefusesWhatIsNoBox(t *testing.T) {
	f := gatewaytest.New(t)
	for name, tt := range map[string]struct{ query, code string }{
		"nothing":          {"", "missing_bbox"},
		"empty":            {"?bbox=", "missing_bbox"},
		"three":            {"?bbox=1,2,3", "invalid_bbox"},
		"five":             {"?bbox=1,2,3,4,5", "invalid_bbox"},
		"words":            {"?bbox=a,b,c,d", "invalid_bbox"},
		"not a number":     {"?bbox=NaN,0,1,1", "invalid_bbox"},
		"north below":      {"?bbox=0,10,1,9", "invalid_bbox"},
		"beyond the pole":  {"?bbox=0,0,1,91", "invalid_bbox"},
		"beyond the world": {"?bbox=0,0,181,1", "invalid_bbox"},
		"twice":            {"?bbox=0,0,1,1&bbox=0,0,1,1", "repeated_parameter"},
		"unknown":          {"?bbox=0,0,1,1&zoom=3", "unknown_parameter"},
	} {
		t.Run(name, func(t *testing.T) {
			res := f.Do(t, "GET /v2/map/events"+tt.query, "")
			if res.StatusCode != http.StatusBadRequest || !strings.Contains(res.Text, `"code":"`+tt.code+`"`) {
				t.Errorf("%d %s, want 400 %s", res.StatusCode, res.Text, tt.code)
			}
		})
	}
}

func TestMapNeedsDispatch(t *testing.T) {
	f := gatewaytest.New(t, gatewaytest.WithAdmin, func(c *gateway.Config) { c.Identity.Anonymous = 0 })
	if res := f.Do(t, "GET /v2/map/events?bbox=0,0,1,1", ""); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a credential: %d, want 401", res.StatusCode)
	}
	if s := f.Open(t, "/v2/map/events?bbox=0,0,1,1", gatewaytest.AsAdmin); s.Status != http.StatusOK {
		t.Errorf("an administrator: %d, want 200", s.Status)
	}
}
