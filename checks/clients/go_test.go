package clients

import (
	"context"
	"encoding/json"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	client "geogate/clients/go"

	"geogate/checks/geogate"
)

// The types of the Go client, which are written by hand, have the fields that the
// description has, and those only.
func TestGoTypesAreThoseOfTheDescription(t *testing.T) {
	description, err := openapi3.NewLoader().LoadFromFile(filepath.Join(geogate.Root, "docs", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	schemas := description.Components.Schemas
	request := description.Paths.Find("/v2/search").Post.RequestBody.Value.Content["application/json"].Schema.Value
	for _, tt := range []struct {
		name   string
		value  any
		schema *openapi3.Schema
	}{
		{"Candidate", client.Candidate{}, schemas["Candidate"].Value},
		{"Driver", client.Driver{}, schemas["Driver"].Value},
		{"FoundPlace", client.FoundPlace{}, schemas["FoundPlace"].Value},
		{"Offer", client.Offer{}, schemas["Offer"].Value},
		{"Place", client.Place{}, schemas["Place"].Value},
		{"Places", client.Places{}, schemas["Places"].Value},
		{"Position", client.Position{}, schemas["Position"].Value},
		{"Problem", client.Problem{}, schemas["Problem"].Value},
		{"Rejection", client.Rejection{}, schemas["Rejection"].Value},
		{"Ride", client.Ride{}, schemas["Ride"].Value},
		{"RideRequest", client.RideRequest{}, request},
		{"Stop", client.Stop{}, schemas["Stop"].Value},
		{"Tracked", client.Tracked{}, schemas["Tracked"].Value},
		{"Where", client.Where{}, request.Properties["dropoff"].Value},
	} {
		got := fields(reflect.TypeOf(tt.value))
		var want []string
		for name := range tt.schema.Properties {
			if name != "lon" || slices.Contains(tt.schema.Required, "lon") { // another name for lng
				want = append(want, name)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s has the fields %q, the description %q", tt.name, got, want)
		}
	}
}

// fields are those that encoding/json knows of a struct.
func fields(typ reflect.Type) (names []string) {
	for _, field := range reflect.VisibleFields(typ) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func TestGo(t *testing.T) {
	dir := t.TempDir()
	geogate.Build(t, dir)
	c := &client.Client{BaseURL: geogate.Start(t, dir, "bin/geogate", "LOG_FORMAT=json")}
	ctx := t.Context()

	found, err := c.Search(ctx, "Vaduz")
	if err != nil || len(found.Data) == 0 || found.Data[0].Name != "Vaduz" || found.Data[0].Licence == "" {
		t.Errorf("Search = %+v, %v, want Vaduz", found, err)
	}
	if found, err := c.Reverse(ctx, client.Point{Lat: 47.14, Lng: 9.52}); err != nil || len(found.Data) != 1 {
		t.Errorf("Reverse = %+v, %v, want one place", found, err)
	}

	at := client.Point{Lat: 47.14151, Lng: 9.52154}
	ride, err := c.RequestRide(ctx, client.RideRequest{Point: &at, Tags: []string{"child_seat"}, Dropoff: &client.Where{Q: "Zurich"}, Metadata: map[string]string{"fare": "12"}}, "once")
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.RequestRide(ctx, client.RideRequest{Point: &at, Tags: []string{"child_seat"}, Dropoff: &client.Where{Q: "Zurich"}, Metadata: map[string]string{"fare": "12"}}, "once")
	if err != nil || again.RequestID != ride.RequestID || again.Dropoff == nil || again.Dropoff.Place == nil || again.Metadata["fare"] != "12" {
		t.Errorf("RequestRide with the same key = %+v, %v, want the same ride", again, err)
	}
	var states []string
	for event, err := range c.FollowRide(ctx, ride.RequestID) {
		if err != nil {
			t.Fatal(err)
		}
		if event.Type == "position" {
			continue
		}
		var now client.Ride
		if err := json.Unmarshal(event.Data, &now); err != nil || now.State != event.Type || now.Pickup.Point != at {
			t.Fatalf("event %s %s: %v", event.Type, event.Data, err)
		}
		states = append(states, now.State)
		switch now.State {
		case "searching":
			tags, heading := []string{"child_seat"}, 90.0
			tracked, err := c.Track(ctx, client.Position{ID: "7", Point: at, Heading: &heading, Tags: &tags}, client.Position{ID: "8", Point: client.Point{Lat: 99}})
			if err != nil || tracked.Accepted != 1 || len(tracked.Rejected) != 1 || tracked.Rejected[0].ID != "8" {
				t.Fatalf("Track = %+v, %v, want 7 stored and 8 rejected", tracked, err)
			}
		case "matched":
			if driver, err := c.Driver(ctx, now.Driver.ID); err != nil || driver.State != "busy" || driver.RequestID != ride.RequestID {
				t.Errorf("Driver = %+v, %v, want them busy", driver, err)
			}
			for _, step := range []func(context.Context, string, string) error{c.Arrive, c.Start, c.Complete} {
				if err := step(ctx, ride.RequestID, "7"); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if got := strings.Join(states, " "); got != "searching matched arrived started completed" {
		t.Errorf("the ride was %q", got)
	}
	if err := c.Cancel(ctx, ride.RequestID, ""); client.Code(err) != "too_late" {
		t.Errorf("Cancel after the end: %v, want too_late", err)
	}
	if drivers, err := c.Nearest(ctx, at, 5); err != nil || len(drivers) != 1 || drivers[0].ID != "7" {
		t.Errorf("Nearest = %+v, %v, want 7", drivers, err)
	}
	if err := c.SignOff(ctx, "7"); err != nil {
		t.Error(err)
	}
}
